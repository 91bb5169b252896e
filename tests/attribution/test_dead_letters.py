"""What was accepted and could not be stored: set aside once, mended, replayed, counted."""

import json

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from apps.accounts import jobs, key_rotation, sealing
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, Job
from apps.accounts.permissions import Actor
from apps.attribution import dead_letters, intake
from apps.attribution.dead_letters import NotWaiting, Refusal
from apps.attribution.models import Conversion, DeadLetter, IntakeCount, Reason, Touchpoint
from tests import factories
from tests.factories import NOW

EVENT = {"type": "event", "user_id": "ann", "event_type": "click", "platform": "meta", "event_id": "e-1"}
SALE = {"type": "conversion", "user_id": "ann", "conversion_type": "buy", "revenue": 5, "currency": "JPY"}


def set_aside(actor, *records, reason=Reason.UNUSABLE_FIELDS, received_at=NOW):
    refusals = [
        Refusal(
            reason=reason,
            payload={"line": number},
            record=record,
            errors={"x": ["no"]},
            identity=dead_letters.identity_of(json.dumps(record)),
        )
        for number, record in enumerate(records)
    ]
    return dead_letters.set_aside(actor, refusals, door="import", received_at=received_at)


@pytest.fixture
def letter(actor):
    set_aside(actor, EVENT)
    return DeadLetter.objects.get()


def test_what_it_says_is_sealed_and_opens(letter):
    assert b'"ann"' not in bytes(letter.content_sealed)
    assert dead_letters.content_of(letter).record == EVENT


def test_the_same_record_is_set_aside_once_and_counted_as_known(actor):
    assert set_aside(actor, EVENT) == 1
    assert set_aside(actor, EVENT) == 0

    (day,) = intake.door_days(since=NOW.date())
    assert (day.accepted, day.duplicates, day.dead_lettered) == (2, 1, 1)
    assert day.balances


def test_a_reason_that_nobody_registered_is_refused(actor):
    with pytest.raises(ValueError, match="mood"):
        set_aside(actor, EVENT, reason="mood")


def test_today_says_that_it_waits_to_whoever_may_mend_it(client, workspace, letter):
    factories.PersonFactory(workspace=workspace)

    client.force_login(factories.member(workspace, "operator"))
    assert "1\N{NO-BREAK SPACE}record waits to be mended." in client.get("/").content.decode()

    client.force_login(factories.member(workspace, "viewer"))
    assert "to be mended" not in client.get("/").content.decode()


def test_a_replay_stores_it_as_of_when_it_came(actor, letter):
    later = NOW.replace(day=25)

    dead_letters.replay(actor, letter.public_id, now=later)

    letter.refresh_from_db()
    assert (letter.state, letter.settled_at) == ("replayed", later)
    assert Touchpoint.objects.get().received_at == NOW
    assert AuditEntry.objects.get(deed="dead_letter.replayed").target_id == str(letter.pk)


def test_it_is_replayed_once(actor, letter):
    dead_letters.replay(actor, letter.public_id, now=NOW)

    with pytest.raises(NotWaiting):
        dead_letters.replay(actor, letter.public_id, now=NOW)
    with pytest.raises(NotWaiting):
        dead_letters.drop(actor, letter.public_id, reason="", now=NOW)


def test_what_came_another_way_meanwhile_is_not_stored_twice(actor, api, letter):
    api.post("/api/v1/attribution/track/event", {**EVENT, "type": None}, format="json")

    dead_letters.replay(actor, letter.public_id, now=NOW)

    assert Touchpoint.objects.count() == 1


def test_a_replay_that_is_refused_says_why_and_goes_on_waiting(actor, workspace):
    set_aside(actor, SALE, reason=Reason.NO_EXCHANGE_RATE)
    letter = DeadLetter.objects.get()

    with pytest.raises(Invalid) as refusal:
        dead_letters.replay(actor, letter.public_id, now=NOW)

    assert list(refusal.value.errors) == ["currency"]
    letter.refresh_from_db()
    assert letter.state == "waiting"
    assert list(dead_letters.content_of(letter).errors) == ["currency"]


def test_a_mended_letter_is_judged_by_the_one_parser(actor, letter):
    for record in (None, {}, {"type": "poem"}, {**EVENT, "platform": ""}, {**EVENT, "occurred_at": "soon"}):
        with pytest.raises(Invalid):
            dead_letters.mend(actor, letter.public_id, record, now=NOW)

    dead_letters.mend(actor, letter.public_id, {**SALE, "currency": "GBP"}, now=NOW)
    dead_letters.replay(actor, letter.public_id, now=NOW)

    assert Conversion.objects.get().value == 5
    assert dead_letters.content_of(letter).payload == {"line": 0}


def test_a_row_without_an_event_id_is_stored_once_however_often_it_is_sent(actor):
    without = {name: value for name, value in EVENT.items() if name != "event_id"}
    set_aside(actor, without)
    letter = DeadLetter.objects.get()
    dead_letters.replay(actor, letter.public_id, now=NOW)
    DeadLetter.objects.update(state="waiting")

    dead_letters.replay(actor, letter.public_id, now=NOW)

    assert Touchpoint.objects.get().event_id == f"letter-{letter.public_id}"


def test_spend_is_replayed_too(actor):
    set_aside(actor, {"type": "spend", "platform": "meta", "day": "2026-11-01", "amount": "12.50"})

    dead_letters.replay(actor, DeadLetter.objects.get().public_id, now=NOW)

    assert DeadLetter.objects.get().state == "replayed"


def test_all_of_one_reason_are_replayed_in_a_job(actor, workspace):
    records = [{**EVENT, "event_id": f"e-{number}"} for number in range(7)]
    set_aside(actor, *records[:3])
    set_aside(actor, *records[3:5], SALE, received_at=NOW.replace(hour=1))
    set_aside(actor, records[6], reason=Reason.CONTESTED)

    job = dead_letters.replay_all(actor, "unusable_fields", now=NOW)
    jobs.run(job_id=job.pk)

    assert Job.objects.get(pk=job.pk).result == {"replayed": 5, "waiting": 1}
    assert Touchpoint.objects.count() == 5
    assert DeadLetter.objects.filter(state="waiting").count() == 2


def test_a_letter_found_by_a_check_was_never_accepted(actor):
    refusal = Refusal(reason=Reason.UNUSABLE_FIELDS, payload={}, record=EVENT, errors={}, identity="check-1")
    dead_letters.set_aside(actor, [refusal], door="import", received_at=NOW, is_accepted=False)

    with pytest.raises(NotWaiting):
        dead_letters.replay(actor, DeadLetter.objects.get().public_id, now=NOW)
    assert IntakeCount.objects.count() == 0
    assert intake.door_days(since=NOW.date()) == []


def test_a_reader_changes_nothing(actor, letter, workspace):
    viewer = Actor(kind="user", id=1, label="v", workspace_id=workspace.pk, role="viewer")

    for deed in (
        lambda: dead_letters.mend(viewer, letter.public_id, EVENT, now=NOW),
        lambda: dead_letters.replay(viewer, letter.public_id, now=NOW),
        lambda: dead_letters.drop(viewer, letter.public_id, reason="", now=NOW),
        lambda: dead_letters.replay_all(viewer, "contested", now=NOW),
    ):
        with pytest.raises(PermissionDenied):
            deed()


def test_a_letter_that_is_not_there(actor):
    with pytest.raises(NotHere):
        dead_letters.find("00000000-0000-4000-8000-000000000000")


def test_half_a_character_is_kept_and_can_be_shown(actor):
    set_aside(actor, {**EVENT, "user_id": "u\ud83d"})
    letter = DeadLetter.objects.get()

    assert dead_letters.content_of(letter).record["user_id"] == "u\ud83d"
    assert dead_letters.shown(letter)["record"]["user_id"] == "u?"


def test_its_key_is_exchanged_with_the_others(letter, settings):
    settings.SEALING_KEYS = [sealing.new_key("next"), *settings.SEALING_KEYS]

    assert sum(key_rotation.rotate()) >= 1

    letter.refresh_from_db()
    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    assert dead_letters.content_of(letter).record == EVENT


# The pages and the API


def test_the_page_counts_and_lists_what_waits(page, letter):
    html = page.get(reverse("attribution:data-health")).content.decode()

    assert "1 record</em> waits to be mended" in html.replace("\N{NO-BREAK SPACE}", " ")
    assert "A field is missing or cannot be used" in html
    assert "balances" in html


def test_what_is_missing_shows_on_the_page(page, actor, letter):
    IntakeCount.objects.update(accepted=5)

    html = page.get(reverse("attribution:data-health")).content.decode()

    assert "<em>4</em> accepted records are not accounted for" in html
    assert "4 missing" in html


def test_a_letter_is_mended_and_replayed_on_its_page(page, letter):
    address = reverse("attribution:dead-letter", args=[letter.public_id])

    refused = page.post(address, {"record": json.dumps({**EVENT, "platform": ""}), "do": "replay"})
    kept = page.post(address, {"record": json.dumps({**EVENT, "platform": "google"}), "do": "mend"})
    stored = page.post(address, {"record": json.dumps({**EVENT, "platform": "google"}), "do": "replay"})

    assert refused.status_code == 400
    assert b"platform" in refused.content
    assert (kept.status_code, stored.status_code) == (302, 302)
    assert Touchpoint.objects.get().source.platform == "google"
    assert b"This record is stored now." in page.get(address).content


def test_a_letter_is_given_up_on_its_page(page, letter):
    page.post(reverse("attribution:dead-letter", args=[letter.public_id]), {"do": "drop"})

    letter.refresh_from_db()
    assert letter.state == "dropped"


def test_all_are_replayed_from_the_page(page, letter):
    page.post(reverse("attribution:data-health"), {"reason": "unusable_fields"})

    assert Job.objects.get().kind == dead_letters.JOB_KIND


def test_a_viewer_does_not_see_what_was_sent(client, workspace, letter):
    client.force_login(factories.member(workspace, "viewer"))

    assert client.get(reverse("attribution:data-health")).status_code == 403
    assert client.get(reverse("attribution:dead-letter", args=[letter.public_id])).status_code == 403


def test_the_api_lists_opens_mends_and_replays(api, letter):
    base = "/api/v1/attribution/dead-letters"

    (listed,) = api.get(base, {"reason": "unusable_fields"}).json()["results"]
    opened = api.get(f"{base}/{listed['id']}").json()
    mended = api.put(f"{base}/{listed['id']}", {"record": {**EVENT, "platform": "x"}}, format="json")
    replayed = api.post(f"{base}/{listed['id']}/replay").json()

    assert api.get(base, {"reason": "contested"}).json()["results"] == []
    assert (opened["record"], opened["faults"], opened["payload"]) == (EVENT, {"x": ["no"]}, {"line": 0})
    assert mended.json()["record"]["platform"] == "x"
    assert replayed["state"] == "replayed"
    assert Touchpoint.objects.get().source.platform == "x"


def test_the_api_tells_the_books(api, letter):
    told = api.get("/api/v1/attribution/data-health").json()

    # The fixture's moment may lie further back than the page looks.
    assert told["balances"] is True
    assert all(day["unaccounted"] == 0 for day in told["days"])
