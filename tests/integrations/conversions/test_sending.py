"""Conversions on their way out: what each service says, item by item, and what becomes of the calls."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from threading import Thread

import pytest
import time_machine
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import consent, scoping
from apps.accounts.permissions import system
from apps.integrations import connections, errors, forwarding, outbox, sealed_json
from apps.integrations.conversion_events import PURPOSES, Click, ConversionEvent
from apps.integrations.models import Call, Connection, ForwardedConversion
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind
from tests.conftest import committed
from tests.factories import PersonFactory
from tests.fakes import conversions, linkedin, meta, tiktok, x
from tests.fakes.server import (
    Answer,
    Drip,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Slow,
    Truncated,
    json_reply,
)
from tests.integrations.connected import Hasty, connection_to

SERVICES = {
    "meta_conversions": (conversions.MetaConversions, {"access_token": conversions.CAPI_TOKEN}, {}),
    "google_conversions": (
        conversions.GoogleConversions,
        {"access_token": conversions.GOOGLE_TOKEN},
        {"customer": "1234567890"},
    ),
    "tiktok_conversions": (tiktok.TikTokConversions, {"access_token": tiktok.TOKEN}, {}),
    "linkedin_conversions": (linkedin.LinkedInConversions, {"access_token": linkedin.TOKEN}, {}),
    "x_conversions": (x.XConversions, x.SECRETS, {"pixel": "o1"}),
    "ga4": (conversions.Ga4, {"api_secret": "s"}, {}),
}
BATCHED = [name for name in SERVICES if name != "ga4"]
S = Call.State


@pytest.fixture
def open_(workspace, settings):
    """Connect a service to a fake of it."""
    fakes = []

    def open_(name, **options):
        kind, secrets, known = SERVICES[name]
        fake = kind().__enter__()
        fakes.append(fake)
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, name: fake.url}
        account = "G-1" if name == "ga4" else "123"
        return fake, connection_to(workspace, name, account=account, secrets=secrets, **known, **options)

    yield open_
    for fake in fakes:
        fake.__exit__(None, None, None)


@pytest.fixture
def person(workspace):
    made = PersonFactory(workspace=workspace)
    for purpose in PURPOSES:
        grant(made, purpose, is_granted=True)
    return made


def grant(person, purpose, *, is_granted, at=None):
    now = at or timezone.now()
    consent.record(
        system(person.workspace_id),
        person,
        purpose=purpose,
        is_granted=is_granted,
        source="test",
        occurred_at=now,
        now=now,
    )


@pytest.fixture
def sold(person):
    def sold(event_id="e1", **changes):
        now = timezone.now() - timedelta(minutes=1)
        return ConversionEvent(
            **{
                "event_id": event_id,
                "kind": "purchase",
                "at": now,
                "value": Decimal("99.50"),
                "currency": "GBP",
                "order_id": f"o-{event_id}",
                "person_id": person.pk,
                "person_key": str(person.public_id),
                "email": "ada@example.com",
                "clicks": {"gclid": Click(value="g", at=now)},
                "allows": frozenset(PURPOSES),
                **changes,
            }
        )

    return sold


def forward(*events):
    return forwarding.forward(events, now=timezone.now())


def relay():
    outbox.relay(lane=int(Lane.MARKETING))


def states():
    rows = ForwardedConversion.objects.filter(call__isnull=False).select_related("call").order_by("event_id")
    return {row.event_id: row.call.state for row in rows}


def taken(fake):
    return len(fake.events)


@pytest.mark.parametrize("name", SERVICES)
def test_each_destination_takes_a_conversion_once(open_, sold, name):
    fake, _ = open_(name)

    assert forward(sold()) == 1
    assert forward(sold()) == 0
    relay()
    relay()

    assert states() == {"e1": S.DONE}
    assert taken(fake) == 1
    assert ForwardedConversion.objects.get().repeats == 1


def test_many_conversions_are_written_in_as_many_statements_as_a_few(open_, sold):
    open_("meta_conversions")
    counts = []
    for events in ([sold(f"a{number}") for number in range(3)], [sold(f"b{n}") for n in range(60)]):
        with CaptureQueriesContext(database) as asked:
            assert forward(*events) == len(events)
        counts.append(len(asked))

    assert counts[0] == counts[1]


@pytest.mark.parametrize("length", [198, 199, 200])
def test_a_change_of_a_conversion_with_a_long_id_is_told(open_, sold, length):
    fake, _ = open_("ga4")
    event = sold("e" * length, order_id="o1")
    forward(event)
    relay()

    forwarding.correct([replace(event, value=Decimal(0), is_void=True)], now=timezone.now())
    relay()

    assert taken(fake) == 2


@pytest.mark.parametrize("name", BATCHED)
def test_one_bad_event_of_a_batch_is_told_apart_from_the_rest(open_, sold, name):
    fake, _ = open_(name)
    forward(*(sold(key, order_id="") for key in ("a", "b", "bad-c", "d", "e", "f", "g")))

    relay()

    assert states() == {
        key: S.DEAD if key == "bad-c" else S.DONE for key in ("a", "b", "bad-c", "d", "e", "f", "g")
    }
    assert taken(fake) == 6


@pytest.mark.parametrize(
    ("name", "requests"), [("meta_conversions", 7), ("linkedin_conversions", 2), ("tiktok_conversions", 2)]
)
def test_a_batch_is_halved_only_where_the_bad_one_is_not_named(open_, sold, name, requests):
    fake, _ = open_(name)
    forward(*(sold(key) for key in ("a", "b", "bad-c", "d", "e", "f", "g", "h")))

    relay()

    assert len(fake.seen) == requests


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("fault", [ResetAfter(), ResetBefore()])
def test_an_answer_that_is_lost_counts_nothing_twice(open_, sold, name, fault):
    fake, _ = open_(name)
    fake.misbehave(fault)
    forward(sold())

    relay()

    assert states() == {"e1": S.DONE}
    assert taken(fake) == 1


@pytest.mark.parametrize("name", [name for name in BATCHED if name != "x_conversions"])
@pytest.mark.parametrize("fault", [NotJson(), Truncated()])
def test_an_answer_that_is_spoiled_is_asked_for_again(open_, sold, name, fault):
    fake, _ = open_(name)
    fake.misbehave(fault)
    forward(sold())

    relay()

    assert states() == {"e1": S.DONE}
    assert taken(fake) == 1


META_ERROR = conversions.meta.error
GOOGLE_ERROR = conversions.google_error


@pytest.mark.parametrize(
    ("name", "fault", "state"),
    [
        ("meta_conversions", META_ERROR(190, "expired", subcode=463, status=401), S.HELD),
        ("meta_conversions", META_ERROR(100, "no such dataset", subcode=33), S.HELD),
        ("meta_conversions", META_ERROR(100, "too old", subcode=2804003), S.DEAD),
        ("meta_conversions", meta.throttled().reply, S.WAITING),
        ("meta_conversions", META_ERROR(21_009, "not ready", status=400), S.WAITING),
        ("google_conversions", GOOGLE_ERROR(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"), S.HELD),
        ("google_conversions", GOOGLE_ERROR(400, "INVALID_ARGUMENT", "INVALID_CONVERSION_ACTION_ID"), S.HELD),
        ("google_conversions", GOOGLE_ERROR(400, "INVALID_ARGUMENT", "INVALID_SHA256_FORMAT"), S.DEAD),
        ("google_conversions", GOOGLE_ERROR(429, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"), S.WAITING),
        ("tiktok_conversions", tiktok.said(40_105, "revoked"), S.HELD),
        ("tiktok_conversions", tiktok.said(40_100, "too frequent"), S.WAITING),
        ("tiktok_conversions", tiktok.said(40_062, "not hashed"), S.DEAD),
        ("linkedin_conversions", linkedin.error(401, "REVOKED_ACCESS_TOKEN", "Revoked"), S.HELD),
        ("linkedin_conversions", linkedin.error(426, "NONEXISTENT_VERSION", "over"), S.HELD),
        (
            "linkedin_conversions",
            linkedin.error(400, "ILLEGAL", "Conversion's method should be CONVERSIONS_API, indices [0]"),
            S.DEAD,
        ),
        ("linkedin_conversions", json_reply({"elements": [{"status": 400, "message": "no"}]}), S.DEAD),
        ("x_conversions", x.error(401, "UNAUTHORIZED_ACCESS"), S.HELD),
        ("x_conversions", x.error(403, "UNAUTHORIZED_CLIENT_APPLICATION"), S.HELD),
        ("x_conversions", x.error(429, "TOO_MANY_REQUESTS"), S.WAITING),
        ("x_conversions", x.error(400, "INVALID_PARAMETER"), S.DEAD),
        ("ga4", Reply(503), S.WAITING),
    ],
)  # fmt: skip
def test_each_class_of_error(open_, sold, name, fault, state):
    fake, _ = open_(name)
    fake.misbehave(Answer(fault), times=3)
    forward(sold())

    relay()

    assert states() == {"e1": state}
    assert taken(fake) == 0


def test_an_element_that_is_refused_alone_leaves_the_others_done(open_, sold):
    fake, _ = open_("linkedin_conversions")
    reply = {"elements": [{"status": 201}, {"status": 400, "message": "too old"}, {"status": 201}]}
    fake.misbehave(Answer(json_reply(reply), is_applied=True))
    forward(sold("a"), sold("b"), sold("c"))

    relay()

    assert states() == {"a": S.DONE, "b": S.DEAD, "c": S.DONE}


@pytest.mark.parametrize(("kind", "order", "sent", "state"), [
    ("purchase", "o1", 2, S.DONE),
    ("lead", "", 1, S.DEAD),
    ("purchase", "", 1, S.DEAD),
])  # fmt: skip
def test_analytics_hears_twice_only_of_what_it_can_tell_apart(open_, sold, kind, order, sent, state):
    fake, _ = open_("ga4")
    fake.misbehave(ResetAfter())
    forward(sold(kind=kind, order_id=order))

    for hours in range(3):
        with time_machine.travel(timezone.now() + timedelta(hours=hours)):
            relay()

    assert len(fake.seen) == sent
    assert states() == {"e1": state}


def test_a_worker_that_dies_while_analytics_is_told_sends_nothing_again(open_, sold):
    fake, _ = open_("ga4")
    forward(sold(kind="lead", order_id=""))
    outbox.claim(lane=int(Lane.MARKETING), now=timezone.now())

    for hours in range(3):
        with time_machine.travel(timezone.now() + timedelta(hours=hours)):
            relay()

    assert (len(fake.seen), states()) == (0, {"e1": S.DEAD})


def test_consent_that_is_withdrawn_stops_what_waits(open_, sold, person):
    fake, _ = open_("meta_conversions")
    forward(sold())
    grant(person, "ad_user_data", is_granted=False, at=timezone.now())

    relay()

    assert states() == {"e1": S.DEAD}
    assert Call.objects.get().last_reason == "Consent was withdrawn."
    assert fake.seen == []


def test_a_connection_that_needs_a_person_holds_its_conversions(open_, sold):
    fake, connection = open_("meta_conversions")
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.NEEDS_SIGN_IN)

    forward(sold())
    relay()

    assert (states(), fake.seen) == ({"e1": S.HELD}, [])


def test_a_conversion_that_waits_too_long_is_not_sent(open_, sold):
    fake, _ = open_("meta_conversions")
    forward(sold())

    with time_machine.travel(timezone.now() + timedelta(days=8)):
        relay()

    assert (states(), fake.seen) == ({"e1": S.DEAD}, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"allows": frozenset()}, "The person has not allowed ad_user_data."),
        ({"email": "", "clicks": {}}, "Nothing in it says who it was."),
    ],
)
def test_what_is_kept_back_is_kept_with_its_reason(open_, sold, changes, reason):
    fake, _ = open_("meta_conversions")

    assert forward(sold(**changes)) == 0
    relay()

    assert ForwardedConversion.objects.get().kept_back == reason
    assert (Call.objects.count(), fake.seen) == (0, [])


def correct(event, value, **changes):
    return forwarding.correct([replace(event, value=Decimal(value), **changes)], now=timezone.now())


def test_a_refund_before_it_left_means_that_nothing_leaves(open_, sold):
    fake, _ = open_("meta_conversions")
    event = sold()
    forward(event)

    assert correct(event, "0", is_void=True) == 1
    assert correct(event, "0", is_void=True) == 0
    relay()

    assert (states(), fake.seen) == ({"e1": S.CANCELLED}, [])


def test_a_correction_before_it_left_leaves_with_the_new_value(open_, sold):
    fake, _ = open_("meta_conversions")
    event = sold()
    forward(event)

    assert correct(event, "80.50") == 1
    relay()

    assert fake.seen[0].json["data"][0]["custom_data"]["value"] == 80.5


def test_analytics_is_told_of_each_refund_once(open_, sold):
    fake, _ = open_("ga4")
    event = sold()
    forward(event)
    relay()

    assert [correct(event, "79.50"), correct(event, "79.50"), correct(event, "0", is_void=True)] == [1, 0, 1]
    relay()

    said = [(one["name"], one["params"]["value"]) for one in fake.events]
    assert said == [("purchase", 99.5), ("refund", 20.0), ("refund", 79.5)]


@pytest.mark.parametrize(
    "name", ["meta_conversions", "tiktok_conversions", "linkedin_conversions", "x_conversions"]
)
def test_what_cannot_be_taken_back_is_written_down_as_such(open_, sold, name):
    fake, _ = open_(name)
    event = sold()
    forward(event)
    relay()

    assert correct(event, "0", is_void=True) == 0
    relay()

    change = ForwardedConversion.objects.get(stage="change")
    assert change.kept_back == "It was told already, and this service has no way to take it back."
    assert len(fake.seen) == 1


def test_google_is_told_the_new_value_where_it_takes_one(open_, sold):
    fake, _ = open_("google_conversions", restates="yes")
    event = sold()
    forward(event)
    relay()

    assert correct(event, "80") == 1
    relay()

    assert fake.events["o-e1"]["conversionValue"] == 80.0
    assert "lastUpdatedTimestamp" in fake.events["o-e1"]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ({"requestStatus": "SUCCESS"}, "confirmed"),
        ({"requestStatus": "PARTIAL_SUCCESS"}, "partly"),
        (
            {
                "requestStatus": "FAILED",
                "errorInfo": {"errorCounts": [{"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_X"}]},
            },
            "rejected",
        ),
    ],
)
def test_what_google_says_later_is_kept(open_, sold, status, verdict):
    fake, _ = open_("google_conversions")
    forward(sold())
    relay()
    assert ForwardedConversion.objects.get().verdict == ""

    with time_machine.travel(timezone.now() + timedelta(minutes=20)):
        relay()  # still being worked on
    [key] = fake.statuses
    fake.statuses[key] = status
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        relay()

    row = ForwardedConversion.objects.get()
    assert row.verdict == verdict
    assert ("PROCESSING_ERROR_REASON_X (1)" in row.verdict_reason) is (verdict == "rejected")
    asked = fake.asked("GET", "/v1/requestStatus:retrieve")
    assert len(asked) == 2
    assert asked[0].target == "/v1/requestStatus:retrieve?requestId=r1"


def test_a_slow_service_is_no_second_conversion(open_, sold):
    fake, _ = open_("meta_conversions")
    fake.misbehave(Slow(1.0))
    forward(sold())

    relay()

    assert (states(), taken(fake), len(fake.seen)) == ({"e1": S.DONE}, 1, 1)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("fault", [Drip(0.05), Slow(1.0)], ids=["drip", "slow"])
def test_what_drips_is_cut_off(open_, sold, name, fault):
    fake, connection = open_(name)
    forward(sold(browser={"ga_client_id": "123.456"}))
    fake.misbehave(fault, times=10)
    call = Call.objects.get()
    handler = outbox._handlers[name, call.operation]
    due = outbox.Due(call, sealed_json.get(call, "payload_sealed"))

    [outcome] = handler.perform(Hasty(connection), [due]).outcome.items

    assert outcome.kind == Kind.UNKNOWN


def test_the_bytes_at_analytics(open_, sold):
    fake, _ = open_("ga4")
    event = sold(browser={"ga_client_id": "123.456"})
    forward(event)
    relay()

    micros = str(int(event.at.timestamp() * 1_000_000))
    assert fake.seen[0].raw.startswith(b"POST /mp/collect?measurement_id=G-1&api_secret=s HTTP/1.1\r\n")
    assert (
        fake.seen[0].body
        == (
            b'{"client_id":"123.456","timestamp_micros":"%s","consent":{"ad_user_data":"GRANTED",'
            b'"ad_personalization":"GRANTED"},"events":[{"name":"purchase","params":{"currency":"GBP",'
            b'"value":99.5,"transaction_id":"o-e1","engagement_time_msec":1}}]}'
        )
        % micros.encode()
    )
    assert "x-goog" not in fake.seen[0].headers


@pytest.mark.parametrize(
    ("name", "first", "headers"),
    [
        ("meta_conversions", b"POST /v26.0/123/events HTTP/1.1", {"authorization": "Bearer EAAB-capi"}),
        ("google_conversions", b"POST /v1/events:ingest HTTP/1.1", {"authorization": "Bearer ya29.token"}),
        ("tiktok_conversions", b"POST /open_api/v1.3/event/track/ HTTP/1.1", {"access-token": "tt-token"}),
        (
            "linkedin_conversions",
            b"POST /rest/conversionEvents HTTP/1.1",
            {"x-restli-method": "BATCH_CREATE", "linkedin-version": "202609"},
        ),
        (
            "x_conversions",
            b"POST /12/measurement/conversions/o1 HTTP/1.1",
            {"content-type": "application/json"},
        ),
    ],
)
def test_where_each_goes_and_by_which_credentials(open_, sold, name, first, headers):
    fake, _ = open_(name)
    forward(sold())
    relay()

    assert fake.seen[0].raw.startswith(first)
    assert {one: fake.seen[0].headers[one] for one in headers} == headers


@pytest.mark.parametrize("name", SERVICES)
def test_a_connection_can_be_tested_without_telling_anything(open_, name):
    fake, connection = open_(name)

    assert connections.test(system(connection.workspace_id), connection, now=timezone.now())
    assert taken(fake) == 0


@pytest.mark.parametrize("name", ["tiktok_conversions", "x_conversions"])
def test_credentials_that_are_none_are_found_out_by_the_test(open_, name):
    fake, connection = open_(name)
    refused = (
        tiktok.said(40_105, "revoked") if name.startswith("tiktok") else x.error(401, "UNAUTHORIZED_ACCESS")
    )
    fake.misbehave(Answer(refused))

    with pytest.raises(errors.ServiceError):
        connections.test(system(connection.workspace_id), connection, now=timezone.now())


@committed
def test_who_tells_of_a_change_waits_for_who_tells_of_another(open_, workspace):
    """A conversion is read once its destinations are locked, so of two changes the later is told last."""
    _, connection = open_("ga4")
    other = Thread(target=_in_scope, args=(workspace, forwarding.connected))

    with transaction.atomic():
        assert forwarding.connected() == [connection]
        other.start()
        other.join(timeout=0.5)
        is_waiting = other.is_alive()
    other.join(timeout=30)

    assert (is_waiting, other.is_alive()) == (True, False)


def _in_scope(workspace, deed):
    with scoping.workspace(workspace), transaction.atomic():
        deed()
    database.close()
