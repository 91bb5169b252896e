"""Campaigns over HTTP, by a key and by a person."""

import pytest

from apps.accounts.models import AuditEntry
from apps.campaigns.models import Campaign, Content, Recipient
from tests.campaigns.built import launched, ready
from tests.conftest import api_client
from tests.factories import NOW, PersonFactory

URL = "/api/v1/marketing/campaigns"
PLAIN = "/api/marketing/campaigns"


def _post(client, address, body=None):
    return client.post(address, body or {}, format="json")


def test_from_the_first_word_to_the_figures(api, page, workspace, actor):
    ready_one = ready(workspace, many=8)
    topic, sender = ready_one.topic.key, str(ready_one.sender.public_id)
    made = _post(
        api,
        URL,
        {"name": "Summer", "audience": str(ready_one.audience.public_id), "topic": topic, "sender": sender},
    )
    assert made.status_code == 201
    address = f"{URL}/{made.json()['id']}"
    words = {"subject": "Summer is near", "body": "Hello", "weight": 3}
    said = _post(api, f"{address}/contents", words).json()
    assert said["weight"] == 3
    held = api.get(f"{address}/check").json()
    assert (held["is_ready"], held["people"]) == (False, 8)
    assert _post(api, f"{address}/launch").status_code == 409
    seen = {"version": said["version"]}
    assert _post(api, f"{address}/contents/a/approve", seen).status_code == 403

    assert page.post(f"{address}/contents/a/approve", content_type="application/json").status_code == 400
    assert page.post(f"{address}/contents/a/approve", seen, "application/json").status_code == 200
    assert api.get(f"{address}/check").json()["is_ready"]
    answer = _post(api, f"{address}/launch")

    assert (answer.status_code, answer.json()["state"]) == (200, "running")
    assert _post(api, f"{address}/pause", {"reason": "A typing error"}).json()["state"] == "paused"
    assert AuditEntry.objects.get(deed="campaign.paused").reason == "A typing error"
    assert _post(api, f"{address}/resume").json()["state"] == "running"
    stats = api.get(f"{address}/stats").json()
    assert (stats["sent"], stats["brought_revenue"]) == (0, None)
    assert _post(api, f"{address}/cancel").json()["state"] == "cancelled"
    copy = _post(api, f"{address}/duplicate").json()
    assert (copy["name"], copy["state"]) == ("Summer (copy)", "draft")
    assert api.delete(f"{address}").json()["archived_at"]
    assert {one["name"] for one in api.get(URL).json()} == {"Summer (copy)", "Spring"}
    assert [one["name"] for one in api.get(f"{URL}?is_archived=true").json()] == ["Summer"]


def test_who_got_it_and_who_did_not(api, workspace, actor):
    made = launched(actor, ready(workspace, many=5, hold_out_share=0.0))
    rows = list(Recipient.objects.order_by("person_id"))
    Recipient.objects.filter(pk=rows[0].pk).update(state="skipped", reason="unsubscribed", settled_at=NOW)
    address = f"{URL}/{made.public_id}/recipients"

    seen, next_page = [], f"{address}?page_size=2"
    while next_page:
        answer = api.get(next_page).json()
        seen, next_page = [*seen, *answer["results"]], answer["next"]

    assert [one["person_id"] for one in seen] == [str(one.person.public_id) for one in rows]
    assert (seen[0]["state"], seen[0]["reason"]) == ("skipped", "unsubscribed")
    assert {one["variant"] for one in seen} <= {"a", "b"}
    assert [one["external_id"] for one in api.get(f"{address}?state=skipped").json()["results"]] == [
        rows[0].person.external_id
    ]
    assert api.get(f"{address}?state=asleep").status_code == 400
    assert api_client(workspace, ["write"], NOW).get(address).status_code == 403


def test_a_long_list_goes_on(api):
    for number in range(5):
        _post(api, URL, {"name": f"Number {number}"})

    first = api.get(f"{URL}?limit=2").json()
    rest = api.get(f"{URL}?limit=200&before={first[-1]['id']}").json()

    assert [one["name"] for one in first + rest] == [f"Number {number}" for number in (4, 3, 2, 1, 0)]
    assert api.get(f"{URL}?before=01900000-0000-7000-8000-000000000001").status_code == 404


def test_a_change_names_what_was_changed_meanwhile(api):
    made = _post(api, URL, {"name": "Spring"}).json()
    address = f"{URL}/{made['id']}"
    first = api.patch(address, {"version": 1, "goal": "purchase"}, format="json")
    second = api.patch(address, {"version": 1, "name": "Summer"}, format="json")

    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert second.status_code == 409
    assert second.json()["code"] == "campaign_changed_meanwhile"
    assert second.json()["errors"] == {"goal": ["Changed meanwhile."]}


def test_a_text_that_was_replaced_meanwhile_is_neither_approved_nor_overwritten(api, page):
    address = f"{URL}/{_post(api, URL, {'name': 'Spring'}).json()['id']}"
    seen = _post(api, f"{address}/contents", {"subject": "Text A", "body": "Hello"}).json()["version"]
    address = f"{address}/contents/a"
    changed = api.patch(address, {"version": seen, "subject": "Text B", "weight": 2}, format="json")

    approved = page.post(f"{address}/approve", {"version": seen}, "application/json")
    stale = api.patch(address, {"version": seen, "subject": "Text C"}, format="json")
    gone = api.delete(f"{address}?version={seen}")

    assert (changed.status_code, changed.json()["version"] > seen) == (200, True)
    assert [one.status_code for one in (approved, stale, gone)] == [409, 409, 409]
    assert stale.json()["code"] == "content_changed_meanwhile"
    assert set(stale.json()["errors"]) == {"subject", "weight"}
    kept = api.get(address).json()
    assert (kept["subject"], kept["weight"], kept["approved_at"]) == ("Text B", 2, None)
    assert api.patch(address, {"subject": "Text C"}, format="json").status_code == 400
    assert api.delete(f"{address}?version={kept['version']}").status_code == 204


def test_what_was_looked_at_is_what_is_launched(api, workspace):
    made = ready(workspace, many=2)
    address = f"{URL}/{made.public_id}"
    api.patch(address, {"version": made.version, "goal": "purchase"}, format="json")

    stale = _post(api, f"{address}/launch", {"version": made.version})

    assert (stale.status_code, stale.json()["code"]) == (409, "campaign_changed_meanwhile")
    assert _post(api, f"{address}/launch", {"version": made.version + 1}).json()["state"] == "running"


def test_a_version_that_never_was_is_a_conflict_or_refused(api):
    address = f"{URL}/{_post(api, URL, {'name': 'Spring'}).json()['id']}"

    assert api.patch(address, {"version": -(10**30), "name": "x"}, format="json").status_code == 400
    assert api.patch(address, {"version": 2**31 - 1, "name": "x"}, format="json").status_code == 409


def test_the_addresses_without_a_version_are_the_same_views(api):
    made = _post(api, PLAIN, {"name": "Spring"})

    assert made.status_code == 201
    assert api.get(f"{URL}/{made.json()['id']}").json() == made.json()
    assert "RateLimit" in str(made.headers) or made.headers.get("RateLimit-Policy")


@pytest.mark.parametrize("field", ["audience", "topic", "sender"])
def test_what_is_named_must_be_there(api, field):
    value = "nothing" if field == "topic" else "019ac000-0000-7000-8000-000000000000"

    assert _post(api, URL, {"name": "Spring", field: value}).status_code == 404
    assert not Campaign.objects.exists()


def test_a_preview_shows_the_words(api, workspace):
    made = ready(workspace, many=1)

    shown = _post(api, f"{URL}/{made.public_id}/preview", {"content": "b"}).json()

    assert shown["subject"] == "Spring is near, take 2"
    assert "season opens" in shown["html"]
    assert "season opens" in shown["text"]


def test_a_test_goes_to_one_address(api, workspace):
    made = ready(workspace, many=1)

    sent = _post(api, f"{URL}/{made.public_id}/test", {"to": "ada@example.com"})

    assert sent.status_code == 202
    assert Campaign.objects.get().state == "draft"


@pytest.mark.parametrize(("scope", "status"), [("write", 403), ("admin", 200)])
def test_only_who_may_see_people_sees_a_message_as_one_of_them(workspace, now, scope, status):
    made = ready(workspace, many=1)
    PersonFactory(workspace=workspace, external_id="ada")
    key, asked = api_client(workspace, [scope], now), {"content": "a", "user_id": "ada"}

    assert _post(key, f"{URL}/{made.public_id}/preview", asked).status_code == status
    if status == 403:
        sent = _post(key, f"{URL}/{made.public_id}/test", {**asked, "to": "me@example.com"})
        assert sent.status_code == 403


def test_what_is_sent_is_not_changed(api, workspace, actor):
    made = launched(actor, ready(workspace, many=2))
    address = f"{URL}/{made.public_id}"

    assert api.patch(address, {"version": made.version, "name": "x"}, format="json").status_code == 409
    change = {"version": 1, "subject": "x"}
    assert api.patch(f"{address}/contents/a", change, format="json").status_code == 409
    assert api.delete(f"{address}/contents/a?version=1").status_code == 409
    assert Content.objects.filter(subject="x").count() == 0


def test_a_field_that_is_misspelt_is_refused_and_what_was_read_may_come_back(api):
    refused = _post(api, URL, {"name": "Spring", "holdout_share": 0.1})
    read = _post(api, URL, {"name": "Spring"}).json()
    changed = api.patch(f"{URL}/{read['id']}", {**read, "name": "Summer"}, format="json")

    assert refused.status_code == 400
    assert refused.json()["errors"] == {"holdout_share": ["A campaign has no such field."]}
    assert (changed.status_code, changed.json()["name"]) == (200, "Summer")
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2027-07-01T09:00", "2027-07-01T13:00:00Z"),
        ("2027-01-15T09:00:00", "2027-01-15T14:00:00Z"),
        ("2027-07-01T09:00:00+02:00", "2027-07-01T07:00:00Z"),
        ("2027-07-01T09:00:00Z", "2027-07-01T09:00:00Z"),
    ],
)
def test_a_time_without_an_offset_is_one_of_the_workspaces_clock(api, workspace, said, meant):
    workspace.time_zone = "America/New_York"
    workspace.save()

    made = _post(api, URL, {"name": "Spring", "starts_at": said})

    assert (made.status_code, made.json()["starts_at"]) == (201, meant)


@pytest.mark.parametrize("said", ["2027-03-14T02:30", "2027-11-07T01:30"])
def test_an_hour_that_the_workspaces_clock_skips_or_shows_twice_is_refused(api, workspace, said):
    workspace.time_zone = "America/New_York"
    workspace.save()

    refused = _post(api, URL, {"name": "Spring", "starts_at": said})

    assert refused.status_code == 400
    assert "America/New_York" in refused.json()["errors"]["starts_at"][0]


@pytest.mark.parametrize("starts_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_that_no_clock_can_show_is_refused(api, starts_at):
    refused = _post(api, URL, {"name": "Spring", "starts_at": starts_at})

    assert refused.status_code == 400
    assert refused.json()["errors"] == {"starts_at": ["Give a time from 2000 to 2100."]}
    assert not Campaign.objects.exists()
