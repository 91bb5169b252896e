"""Twilio's whole story over HTTP: SMS and calls as forms, each code, and what became of an unknown fate."""

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from django.utils import timezone

from apps.integrations import connections
from apps.integrations.connectors.alerts import twilio
from apps.integrations.models import Call
from apps.integrations.resilience.outcomes import Kind
from tests.factories import NOW
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, ResetBefore
from tests.fakes.twilio import ACCOUNT, BASIC, TOKEN, Twilio, error
from tests.integrations.alerts.conftest import ID, alert, relayed

NUMBERS = {"to_number": "+447700900123", "from_number": "+15005550006"}


@pytest.fixture
def fake(settings):
    with Twilio() as one:
        settings.INTEGRATION_URLS = {"twilio_sms": one.url, "twilio_call": one.url}
        settings.SITE_URL = "https://bellwether.example"
        yield one


@pytest.fixture
def sms(client_of, fake):
    return client_of("twilio_sms", {"auth_token": TOKEN}, account=ACCOUNT, **NUMBERS)


@pytest.fixture
def phone(client_of, fake):
    return client_of("twilio_call", {"auth_token": TOKEN}, account=ACCOUNT, **NUMBERS)


def test_an_sms_as_it_goes_over_the_wire(sms, fake):
    outcome = twilio.tell_by_sms(sms, alert(), None).outcome

    sent = fake.seen[0]
    hook = f"https%3A%2F%2Fbellwether.example%2Fhooks%2Ftwilio_sms%2F{sms.connection.public_id}%2F"
    assert (outcome.kind, outcome.reference) == (Kind.OK, fake.messages[0]["sid"])
    assert sent.raw.startswith(f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1\r\n".encode())
    assert sent.headers["authorization"] == BASIC
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    # Written by hand from the documentation: form-encoded, E.164, a message that dies when it is stale.
    assert sent.body.decode() == (
        "To=%2B447700900123&Body=Critical%3A+Calls+fail.+Mean+of+calls.success+is+0.5%2C+below+0.9.+"
        f"https%3A%2F%2Fbellwether.example%2Fintegrations%2Fincidents%2F{ID}%2F+%5Bmg%3A00000000abcd%2Ft1%5D"
        f"&From=%2B15005550006&ValidityPeriod=3600&StatusCallback={hook}%3Fkey%3Dmg%253A{ID}"
    )


def test_a_messaging_service_instead_of_a_number(client_of, fake):
    client = client_of(
        "twilio_sms",
        {"auth_token": TOKEN},
        account=ACCOUNT,
        to_number="+447700900123",
        messaging_service_sid="MG1",
    )
    twilio.tell_by_sms(client, alert(), None)

    assert fake.seen[0].form["MessagingServiceSid"] == "MG1"
    assert "From" not in fake.seen[0].form


def test_a_call_speaks_and_takes_a_key(phone, fake):
    outcome = twilio.tell_by_call(phone, alert(title="A & B"), None).outcome

    form = dict(parse_qsl(fake.seen[0].body.decode()))
    assert outcome.kind == Kind.OK
    assert (form["To"], form["From"], form["Timeout"]) == ("+447700900123", "+15005550006", "45")
    hook = f"https://bellwether.example/hooks/twilio_call/{phone.connection.public_id}/?key=mg%3A{ID}"
    assert form["Twiml"].startswith(
        f'<Response><Gather numDigits="1" timeout="10" action="{hook}"><Say>Bellwether alert. '
        "Critical: A &amp; B. Mean of calls.success is 0.5, below 0.9. Press 1 to acknowledge.</Say>"
    )
    assert len(form["Twiml"]) < 4_000


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (20_003, 401, Kind.AUTH_EXPIRED),
        (20_005, 403, Kind.PERMANENT_CONFIG),
        (20_429, 429, Kind.THROTTLED),
        (21_211, 400, Kind.PERMANENT_CONFIG),
        (21_214, 400, Kind.PERMANENT_CONFIG),
        (21_408, 403, Kind.PERMANENT_CONFIG),
        (21_610, 400, Kind.PERMANENT_CONFIG),
        (21_612, 400, Kind.PERMANENT_CONFIG),
        (21_614, 400, Kind.PERMANENT_CONFIG),
        (21_617, 400, Kind.PERMANENT_DATA),
        (30_003, 400, Kind.RETRYABLE),
        (30_007, 400, Kind.PERMANENT_DATA),
        (99_999, 400, Kind.PERMANENT_DATA),
        (99_999, 503, Kind.RETRYABLE),
    ],
)
def test_each_code(sms, fake, code, status, kind):
    fake.misbehave(Answer(error(code, "no", status=status)), times=3)

    outcome = twilio.tell_by_sms(sms, alert(), None).outcome

    assert (outcome.kind, outcome.code) == (kind, str(code))


@pytest.mark.parametrize("fault", [ResetBefore(), ResetAfter(), NotJson(), Answer(Reply(500))])
def test_what_may_have_been_sent_is_not_sent_again_by_itself(sms, fake, fault):
    fake.misbehave(fault)

    assert twilio.tell_by_sms(sms, alert(), None).outcome.kind == Kind.UNKNOWN
    assert len(fake.seen) == 1


def test_an_unknown_fate_is_looked_up_by_our_tag(sms, fake, opened):
    fake.misbehave(ResetAfter())
    opened(now=timezone.now())
    assert relayed() == [("twilio_sms", "unknown")]

    Call.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert relayed() == [("twilio_sms", "done")]
    assert len(fake.messages) == 1
    [asked] = fake.asked("GET", r".*/Messages\.json")
    assert asked.query["To"] == "+447700900123"
    assert "DateSent>" in asked.query


def test_what_was_not_sent_after_all_is_sent(sms, fake, opened):
    fake.misbehave(ResetBefore())
    opened(now=timezone.now())
    assert relayed() == [("twilio_sms", "unknown")]

    Call.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    relayed()
    relayed()
    assert Call.objects.get().state == "done"
    assert len(fake.messages) == 1


def test_a_call_of_unknown_fate_is_looked_up_by_its_number(phone, fake, opened):
    phone.connection.options["from_tier"] = "1"
    phone.connection.save()
    fake.misbehave(ResetAfter())
    opened(now=timezone.now())
    assert relayed() == [("twilio_call", "unknown")]

    Call.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert relayed() == [("twilio_call", "done")]
    assert len(fake.calls) == 1


def test_nobody_is_called_to_hear_that_it_is_over(phone, sms, fake):
    for deed in ("acknowledge", "resolve"):
        assert twilio.tell_by_call(phone, alert(deed), None).outcome.is_good
    assert twilio.tell_by_sms(sms, alert("acknowledge"), None).outcome.is_good
    assert fake.seen == []


def test_a_test_asks_the_account_and_wakes_nobody(sms, fake, actor):
    assert twilio.tell_by_sms(sms, alert(is_test=True), None).outcome.is_good
    assert connections.test(actor, sms.connection, now=NOW) == "Studio North, active. Nobody was called."
    fake.status = "suspended"
    assert twilio.tell_by_sms(sms, alert(is_test=True), None).outcome.kind == Kind.PERMANENT_CONFIG
    assert fake.messages == []
