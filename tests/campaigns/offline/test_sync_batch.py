"""POST /api/v1/sync/batch: each event once, a verdict for each, whatever comes in between."""

import gzip
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connections
from rest_framework.test import APIClient

from apps.accounts import consent, people, scoping, workspaces
from apps.accounts.models import ConsentRecord, Person
from apps.accounts.permissions import system
from apps.attribution.models import Conversion, Touchpoint
from apps.campaigns import flags, message_tokens, switches
from apps.campaigns.models import Campaign, Content, Device, DeviceEvent, Engagement, FieldStamp, Recipient
from apps.campaigns.offline import batches, edited
from tests.campaigns import messages
from tests.conftest import api_client, committed
from tests.factories import PersonFactory

URL = "/api/v1/sync/batch"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def event(
    kind: str, payload: dict[str, Any], *, ago: float = 0, lamport: int = 1, **more: Any
) -> dict[str, Any]:
    """An event of a device; ago: seconds before now by a good clock."""
    said = NOW - timedelta(seconds=ago)
    return {
        "id": str(uuid4()),
        "type": kind,
        "original_timestamp": said.isoformat(),
        "lamport": lamport,
        "payload": payload,
        **more,
    }


def batch(
    *events: dict[str, Any], seq_from: int = 1, sent_at: datetime = NOW, device: str = "tablet"
) -> dict[str, Any]:
    return {"device_id": device, "seq_from": seq_from, "sent_at": sent_at.isoformat(), "events": list(events)}


def send(api: APIClient, document: dict[str, Any]) -> Any:
    answer = api.post(URL, document, format="json")
    assert answer.status_code == 207, answer.content
    return answer.json()


def verdicts(answer: Any) -> list[str]:
    return [one["verdict"] for one in answer["events"]]


VISIT = {"user_id": "eve", "event_type": "visit", "platform": "fair"}


def test_a_visit_noted_offline_is_a_touch_of_when_it_happened(api: APIClient) -> None:
    answer = send(api, batch(event("event", VISIT, ago=3600)))

    assert verdicts(answer) == ["accepted"]
    assert Touchpoint.objects.get().occurred_at == NOW - timedelta(hours=1)


def test_half_a_character_is_the_fault_of_its_event_alone(api: APIClient) -> None:
    halves = [{**VISIT, "user_id": "\ud800"}, {**VISIT, "event_type": "vi\ude00sit"}]
    document = batch(event("event", VISIT), *(event("event", one) for one in halves), event("event", VISIT))

    answer = api.post(URL, json.dumps(document), content_type="application/json")

    assert verdicts(answer.json()) == ["accepted", "rejected", "rejected", "accepted"]
    assert Touchpoint.objects.count() == 2


def test_each_event_counts_against_the_limit(api: APIClient, workspace: Any) -> None:
    workspaces.change(system(workspace.pk), now=NOW, settings={"rate_limits": {"tracking": 6}})

    never = api.post(URL, batch(*(event("event", VISIT) for _ in range(7))), format="json")
    first = api.post(URL, batch(*(event("event", VISIT) for _ in range(4))), format="json")
    second = api.post(URL, batch(event("event", VISIT), event("event", VISIT)), format="json")

    assert (never.status_code, "in parts" in never.json()["detail"]) == (413, True)
    assert first.status_code == 207
    assert "r=1;" in first.headers["RateLimit"]
    assert (second.status_code, second.json()["code"]) == (429, "rate_limited")
    assert second.headers["Retry-After"]
    assert Touchpoint.objects.count() == 4


def test_the_same_batch_again_changes_nothing(api: APIClient) -> None:
    document = batch(
        event("event", VISIT),
        event("conversion", {"user_id": "eve", "conversion_type": "lead", "revenue": 5}),
    )
    first, again = send(api, document), send(api, document)

    assert verdicts(first) == ["accepted", "accepted"]
    assert verdicts(again) == ["duplicate", "duplicate"]
    assert Touchpoint.objects.count() == Conversion.objects.count() == 1
    assert again["cursor"] == first["cursor"] == 2


def test_an_id_twice_in_one_batch_counts_once(api: APIClient) -> None:
    one = event("event", VISIT)

    assert verdicts(send(api, batch(one, one))) == ["accepted", "accepted"]
    assert Touchpoint.objects.count() == 1


def test_a_clock_that_is_two_hours_ahead_is_corrected(api: APIClient) -> None:
    ahead = timedelta(hours=2)
    late = event("event", VISIT)
    late["original_timestamp"] = (NOW + ahead - timedelta(minutes=10)).isoformat()

    send(api, batch(late, sent_at=NOW + ahead))

    assert Touchpoint.objects.get().occurred_at == NOW - timedelta(minutes=10)
    assert DeviceEvent.objects.get().said_at == NOW + ahead - timedelta(minutes=10)


@pytest.mark.parametrize(("ago_days", "expected"), [(400, timedelta(days=30)), (-2, timedelta(0))])
def test_a_moment_beyond_reason_is_brought_back(api: APIClient, ago_days: int, expected: timedelta) -> None:
    send(api, batch(event("event", VISIT, ago=ago_days * 86_400)))

    assert Touchpoint.objects.get().occurred_at == NOW - expected


def test_one_bad_event_stops_no_other_and_says_what_is_wrong(api: APIClient) -> None:
    answer = send(
        api,
        batch(
            event("event", VISIT),
            event("event", {"user_id": "eve"}),
            event("dance", {}),
            {**event("event", VISIT), "id": "7"},
            event("event", {**VISIT, "properties": {"text": "x" * 33_000}}),
            {**event("event", VISIT), "original_timestamp": "yesterday"},
            {**event("event", VISIT), "lamport": -1},
            {**event("event", VISIT), "payload": [1]},
            event("consent", {"purpose": "news", "granted": True}),
            event("profile", {"user_id": "eve", "field": "", "value": 1}),
        ),
    )

    assert verdicts(answer) == ["accepted"] + 9 * ["rejected"]
    reasons = [one.get("reason") for one in answer["events"]]
    assert reasons[1:] == [
        "invalid",
        "unknown_type",
        "bad_id",
        "too_large",
        "bad_timestamp",
        "bad_lamport",
        "bad_payload",
        "no_person",
        "bad_payload",
    ]
    assert "platform" in answer["events"][1]["detail"]
    assert Touchpoint.objects.count() == 1
    assert answer["cursor"] == 10


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"device_id": ""}, "device_id"),
        ({"device_id": "x" * 65}, "device_id"),
        ({"seq_from": -1}, "seq_from"),
        ({"seq_from": True}, "seq_from"),
        ({"sent_at": "now"}, "sent_at"),
        ({"events": []}, "events"),
        ({"events": [{}] * 1_001}, "events"),
        ({"events": "x"}, "events"),
    ],
)
def test_a_batch_that_cannot_be_used_names_the_field(
    api: APIClient, change: dict[str, Any], field: str
) -> None:
    answer = api.post(URL, {**batch(event("event", VISIT)), **change}, format="json")

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert not Device.objects.exists()


def test_a_packed_batch_is_taken_and_one_that_is_too_large_is_not(api: APIClient) -> None:
    packed = gzip.compress(json.dumps(batch(event("event", VISIT))).encode())
    taken = api.post(URL, packed, content_type="application/json", HTTP_CONTENT_ENCODING="gzip")
    bomb = gzip.compress(b" " * 500_001)
    refused = api.post(URL, bomb, content_type="application/json", HTTP_CONTENT_ENCODING="gzip")

    assert taken.status_code == 207
    assert refused.status_code == 413


def test_a_key_that_may_only_track_brings_no_consent(workspace: Any, now: Any) -> None:
    tracker = api_client(workspace, ["track"], now)
    words = event("consent", {"user_id": "eve", "purpose": "news", "granted": True})
    document = batch(words, event("event", VISIT))

    answer = send(tracker, document)

    assert verdicts(answer) == ["rejected", "accepted"]
    assert answer["events"][0]["reason"] == "not_allowed"
    assert not ConsentRecord.objects.exists()
    # With more rights the same event is taken: it was not.
    assert verdicts(send(api_client(workspace, ["write"], now), document)) == ["accepted", "duplicate"]


def test_while_it_is_switched_off_nothing_is_taken_and_devices_are_asked_to_come_again(
    api: APIClient, actor: Any
) -> None:
    document = batch(
        event("event", VISIT), event("profile", {"user_id": "eve", "field": "plan", "value": "a"})
    )
    switches.turn(actor, flags.OFFLINE, is_on=False, now=NOW, reason="Odd figures")

    answer = api.post(URL, document, format="json")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert answer.json()["code"] == "switched_off"
    assert not DeviceEvent.objects.exists()
    assert not Touchpoint.objects.exists()

    switches.turn(actor, flags.OFFLINE, is_on=True, now=NOW)
    assert verdicts(send(api, document)) == ["accepted", "accepted"]


def test_the_cursor_stays_before_a_gap(api: APIClient) -> None:
    send(api, batch(event("event", VISIT), seq_from=5))
    later = send(api, batch(event("event", VISIT), seq_from=9))
    filled = send(api, batch(*(event("event", VISIT) for _ in range(3)), seq_from=6))

    assert later["cursor"] == 5
    assert filled["cursor"] == 8


def test_the_last_writer_of_a_field_wins_whoever_comes_first(api: APIClient) -> None:
    def write(value: str, lamport: int) -> dict[str, Any]:
        return event("profile", {"user_id": "eve", "field": "venue", "value": value}, lamport=lamport)

    newer, older = write("Barn", 9), write("Hall", 4)

    assert verdicts(send(api, batch(newer))) == ["accepted"]
    assert verdicts(send(api, batch(older, device="phone"))) == ["merged"]
    assert people.find(user_id="eve").traits == {"venue": "Barn"}


def test_personal_fields_are_sealed_as_everywhere(api: APIClient) -> None:
    send(api, batch(event("profile", {"user_id": "eve", "field": "email", "value": "eve@example.com"})))

    assert people.find_by_email("eve@example.com")[0].external_id == "eve"
    assert FieldStamp.objects.get().field == "email"


def word(granted: bool, ago: float) -> dict[str, Any]:
    return event("consent", {"user_id": "eve", "purpose": "news", "granted": granted}, ago=ago)


@pytest.mark.parametrize("yes_first", [True, False])
def test_a_no_outweighs_a_yes_that_was_said_after_it(api: APIClient, yes_first: bool) -> None:
    no, yes = word(False, 7_200), word(True, 3_600)

    for one in (yes, no) if yes_first else (no, yes):
        send(api, batch(one, device=one["id"]))

    assert not consent.is_given(people.find(user_id="eve"), "news")


def test_a_confirmation_by_e_mail_undoes_an_older_no(api: APIClient, actor: Any) -> None:
    eve = people.identify(actor, user_id="eve", now=NOW)
    confirmed = {"source": "the website", "is_confirmed": True, "occurred_at": NOW - timedelta(hours=1)}
    consent.record(actor, eve, purpose="news", is_granted=True, now=NOW, **confirmed)

    answer = send(api, batch(word(False, 7_200)))

    assert verdicts(answer) == ["merged"]
    assert consent.is_given(eve, "news")


def test_a_device_cannot_say_that_something_was_confirmed_by_e_mail(api: APIClient) -> None:
    forged = {"user_id": "eve", "purpose": "news", "granted": True, "source": "the stand, confirmed"}

    answer = send(api, batch(event("consent", forged, ago=3_600), word(False, 7_200)))

    assert verdicts(answer) == ["merged", "accepted"]
    assert not ConsentRecord.objects.filter(is_confirmed=True).exists()
    assert not consent.is_given(people.find(user_id="eve"), "news")


def test_a_device_does_not_say_yes_to_what_is_confirmed_by_e_mail_first(
    api: APIClient, workspace: Any
) -> None:
    messages.topic(workspace, "news")

    answer = send(api, batch(word(True, 60), word(False, 30)))

    assert verdicts(answer) == ["rejected", "accepted"]
    told = answer["events"][0]
    assert (told["reason"], "double opt-in" in told["detail"]) == ("confirm_first", True)
    assert [one.is_granted for one in ConsentRecord.objects.all()] == [False]


def test_events_of_another_workspace_are_not_ours(api: APIClient, other_workspace: Any, now: Any) -> None:
    document = batch(event("event", VISIT))
    send(api, document)

    assert verdicts(send(api_client(other_workspace, ["admin"], now), document)) == ["accepted"]


def test_old_notes_are_forgotten(api: APIClient) -> None:
    send(api, batch(event("event", VISIT)))

    with time_machine.travel(NOW + timedelta(days=44)):
        assert batches.prune() == 0
    with time_machine.travel(NOW + timedelta(days=46)):
        assert batches.prune() == 1


@committed
def test_two_tabs_that_send_the_same_at_once_store_it_once(workspace: Any, now: Any) -> None:
    events = [event("event", {**VISIT, "user_id": f"u{place % 3}"}) for place in range(20)]
    answers: list[list[str]] = []

    def tab(order: int) -> None:
        client = api_client(workspace, ["write"], now)
        answers.append(verdicts(send(client, batch(*events[::order], device=f"d{order}"))))
        connections.close_all()

    tabs = [threading.Thread(target=tab, args=(order,)) for order in (1, -1, 1, -1)]
    for one in tabs:
        one.start()
    for one in tabs:
        one.join()

    with scoping.workspace(workspace):
        assert Touchpoint.objects.count() == 20
        assert Person.objects.count() == 3
    assert sum(answer.count("accepted") for answer in answers) == 20


@pytest.fixture
def content(workspace: Any) -> Content:
    campaign = Campaign.objects.create(workspace=workspace, name="News", changed_at=NOW)
    made: Content = Content.objects.create(
        workspace=workspace,
        campaign=campaign,
        key="a",
        position=1,
        subject="Hello",
        body="Hello",
        changed_at=NOW,
    )
    return made


def edit(content: Content, subject: str, base: int) -> dict[str, Any]:
    payload = {"campaign": str(content.campaign.public_id), "key": "a", "fields": {"subject": subject}}
    return event("content_edit", payload, base_version=base)


def test_a_click_without_a_network_is_heard_once(api: APIClient, workspace: Any, content: Content) -> None:
    ada = PersonFactory(workspace=workspace)
    recipient = Recipient.objects.create(
        workspace=workspace, campaign=content.campaign, person=ada, content=content, state="sent"
    )
    token = message_tokens.issue(workspace.pk, recipient.pk)
    document = batch(
        event("engagement", {"token": token, "kind": "clicked", "link": 1}, ago=600),
        event(
            "engagement", {"token": message_tokens.issue(workspace.pk + 1, recipient.pk), "kind": "clicked"}
        ),
        event("engagement", {"token": token, "kind": "danced"}),
    )

    assert verdicts(send(api, document)) == ["accepted", "rejected", "rejected"]
    send(api, document)

    heard = Engagement.objects.get()
    assert (heard.kind, heard.link, heard.occurred_at) == ("clicked", 1, NOW - timedelta(minutes=10))


def test_an_edit_that_no_database_keeps_spoils_no_batch(api: APIClient, content: Content) -> None:
    stale, far = content.campaign.version + 5, 2**40

    answer = send(api, batch(edit(content, "a\0b", stale), edit(content, "ab", far), event("event", VISIT)))

    assert verdicts(answer) == ["conflict", "rejected", "accepted"]
    assert edited.waiting()[0].fields["subject"] == "ab"


def test_an_edit_of_what_somebody_changed_since_waits_for_a_person(
    api: APIClient, actor: Any, content: Content
) -> None:
    version = content.campaign.version

    first = verdicts(send(api, batch(edit(content, "From the tablet", version))))
    second = verdicts(send(api, batch(edit(content, "From the phone", version), device="phone")))

    content.refresh_from_db()
    assert (first, second) == (["accepted"], ["conflict"])
    assert content.subject == "From the tablet"
    [waiting] = edited.waiting()
    edited.decide(actor, waiting.public_id, take_it=True, now=NOW)
    content.refresh_from_db()
    assert content.subject == "From the phone"
    assert edited.waiting() == []
    with pytest.raises(edited.AlreadyDecided):
        edited.decide(actor, waiting.public_id, take_it=False, now=NOW)


def test_a_decision_is_about_the_text_that_was_seen(api: APIClient, page: Any, content: Content) -> None:
    version = content.campaign.version
    send(api, batch(edit(content, "From the tablet", version)))
    send(api, batch(edit(content, "From the phone", version), device="phone"))
    [waiting] = edited.waiting()
    seen = waiting.content.version
    send(api, batch(edit(content, "Written since", content.campaign.version + 1), device="third"))

    page.post(f"/campaigns/edits/{waiting.public_id}/", {"take": "yes", "version": seen})

    content.refresh_from_db()
    assert content.subject == "Written since"
    assert edited.waiting() == [waiting]


def test_a_person_decides_on_the_page(api: APIClient, page: Any, content: Content) -> None:
    version = content.campaign.version
    send(api, batch(edit(content, "From the tablet", version)))
    send(api, batch(edit(content, "From the phone", version), device="phone"))

    shown = page.get("/campaigns/edits/").content.decode()
    [waiting] = edited.waiting()
    page.post(f"/campaigns/edits/{waiting.public_id}/", {"take": "no"})

    assert "From the tablet" in shown
    assert "From the phone" in shown
    content.refresh_from_db()
    assert content.subject == "From the tablet"
    assert edited.waiting() == []
