"""The ways to say what people allowed: the API, a file, and the page of one person."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from apps.accounts import consent, people, scoping
from apps.accounts.models import AuditEntry, ConsentRecord, Person
from apps.accounts.permissions import system
from apps.campaigns.models import Topic
from tests import factories
from tests.conftest import api_client
from tests.factories import NOW

URL = "/api/v1/people/consent"
LEFT = NOW - timedelta(hours=2)
THEN = "2026-11-19T10:00:00Z"
WORD = {"user_id": "ada", "purpose": "ad_user_data", "granted": True, "source": "banner", "occurred_at": THEN}


@pytest.fixture
def ada(actor):
    return people.identify(actor, user_id="ada", traits={"email": "Ada@Example.com"}, now=NOW)


def say(api, *records):
    return api.post(URL, {"records": list(records)}, format="json")


@pytest.mark.parametrize("who", [{"user_id": "ada"}, {"anonymous_id": "phone"}, {"email": "ada@example.com"}])
def test_a_person_is_named_by_any_of_their_ids(api, actor, ada, who):
    people.identify(actor, user_id="ada", anonymous_id="phone", now=NOW)
    record = {name: value for name, value in WORD.items() if name != "user_id"} | who

    answer = say(api, record)

    assert answer.status_code == 207
    assert answer.json() == {
        "recorded": 1,
        "repeated": 0,
        "refused": 0,
        "results": [{"what": "recorded", "people": 1, "errors": {}}],
    }
    assert consent.is_given(ada, "ad_user_data")


def test_the_same_again_changes_nothing(api, ada):
    say(api, WORD)

    answer = say(api, WORD, WORD)

    assert answer.json()["repeated"] == 2
    assert ConsentRecord.objects.count() == 1
    assert AuditEntry.objects.filter(deed="consent.recorded").count() == 1


def test_an_id_nobody_has_seen_becomes_a_person(api, workspace):
    say(api, {**WORD, "user_id": "new"})

    assert consent.is_given(people.find(user_id="new"), "ad_user_data")


def test_an_unknown_address_makes_nobody(api, workspace):
    record = {name: value for name, value in WORD.items() if name != "user_id"} | {"email": "x@example.com"}

    answer = say(api, record)

    assert answer.json()["results"][0]["errors"] == {
        "email": ["Nobody in this workspace is known by that address."]
    }
    assert not Person.objects.exists()


def test_one_that_cannot_be_used_stops_no_other(api, ada):
    future = (timezone.now() + timedelta(days=1)).isoformat()

    answer = say(api, {**WORD, "occurred_at": future}, {**WORD, "anonymous_id": "b"}, WORD).json()

    assert [one["what"] for one in answer["results"]] == ["refused", "refused", "recorded"]
    assert list(answer["results"][0]["errors"]) == ["occurred_at"]
    assert list(answer["results"][1]["errors"]) == ["user_id"]


def test_a_late_withdrawal_wins_at_the_same_instant(api, ada):
    say(api, {**WORD, "granted": False})
    say(api, WORD)

    assert not consent.is_given(ada, "ad_user_data")


def test_a_grant_that_arrives_after_a_later_withdrawal_does_not_count(api, ada):
    say(api, {**WORD, "granted": False})
    say(api, {**WORD, "occurred_at": "2026-11-18T10:00:00Z"})

    assert not consent.is_given(ada, "ad_user_data")


@pytest.fixture
def left(ada, workspace):
    """Ada left the topic `dates`, which asks for no confirmation, by the link in a message."""
    Topic.objects.create(workspace=workspace, key="dates", name="Dates", is_double_opt_in=False)
    withdraw = {"purpose": "dates", "is_granted": False, "source": "one-click unsubscribe"}
    consent.record(system(workspace.pk), ada, occurred_at=LEFT, now=NOW, **withdraw)
    return ada


@pytest.fixture(params=["dates", "ad_user_data"])
def refused(request, left):
    """Of a topic, and of what no topic is about."""
    if request.param != "dates":
        withdraw = {"purpose": request.param, "is_granted": False, "source": "banner"}
        consent.record(system(left.workspace_id), left, occurred_at=LEFT, now=NOW, **withdraw)
    return request.param


YES = {"purpose": "dates", "granted": True, "source": "shop"}
PROOF = {"wording": "Yes, write to me about dates again.", "occurred_at": "2026-11-20T11:00:00Z"}


@pytest.mark.parametrize("who", [{"user_id": "ada"}, {"email": "ada@example.com"}], ids=["id", "address"])
@pytest.mark.parametrize(
    ("proof", "lacking"),
    [
        ({}, {"occurred_at", "wording"}),
        ({"wording": PROOF["wording"]}, {"occurred_at"}),
        ({"occurred_at": PROOF["occurred_at"], "wording": "  "}, {"wording"}),
        (PROOF, set()),
    ],
    ids=["none", "no time", "no words", "whole"],
)
def test_a_program_says_yes_over_a_no_with_its_proof_alone(api, left, refused, who, proof, lacking):
    [told] = say(api, {**YES, **who, **proof, "purpose": refused}).json()["results"]

    assert set(told["errors"]) == lacking
    assert consent.is_given(left, refused) == (not lacking)
    for texts in told["errors"].values():
        assert texts[0].startswith("They said no on 20 November 2026.")


def test_an_old_yes_undoes_no_no_and_is_kept(api, left):
    told = say(api, {**YES, "user_id": "ada", "occurred_at": THEN}).json()

    assert told["recorded"] == 1
    assert not consent.is_given(left, "dates")


@pytest.mark.parametrize("purpose", ["dates", "ad_user_data"])
@pytest.mark.parametrize("is_together", [True, False], ids=["in one batch", "in two"])
def test_a_no_that_comes_along_is_kept_as_well(api, left, purpose, is_together):
    yes = {**YES, "user_id": "eve", "purpose": purpose}
    no = {**yes, "granted": False, "occurred_at": THEN}
    batches = [[no, yes]] if is_together else [[no], [yes]]

    told = [one for batch in batches for one in say(api, *batch).json()["results"]]

    assert [one["what"] for one in told] == ["recorded", "refused"]


@pytest.mark.parametrize(
    ("when", "counts"),
    [({}, False), ({"occurred_at": PROOF["occurred_at"]}, True)],
    ids=["undated", "with its moment"],
)
def test_a_banner_takes_a_no_back_with_its_moment_and_leaves_a_topic_alone(api, left, refused, when, counts):
    body = {"user_id": "ada", "consent": {refused: True}, **when}
    counts = counts and refused != "dates"

    answer = api.post("/api/v1/attribution/identify", body, format="json").json()

    assert ("errors" in answer) == (not counts)
    assert consent.is_given(left, refused) == counts


def test_a_colleague_says_yes_over_a_no_with_the_words(page, left):
    url = reverse("accounts:consent", args=[left.public_id])
    given = {"purpose": "dates", "is_granted": "yes", "source": "by telephone"}

    answer = page.post(url, given)
    assert answer.status_code == 400
    assert "They said no on 20 November 2026." in answer.content.decode()
    assert not consent.is_given(left, "dates")
    assert page.post(url, {**given, "wording": "Shall we write to you again?"}).status_code == 302
    assert consent.is_given(left, "dates")


def test_a_file_without_times_brings_nobody_back(page, left):
    lines = f"user_id,purpose,granted,wording\nada,dates,yes,{PROOF['wording']}\n"
    file = SimpleUploadedFile("old.csv", lines.encode(), content_type="text/csv")

    answer = page.post(reverse("accounts:consents"), {"file": file, "source": "old list"})

    assert "They said no on 20 November 2026." in answer.content.decode()
    assert not consent.is_given(left, "dates")


def test_a_thousand_go_in_one_request_and_not_one_more(api, workspace):
    many = [{**WORD, "user_id": f"u{n}"} for n in range(1_001)]

    assert say(api, *many).status_code == 400
    assert not ConsentRecord.objects.exists()
    assert say(api, *many[:1_000]).json()["recorded"] == 1_000


def test_the_same_thousand_cost_few_queries(api, workspace, django_assert_max_num_queries):
    many = [{**WORD, "user_id": f"u{n}"} for n in range(1_000)]

    with django_assert_max_num_queries(30):
        say(api, *many)


def test_what_was_said_can_be_read_again(api, ada):
    say(api, WORD, {**WORD, "granted": False, "occurred_at": "2026-11-20T10:00:00Z", "wording": "No."})

    answer = api.get(URL, {"user_id": "ada"}).json()

    assert answer["person_id"] == str(ada.public_id)
    assert [(one["purpose"], one["granted"], one["wording"]) for one in answer["now"]] == [
        ("ad_user_data", False, "No.")
    ]
    assert [one["granted"] for one in answer["history"]] == [False, True]
    assert api.get(URL, {"person_id": str(ada.public_id)}).json() == answer


@pytest.mark.parametrize(
    ("asked", "status"),
    [({"user_id": "nobody"}, 404), ({}, 400), ({"user_id": "ada", "anonymous_id": "b"}, 400)],
)
def test_who_is_asked_for_must_be_one_who_is_known(api, ada, asked, status):
    assert api.get(URL, asked).status_code == status


def test_the_purposes_that_are_looked_at_are_listed(api):
    listed = api.get(f"{URL}/purposes").json()

    assert {one["purpose"] for one in listed} >= {"ad_user_data", "ad_personalization", "analytics_storage"}


@pytest.mark.parametrize("scope", ["track", "read"])
def test_a_key_that_may_not_write_records_nothing(workspace, now, scope):
    answer = say(api_client(workspace, [scope], now), WORD)

    assert answer.status_code == 403
    assert not ConsentRecord.objects.exists()


def test_another_workspaces_people_are_nobody_here(api, other_workspace):
    with scoping.workspace(other_workspace):
        factories.PersonFactory(workspace=other_workspace, external_id="theirs")

    assert api.get(URL, {"user_id": "theirs"}).status_code == 404


def test_identify_takes_consent_along(api, workspace):
    body = {
        "user_id": "eve",
        "consent": {"ad_user_data": True, "analytics_storage": False},
        "occurred_at": THEN,
    }

    for _ in range(2):
        assert api.post("/api/v1/attribution/identify", body, format="json").status_code == 200

    said = consent.latest(people.find(user_id="eve"))
    assert {name: one.is_granted for name, one in said.items()} == {
        "ad_user_data": True,
        "analytics_storage": False,
    }
    assert ConsentRecord.objects.count() == 2
    assert {one.source for one in said.values()} == {"tracking: identify"}


@pytest.mark.parametrize("said", [{"ad_user_data": "yes"}, ["ad_user_data"], {"": True}])
def test_consent_that_is_no_plain_yes_or_no_is_refused_by_identify(api, workspace, said):
    answer = api.post("/api/v1/attribution/identify", {"user_id": "eve", "consent": said}, format="json")

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["consent"]
    assert not Person.objects.exists()


# Pages

FORM = {
    "purpose": "ad_user_data",
    "is_granted": "yes",
    "source": "by telephone",
    "wording": "May we tell Meta?",
}


def test_a_member_records_and_withdraws_on_the_persons_page(page, ada):
    url = reverse("accounts:consent", args=[ada.public_id])

    assert page.post(url, FORM).status_code == 302
    assert consent.is_given(ada, "ad_user_data")
    page.post(url, {**FORM, "is_granted": "no", "another": "ad_user_data"})

    assert not consent.is_given(ada, "ad_user_data")
    text = page.get(url).content.decode()
    assert "by telephone" in text
    assert "May we tell Meta?" in text
    assert AuditEntry.objects.filter(deed="consent.withdrawn").exists()


def test_the_time_is_that_of_the_workspaces_clock(page, ada, workspace):
    workspace.time_zone = "America/New_York"
    workspace.save()

    page.post(reverse("accounts:consent", args=[ada.public_id]), {**FORM, "occurred_at": "2026-11-19T10:00"})

    assert ConsentRecord.objects.get().occurred_at.isoformat() == "2026-11-19T15:00:00+00:00"


def test_a_future_word_is_refused_at_its_field(page, ada):
    answer = page.post(
        reverse("accounts:consent", args=[ada.public_id]), {**FORM, "occurred_at": "2099-01-01T10:00"}
    )

    assert answer.status_code == 400
    assert "in the future" in answer.content.decode()
    assert not ConsentRecord.objects.exists()


def test_an_analyst_sees_it_and_changes_nothing(client, workspace, ada):
    client.force_login(factories.member(workspace, "analyst"))
    url = reverse("accounts:consent", args=[ada.public_id])

    assert client.get(url).status_code == 200
    assert client.post(url, FORM).status_code == 403
    assert not ConsentRecord.objects.exists()


def upload(page, text, **fields):
    file = SimpleUploadedFile("said.csv", text.encode(), "text/csv")
    return page.post(reverse("accounts:consents"), {"file": file, "source": "old list", **fields})


def test_a_file_goes_in_line_by_line_and_again_without_a_change(page, ada):
    text = (
        "user_id,email,purpose,granted,occurred_at\n"
        "eve,,newsletter,yes,2026-11-19T10:00:00Z\n"
        ",ada@example.com,newsletter,no,2026-11-19 10:00\n"
        "bob,,newsletter,perhaps,\n"
        ",,newsletter,yes,\n"
    )

    first, second = (upload(page, text).content.decode() for _ in range(2))

    assert "<em>2</em> recorded, 0 known already, 2 refused." in " ".join(first.split())
    assert "line 4" in first
    assert "granted is yes or no." in first
    assert "<em>0</em> recorded, 2 known already" in " ".join(second.split())
    assert consent.is_given(people.find(user_id="eve"), "newsletter")
    assert ConsentRecord.objects.get(is_granted=False).source == "old list"


@pytest.mark.parametrize(
    "text",
    [
        "who,what\na,b\n",
        "purpose,granted\n",
        "purpose,granted\n\x00,yes\n",
        f"purpose,granted\n{'x' * 200_000},yes\n",
    ],
    ids=["other columns", "no lines", "NUL", "no end to a cell"],
)
def test_a_file_that_is_none_of_ours_is_refused_whole(page, text):
    assert upload(page, text).status_code == 400
    assert not ConsentRecord.objects.exists()


def test_the_page_of_a_journey_says_what_is_allowed(page, ada, actor):
    consent.record(
        actor, ada, purpose="ad_user_data", is_granted=True, source="x", occurred_at=NOW, now=timezone.now()
    )

    text = page.get(reverse("attribution:person", args=[ada.public_id])).content.decode()

    assert '<span class="pill good">ad_user_data</span>' in text
    assert reverse("accounts:consent", args=[ada.public_id]) in text
