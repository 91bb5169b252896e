"""The API and the pages of audiences, as programs and people use them."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.accounts import jobs, scoping
from apps.accounts.models import AuditEntry, Person
from apps.campaigns.audiences import keeping
from apps.campaigns.models import Audience, AudienceMember, Campaign, ListFile
from tests.conftest import api_client
from tests.factories import NOW, PersonFactory, member

URL = "/api/v1/marketing/audiences"
HAS = {"field": "person.has_email", "value": True}


@pytest.fixture(autouse=True)
def _media(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def ada(workspace):
    return PersonFactory(workspace=workspace, external_id="ada", email_index=b"a" * 16)


def test_an_audience_from_its_making_to_its_end(api, workspace, ada):
    PersonFactory(workspace=workspace)
    made = api.post(URL, {"name": " Readers ", "rules": {"and": [HAS]}}, format="json")
    assert made.status_code == 201
    assert made.data["name"] == "Readers"
    assert made.data["people"] is None
    one = f"{URL}/{made.data['id']}"

    counted = api.post(f"{one}/count").data
    assert (counted["people"], counted["sample"]) == (1, [str(ada.public_id)])
    assert counted["sentence"] == "People who have an e-mail address."
    assert api.get(one).data["people"] == 1

    changed = api.patch(one, {"rules": {"not": HAS}}, format="json").data
    assert changed["people"] is None
    assert api.post(f"{one}/count").data["people"] == 1

    assert api.delete(one).status_code == 204
    assert api.get(URL).data == []
    assert api.get(one).data["archived_at"] is not None
    assert api.patch(one, {"name": "x"}, format="json").data["code"] == "audience_archived"
    deeds = list(AuditEntry.objects.order_by("pk").values_list("deed", flat=True))
    assert [deed for deed in deeds if deed.startswith("audience")] == [
        "audience.created",
        "audience.changed",
        "audience.archived",
    ]


PLAN = {"field": "trait", "key": "plan", "op": "equals", "value": "gold"}


@pytest.mark.parametrize("rules", [PLAN, {"not": PLAN}, {"or": [HAS, {"and": [PLAN]}]}])
def test_who_may_not_see_people_cannot_ask_after_their_traits(workspace, now, actor, rules):
    reader, writer = (api_client(workspace, [scope], now) for scope in ("read", "write"))
    kept = keeping.create(actor, name="Readers", kind="rules", rules=HAS, now=NOW)

    for answer in (
        reader.post(f"{URL}/preview", {"rules": rules}, format="json"),
        writer.post(f"{URL}/preview", {"rules": rules}, format="json"),
        writer.post(URL, {"name": "Gold", "rules": rules}, format="json"),
        writer.patch(f"{URL}/{kept.public_id}", {"rules": rules}, format="json"),
    ):
        assert (answer.status_code, answer.data["code"]) == (403, "may_not_see_people")
        assert "Rules on traits tell what is known of somebody" in answer.data["detail"]
        assert "'people:read' (scope admin). This key's scopes:" in answer.data["detail"]

    assert [one.rules for one in Audience.objects.all()] == [kept.rules]


def test_who_may_not_see_people_cannot_ask_of_a_list_of_one(workspace, now, actor):
    writer = api_client(workspace, ["write"], now)
    listed = writer.post(URL, {"name": "One", "kind": "list"}, format="json").data["id"]
    of_list = {"field": "list", "list": listed}
    gone = {"field": "consent", "purpose": "news", "op": "withdrawn"}
    seen = {"field": "person.first_seen", "op": "in_last", "value": 3}

    assert writer.post(f"{URL}/preview", {"rules": of_list}, format="json").status_code == 200
    for rules in ({"and": [of_list, gone]}, {"and": [gone, {"not": of_list}]}, {"and": [gone, seen]}):
        answer = writer.post(f"{URL}/preview", {"rules": rules}, format="json")
        assert (answer.status_code, answer.data.get("code")) == (403, "may_not_see_people"), answer.data


def test_a_key_that_may_not_read_people_is_told_which_may(workspace, now, ada):
    writer = api_client(workspace, ["write"], now)

    for answer in (
        writer.get("/api/v1/people/consent", {"person_id": str(ada.public_id)}),
        writer.post("/api/v1/api-keys", {"name": "More", "scopes": ["admin"]}, format="json"),
    ):
        assert (answer.status_code, answer.data["code"]) == (403, "permission_denied")
        assert "(scope admin). This key's scopes: write." in answer.data["detail"]


def test_who_may_not_see_people_learns_how_many_and_not_who(workspace, now, actor, client, ada):
    kept = keeping.create(actor, name="Readers", kind="rules", rules={"and": [HAS]}, now=NOW)
    reader = api_client(workspace, ["read"], now)

    for answer in (
        reader.post(f"{URL}/preview", {"rules": HAS}, format="json"),
        reader.post(f"{URL}/{kept.public_id}/count"),
    ):
        assert (answer.data["people"], answer.data["sample"]) == (1, [])
    client.force_login(member(workspace, "viewer"))
    page = client.get(f"/campaigns/audiences/{kept.public_id}/").content.decode()
    assert "<em>1</em>" in page
    assert str(ada.public_id) not in page


def test_a_refusal_names_the_place(api):
    rules = {"and": [HAS, {"field": "touchpoint", "count": 0}]}

    for answer in (
        api.post(URL, {"name": "x", "rules": rules}, format="json"),
        api.post(f"{URL}/preview", {"rules": rules}, format="json"),
    ):
        assert answer.status_code == 400
        assert list(answer.data["errors"]) == ["rules.and[1].count"]
    assert not Audience.objects.exists()


def test_two_of_one_name(api, actor):
    keeping.create(actor, name="Readers", kind="list", now=NOW)

    answer = api.post(URL, {"name": "Readers", "rules": HAS}, format="json")

    assert answer.data["errors"] == {"name": ["Another audience has this name."]}


def test_a_list_goes_on_before_its_last(api, actor):
    first, _, last = (keeping.create(actor, name=name, kind="list", now=NOW) for name in "abc")

    assert [one["name"] for one in api.get(f"{URL}?before={last.public_id}").data] == ["b", "a"]
    assert api.get(f"{URL}?before={first.public_id}").data == []
    assert api.get(f"{URL}?before=01900000-0000-7000-8000-000000000001").status_code == 404


def test_what_a_campaign_waits_for_stays(api, workspace, actor):
    made = keeping.create(actor, name="Readers", kind="list", now=NOW)
    Campaign.objects.create(workspace=workspace, name="Spring", audience=made, changed_at=NOW)

    answer = api.delete(f"{URL}/{made.public_id}")

    assert (answer.status_code, answer.data["code"]) == (409, "audience_in_use")
    made.refresh_from_db()
    assert made.archived_at is None


def test_a_builder_learns_what_there_is(api, workspace, actor):
    PersonFactory(workspace=workspace, traits={"plan": "gold"})
    known = {one["field"]: one for one in api.get(f"{URL}/fields").data}

    assert known["trait"]["inputs"][0]["suggestions"] == ["plan"]
    assert known["health.score"]["is_available"] is False
    assert known["health.score"]["reason"] == "Nothing in this product measures it yet."
    assert known["list"]["is_available"] is False
    assert {"touchpoint", "conversion", "engagement", "consent", "person.last_seen"} <= set(known)


def test_a_file_by_the_api(api, workspace, actor, ada):
    made = keeping.create(actor, name="Fair", kind="list", now=NOW)

    answer = api.post(
        f"{URL}/{made.public_id}/import",
        {"name": "a.csv", "content": "user_id\nada\nnobody\n"},
        format="json",
    )
    assert answer.status_code == 202
    jobs.run(job_id=ListFile.objects.get().job_id)

    told = api.get(f"{URL}/imports/{answer.data['id']}").data
    assert (told["state"], told["rows"], told["added"], told["refused"]) == ("done", 2, 1, 1)
    assert told["refused_rows"] == [
        {"line": 3, "reason": "unknown", "detail": "Nobody here is known by that"}
    ]


def test_a_key_that_writes_makes_people_and_one_that_reads_brings_none(workspace, actor, now):
    made = keeping.create(actor, name="Fair", kind="list", now=NOW)
    body = {"name": "a.csv", "content": "user_id\nnew\n", "makes_people": True}

    refused = api_client(workspace, ["read"], now).post(f"{URL}/{made.public_id}/import", body, format="json")

    assert refused.status_code == 403
    assert not ListFile.objects.exists()


def fields(**told):
    return {"n.match": "all", "n.parts": "1", "n-0.field": "person.has_email", "n-0.value": "true"} | told


def test_the_builder_without_javascript(page, workspace, ada):
    address = reverse("campaigns:audience-new")
    assert b"Who is in this audience?" in page.get(address).content

    grown = page.post(address, fields(do="add n")).content.decode()
    assert 'name="n-1.field"' in grown
    grouped = page.post(address, fields(do="group n")).content.decode()
    assert 'name="n-1-0.field"' in grouped
    fewer = page.post(address, fields(do="drop n-0")).content.decode()
    assert "There is no condition in this group yet." in fewer

    saved = page.post(
        address,
        fields(
            do="save",
            name="Readers",
            **{
                "n.parts": "2",
                "n-1.parts": "1",
                "n-1.match": "none",
                "n-1-0.field": "conversion",
                "n-1-0.op": "revenue_at_least",
                "n-1-0.revenue": "50",
                "n-1-0.type": "purchase, lead",
                "n-1-0.window": "last",
                "n-1-0.days": "30",
            },
        ),
    )
    made = Audience.objects.get()
    assert saved.headers["Location"] == reverse("campaigns:audience", args=[made.public_id])
    assert made.rules == {
        "and": [
            HAS | {"op": "is"},
            {
                "not": {
                    "or": [
                        {
                            "field": "conversion",
                            "type": ["purchase", "lead"],
                            "revenue": "50",
                            "op": "revenue_at_least",
                            "window": {"last_days": 30},
                        }
                    ]
                }
            },
        ]
    }
    shown = page.get(saved.headers["Location"]).content.decode()
    assert "<em>1</em> person fits Readers right now." in " ".join(shown.split())
    edited = page.get(reverse("campaigns:audience-edit", args=[made.public_id])).content.decode()
    assert 'value="purchase, lead"' in edited
    assert "Readers" in page.get(reverse("campaigns:audiences")).content.decode()


def test_the_builder_says_what_is_wrong_where_it_is(page, workspace):
    address = reverse("campaigns:audience-new")

    answer = page.post(
        address, fields(do="save", name="", **{"n.parts": "2", "n-1.field": "touchpoint", "n-1.count": "0"})
    )
    assert answer.status_code == 400
    condition = answer.content.decode().split('id="n-1"')[1]
    assert "Give a whole number from 1" in condition
    unnamed = page.post(address, fields(do="save", name=""))
    assert "Give it a name of 1 to 120 characters." in unnamed.content.decode()
    assert not Audience.objects.exists()


def test_counting_while_one_edits(page, workspace, ada):
    answer = page.post(reverse("campaigns:audience-preview"), fields(), HTTP_HX_REQUEST="true")

    told = " ".join(answer.content.decode().split())
    assert "<em>1</em> person fits right now" in told
    assert "People who have an e-mail address." in told
    assert str(ada.public_id) in told
    empty = page.post(reverse("campaigns:audience-preview"), {"n.match": "any", "n.parts": "0"})
    assert "with at least one condition" in empty.content.decode()


def test_who_may_not_see_people_gets_no_way_to_them(client, workspace, ada, actor):
    made = keeping.create(actor, name="Readers", kind="rules", rules=HAS, now=NOW)
    client.force_login(member(workspace, "viewer"))

    told = client.get(reverse("campaigns:audience", args=[made.public_id])).content.decode()

    assert "<em>1</em>" in told
    assert str(ada.public_id) not in told
    assert reverse("attribution:person", args=[ada.public_id]) not in told
    assert "Change the rules" not in told
    assert not re.search(r"\bada\b", told)  # ids may hold the letters


def test_a_list_by_the_page(page, workspace, ada):
    made = page.post(reverse("campaigns:list-new"), {"name": "Fair"})
    audience = Audience.objects.get()
    assert made.headers["Location"] == reverse("campaigns:audience", args=[audience.public_id])

    file = SimpleUploadedFile("fair.csv", b"user_id,email\nada,\nnew,\n,\n")
    brought = page.post(made.headers["Location"], {"file": file, "makes_people": "on"})
    assert b"being read" in page.get(brought.headers["Location"]).content

    with scoping.workspace(workspace):
        jobs.run(job_id=ListFile.objects.get().job_id)

    told = " ".join(page.get(brought.headers["Location"]).content.decode().split())
    assert "<em>2</em> people came onto Fair." in told
    assert "The row names nobody" in told
    rows = b"".join(page.get(f"{brought.headers['Location']}refused/").streaming_content).decode()
    assert rows == "line,reason\r\n4,The row names nobody\r\n"
    assert AudienceMember.objects.count() == 2
    assert Person.objects.filter(external_id="new").exists()
    wrong = page.post(made.headers["Location"], {"file": SimpleUploadedFile("x.csv", b"name\nAda\n")})
    assert wrong.status_code == 400
    assert "Which column is user_id, email or phone?" in wrong.content.decode()


def test_an_empty_page_says_what_to_do(page, client, workspace):
    assert b"Build the first one" in page.get(reverse("campaigns:audiences")).content
