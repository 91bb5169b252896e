"""Mixpanel and Amplitude: what goes over the wire, what each says of each event, and whom they are to
forget.
"""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
import time_machine
from django.utils import timezone

from apps.accounts import consent, privacy
from apps.accounts.permissions import system
from apps.attribution import subscribers
from apps.attribution.events import TouchpointsStored
from apps.integrations import connections, conversion_reports, errors, forwarding, outbox
from apps.integrations.connectors.analytics import amplitude, mixpanel
from apps.integrations.conversion_events import PURPOSES, ConversionEvent
from apps.integrations.models import Call, ForwardedConversion
from apps.integrations.resilience.lanes import Lane
from tests.factories import PersonFactory, TouchpointFactory
from tests.fakes import analytics
from tests.fakes.server import (
    Answer,
    Drip,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Truncated,
    json_reply,
)
from tests.integrations.connected import connection_to

SERVICES = {
    "mixpanel": (
        analytics.Mixpanel,
        {"secret": analytics.SECRET},
        {"user": analytics.USER, "residency": "eu"},
    ),
    "amplitude": (analytics.Amplitude, {"api_key": analytics.API_KEY}, {"residency": "us"}),
}
S = Call.State
# printf %s 'e1:' | sha256sum | cut -c1-32
INSERT_ID = b"eb8bccd8afee59225a748f798408e41f"
AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)


@pytest.fixture
def open_(workspace, settings):
    """Connect a service to a fake of it."""
    fakes = []

    def open_(name, *, fake=None, secrets=None, **options):
        kind, known, fixed = SERVICES[name]
        one = (fake or kind()).__enter__()
        fakes.append(one)
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, name: one.url}
        made = connection_to(
            workspace, name, account="123", secrets={**known, **(secrets or {})}, **{**fixed, **options}
        )
        return one, made

    yield open_
    for fake in fakes:
        fake.__exit__(None, None, None)


@pytest.fixture
def person(workspace):
    made = PersonFactory(workspace=workspace, external_id="ada@site")
    allow(made)
    return made


def allow(person, *, is_granted=True):
    for purpose in PURPOSES:
        consent.record(
            system(person.workspace_id),
            person,
            purpose=purpose,
            is_granted=is_granted,
            source="test",
            occurred_at=timezone.now(),
            now=timezone.now(),
        )


@pytest.fixture
def sold(person):
    def sold(event_id="e1", **changes):
        known = {
            "event_id": event_id,
            "kind": "purchase",
            "at": timezone.now() - timedelta(minutes=1),
            "value": Decimal("99.50"),
            "currency": "GBP",
            "person_id": person.pk,
            "person_key": str(person.public_id),
            "external_id": person.external_id,
            "allows": frozenset(PURPOSES),
        }
        return ConversionEvent(**{**known, **changes})

    return sold


def forward(*events):
    return forwarding.forward(events, now=timezone.now())


def relay(lane=Lane.MARKETING):
    outbox.relay(lane=int(lane))


def states():
    rows = ForwardedConversion.objects.filter(call__isnull=False).select_related("call").order_by("event_id")
    return {row.event_id: row.call.state for row in rows}


def stored(fake):
    return len(fake.events)


@pytest.mark.parametrize("name", SERVICES)
def test_a_conversion_is_told_once(open_, sold, name):
    fake, _ = open_(name)

    assert forward(sold()) == 1
    assert forward(sold()) == 0
    relay()

    assert (states(), stored(fake)) == ({"e1": S.DONE}, 1)


@time_machine.travel(AT, tick=False)
def test_the_bytes_at_mixpanel(open_, sold, person):
    fake, _ = open_("mixpanel")
    forward(sold("e1", at=AT, order_id="o1", browser={"url": "https://example.com/x"}))
    relay()

    [sent] = fake.seen
    assert sent.raw.startswith(b"POST /import?strict=1&project_id=123 HTTP/1.1\r\n")
    # printf %s 'bw.1234.mp-service-account:mp-secret' | base64
    assert sent.headers["authorization"] == "Basic YncuMTIzNC5tcC1zZXJ2aWNlLWFjY291bnQ6bXAtc2VjcmV0"
    assert (sent.headers["content-type"], sent.headers["content-encoding"]) == ("application/json", "gzip")
    assert gzip.decompress(sent.body) == (
        b'[{"event":"purchase","properties":{"time":1796007600000,"distinct_id":"%s",'
        b'"$insert_id":"%s","ip":0,"event_id":"e1","order_id":"o1",'
        b'"url":"https://example.com/x","value":99.5,"currency":"GBP"}}]'
        % (str(person.public_id).encode(), INSERT_ID)
    )


@time_machine.travel(AT, tick=False)
def test_the_bytes_at_amplitude(open_, sold):
    fake, _ = open_("amplitude", who="yours")
    forward(sold("e1", at=AT))
    relay()

    [sent] = fake.seen
    assert sent.raw.startswith(b"POST /2/httpapi HTTP/1.1\r\n")
    assert "authorization" not in sent.headers
    assert gzip.decompress(sent.body) == (
        b'{"api_key":"amp-key","events":[{"user_id":"ada@site","event_type":"purchase","time":1796007600000,'
        b'"insert_id":"%s","event_properties":{"event_id":"e1","value":99.5,"currency":"GBP"},'
        b'"revenue":99.5,"currency":"GBP"}],"options":{"min_id_length":1}}' % INSERT_ID
    )


@pytest.mark.parametrize("name", SERVICES)
def test_the_bad_of_a_batch_are_given_up_and_the_rest_is_stored(open_, sold, name):
    fake, _ = open_(name)
    forward(*(sold(key) for key in ("a", "bad-b", "c", "bad-d", "e")))

    relay()

    assert states() == {"a": S.DONE, "bad-b": S.DEAD, "bad-d": S.DEAD, "c": S.DONE, "e": S.DONE}
    assert stored(fake) == 3
    assert len(fake.seen) == (1 if name == "mixpanel" else 2)


def test_mixpanel_may_name_a_record_by_its_insert_id_alone(open_, sold):
    fake, _ = open_("mixpanel")
    forward(sold("a"), sold("b"))
    failed = [{"insert_id": insert_id_of("b"), "field": "event", "message": "no"}]
    fake.misbehave(Answer(json_reply({"code": 400, "error": "some", "failed_records": failed}, status=400)))

    relay()

    assert states() == {"a": S.DONE, "b": S.DEAD}


def insert_id_of(event_id):
    return sha256(f"{event_id}:".encode()).hexdigest()[:32]


@pytest.mark.parametrize(("door", "seconds"), [("httpapi", 30), ("batch", 15)])
def test_events_of_a_loud_person_are_set_aside_and_the_rest_goes_at_once(
    open_, sold, workspace, door, seconds
):
    fake, _ = open_("amplitude", door=door)
    other = PersonFactory(workspace=workspace)
    allow(other)
    quiet = sold("q", person_id=other.pk, person_key=str(other.public_id))
    loud = sold("l")
    forward(loud, quiet)
    throttled = {
        "code": 429,
        "error": "Too many requests for some devices and users",
        "eps_threshold": 30,
        "throttled_users": {loud.person_key: 32},
        "throttled_events": [0],
    }
    fake.misbehave(Answer(json_reply(throttled, status=429)))

    relay()

    assert states() == {"l": S.WAITING, "q": S.DONE}
    waiting = Call.objects.get(state=S.WAITING)
    left = (waiting.due_at - timezone.now()).total_seconds()
    assert seconds - 3 < left <= seconds * 1.1
    assert waiting.attempts == 0
    assert len(fake.seen) == 2
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        relay()
    assert states() == {"l": S.DONE, "q": S.DONE}


def test_whose_day_is_full_waits_for_the_next(open_, sold):
    open_("amplitude", fake=analytics.Amplitude(per_day=1))
    forward(sold("a"))
    relay()
    forward(sold("b"))
    relay()

    assert states() == {"a": S.DONE, "b": S.WAITING}
    tomorrow = timezone.now().date() + timedelta(days=1)
    assert Call.objects.get(state=S.WAITING).due_at.date() == tomorrow


def test_the_silenced_are_given_up(open_, sold, person):
    fake, _ = open_("amplitude")
    fake.silenced = {str(person.public_id)}
    forward(sold())

    relay()

    assert states() == {"e1": S.DEAD}
    assert "silenced" in Call.objects.get().last_reason


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("fault", [ResetAfter(), ResetBefore(), NotJson(), Truncated(), Drip(0.001)])
def test_an_answer_that_is_lost_counts_nothing_twice(open_, sold, name, fault):
    fake, _ = open_(name)
    fake.misbehave(fault)
    forward(sold())

    relay()

    assert (states(), stored(fake)) == ({"e1": S.DONE}, 1)


def said(code, error, **more):
    return json_reply({"code": code, "error": error, **more}, status=code)


@pytest.mark.parametrize(
    ("name", "fault", "state"),
    [
        ("mixpanel", said(401, "Invalid credentials"), S.HELD),
        ("mixpanel", said(413, "request exceeds max limit of 2097152 bytes"), S.DEAD),
        ("mixpanel", said(429, "Project exceeded rate limits. Please retry the request."), S.WAITING),
        ("mixpanel", said(400, "some data points in the request failed validation"), S.DEAD),
        ("mixpanel", json_reply({"error": "no token", "status": 0}), S.DEAD),
        ("mixpanel", Reply(502, b"<html>"), S.WAITING),
        ("mixpanel", Reply(503), S.WAITING),
        ("amplitude", said(400, "Invalid API key: x"), S.HELD),
        ("amplitude", said(400, "Request missing required field", missing_field="api_key"), S.HELD),
        ("amplitude", said(400, "Invalid JSON request body"), S.DEAD),
        ("amplitude", said(413, "Payload too large"), S.DEAD),
        ("amplitude", Reply(403, b"<html>", {"Content-Type": "text/html"}), S.HELD),
        ("amplitude", said(429, "Too many requests"), S.WAITING),
        ("amplitude", json_reply({"code": 400, "error": "no"}), S.DEAD),
        ("amplitude", Reply(500), S.WAITING),
        ("amplitude", Reply(503), S.WAITING),
    ],
)
def test_each_class_of_error(open_, sold, name, fault, state):
    fake, _ = open_(name)
    fake.misbehave(Answer(fault), times=3)
    forward(sold())

    relay()

    assert (states(), stored(fake)) == ({"e1": state}, 0)


@pytest.mark.parametrize(("name", "requests"), [("mixpanel", 4), ("amplitude", 6)])
def test_a_batch_is_cut_by_bytes_before_it_is_sent(open_, sold, name, requests):
    fake, _ = open_(name)
    long = "https://example.com/" + "x" * 400_000
    forward(*(sold(f"e{number}", browser={"url": long}) for number in range(10)))

    relay()

    assert stored(fake) == 10
    assert len(fake.seen) == requests


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"allows": frozenset()}, "The person has not allowed analytics_storage."),
        ({"person_key": "Anonymous"}, "'Anonymous' is an id of nobody there."),
        ({"browser": {"url": "x" * 1_100_000}}, "It is too large."),
    ],
)
def test_what_would_be_refused_is_kept_back(open_, sold, name, changes, reason):
    fake, _ = open_(name)

    assert forward(sold(**changes)) == 0

    assert ForwardedConversion.objects.get().kept_back == reason
    assert fake.seen == []


def test_people_without_an_id_of_yours_are_left_out(open_, sold):
    open_("mixpanel", who="yours")

    assert forward(sold(external_id="")) == 0
    assert ForwardedConversion.objects.get().kept_back == "The person has no user id of yours."


@pytest.mark.parametrize("name", SERVICES)
def test_a_refund_is_an_event_of_its_own_by_the_difference(open_, sold, name):
    fake, _ = open_(name)
    event = sold()
    forward(event)
    relay()

    change = replace(event, value=Decimal("79.50"))
    assert [forwarding.correct([change], now=timezone.now()) for _ in range(2)] == [1, 0]
    relay()

    last = json.loads(gzip.decompress(fake.seen[-1].body))
    if name == "mixpanel":
        assert last[0]["event"] == "purchase changed"
        assert last[0]["properties"]["value_change"] == -20.0
    else:
        assert (last["events"][0]["event_type"], last["events"][0]["revenue"]) == ("purchase changed", -20.0)
    assert stored(fake) == 2


@pytest.mark.parametrize("name", SERVICES)
def test_visits_and_clicks_are_told_where_somebody_wants_them(open_, workspace, person, name):
    fake, _ = open_(name, steps="yes")
    touch = TouchpointFactory(workspace=workspace, person=person, event_type="click")
    stranger = TouchpointFactory(workspace=workspace)
    subscribers._known.clear()
    event = TouchpointsStored(workspace_id=workspace.pk, first_id=touch.pk, last_id=stranger.pk, count=2)

    assert subscribers._are_steps_wanted(TouchpointsStored)
    with time_machine.travel(touch.occurred_at + timedelta(hours=1)):
        subscribers.tell_of_steps(event, None)
        relay()

    assert stored(fake) == 1
    [row] = ForwardedConversion.objects.all()
    assert (row.kind, row.value) == ("click", 0)


@pytest.mark.parametrize("name", SERVICES)
def test_a_visit_and_a_conversion_of_one_id_are_both_told_and_neither_twice(open_, sold, name):
    fake, _ = open_(name, steps="yes")
    visit = sold("e1", kind="visit", value=Decimal(0), is_step=True)

    for _ in range(2):
        forwarding.forward_steps([visit], now=timezone.now())
        forward(sold("e1"))
        relay()

    assert stored(fake) == 2
    rows = ForwardedConversion.objects.order_by("stage").values_list("stage", "kind", "repeats")
    assert list(rows) == [("conversion", "purchase", 1), ("step", "visit", 1)]


def test_visits_are_not_counted_among_the_conversions(open_, sold):
    open_("mixpanel", steps="yes")
    forward(sold("e1"))
    forwarding.forward_steps(
        [sold(f"v{number}", kind="visit", value=Decimal(0), is_step=True) for number in range(3)],
        now=timezone.now(),
    )
    relay()

    [one] = conversion_reports.tellings(days=7, now=timezone.now())

    assert (one.known, one.sent, one.accepted, one.steps) == (1, 1, 1, 3)


def test_nobody_hears_of_clicks_who_did_not_ask(open_, workspace, person):
    open_("mixpanel")
    subscribers._known.clear()

    assert not subscribers._are_steps_wanted(TouchpointsStored)


@pytest.mark.parametrize(
    ("name", "secrets", "path"),
    [
        (
            "mixpanel",
            {"token": "mp-token", "gdpr_token": "mp-gdpr"},
            b"/api/app/data-deletions/v3.0/?token=mp-token",
        ),
        ("amplitude", {"secret_key": analytics.SECRET_KEY}, b"/api/2/deletions/users"),
    ],
)
def test_an_erasure_is_handed_on(open_, sold, person, name, secrets, path):
    fake, _ = open_(name, secrets=secrets)
    forward(sold())
    relay()

    privacy.erase(system(person.workspace_id), person, reason="asked", now=timezone.now())
    relay(Lane.TRANSACTIONAL)

    assert fake.seen[-1].raw.startswith(b"POST " + path)
    assert fake.forgotten == [str(person.public_id)]
    assert Call.objects.get(operation="people.forget").payload_sealed is None


@pytest.mark.parametrize("name", SERVICES)
def test_without_a_key_for_deletions_somebody_is_told_to_do_it(open_, sold, person, name):
    open_(name)
    forward(sold())
    relay()

    privacy.erase(system(person.workspace_id), person, reason="asked", now=timezone.now())
    relay(Lane.TRANSACTIONAL)

    call = Call.objects.get(operation="people.forget")
    assert call.state == S.DEAD
    assert "by hand" in call.last_reason
    assert str(person.public_id) in call.last_reason


@pytest.mark.parametrize("name", SERVICES)
def test_a_connection_can_be_tested_without_telling_anything(open_, name):
    fake, connection = open_(name)

    assert connections.test(system(connection.workspace_id), connection, now=timezone.now())
    assert stored(fake) == 0


@pytest.mark.parametrize(
    ("name", "wrong"), [("mixpanel", {"secret": "other"}), ("amplitude", {"api_key": "other"})]
)
def test_credentials_that_are_none_are_found_out(open_, name, wrong):
    _, connection = open_(name, secrets=wrong)

    with pytest.raises(errors.ServiceError):
        connections.test(system(connection.workspace_id), connection, now=timezone.now())


def test_where_each_is_by_its_residency(settings):
    settings.INTEGRATION_URLS, settings.FAKES_URL = {}, ""
    at = {one: mixpanel.build([], {"account": "1", "residency": one}).url for one in ("us", "eu", "in")}
    assert at == {
        "us": "https://api.mixpanel.com/import",
        "eu": "https://api-eu.mixpanel.com/import",
        "in": "https://api-in.mixpanel.com/import",
    }
    assert amplitude.build([], {"residency": "eu"}).url == "https://api.eu.amplitude.com/2/httpapi"
    assert (
        amplitude.build([], {"residency": "eu", "door": "batch"}).url == "https://api.eu.amplitude.com/batch"
    )
