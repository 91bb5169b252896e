"""What services send us: verified on the bytes, kept once, acted on once; forgery and replay do nothing."""

import hashlib
import hmac
import json
import random
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import IntegrityError, transaction

from apps.accounts import scoping
from apps.integrations import inbound, sealed_json
from apps.integrations.connectors.alerts import slack as slack_connector
from apps.integrations.connectors.alerts import twilio_hooks
from apps.integrations.inbound import Delivery
from apps.integrations.models import Call, Connection, InboundRecord
from apps.integrations.monitoring import incidents
from tests.factories import NOW
from tests.integrations.connected import at_the_view

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SITE = "https://bellwether.example"
FLIPS = 1_000
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _site(settings):
    settings.SITE_URL = SITE


@pytest.fixture
def incident(workspace):
    return incidents.open_(key="rule:x", title="Calls fail", detail="", severity="info", now=NOW)


@pytest.fixture
def connect(workspace):
    def make(service, **secrets):
        connection = Connection(
            workspace=workspace, service=service, account="AC1", label=service, state_changed_at=NOW
        )
        sealed_json.put(connection, "credentials_sealed", secrets)
        connection.save()
        return connection

    return make


def slack(connection, key, *, at=None, secret=SECRET):
    """A pressed button, as Slack sends and signs it."""
    pressed = {
        "type": "block_actions",
        "user": {"id": "U1", "username": "ada"},
        "actions": [{"action_id": "bellwether_acknowledge", "value": key}],
    }
    body = urlencode({"payload": json.dumps(pressed)}).encode()
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    signature = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"}
    return f"/hooks/slack/{connection.public_id}/", body, headers, "X-Slack-Signature"


def twilio(connection, key, *, digits="1", secret=SECRET, site=SITE):
    """A pressed key, as Twilio sends and signs it."""
    path = f"/hooks/twilio_call/{connection.public_id}/?key={key.replace(':', '%3A')}"
    form = {"CallSid": "CA1", "From": "+15005550006", "To": "+447700900123", "Digits": digits, "Empty": ""}
    base = f"{site}{path}" + "".join(name + form[name] for name in sorted(form))
    signature = b64encode(hmac.new(secret.encode(), base.encode(), hashlib.sha1).digest()).decode()
    return path, urlencode(form).encode(), {"X-Twilio-Signature": signature}, "X-Twilio-Signature"


def pagerduty(connection, key, *, kind="incident.acknowledged", at=None, secret=SECRET, event="01BZX"):
    """A step of an incident, as PagerDuty sends and signs it."""
    document = {
        "event": {
            "id": event,
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": (at or datetime.now(UTC)).isoformat(),
            "agent": {"id": "PLH1HKV", "type": "user_reference"},
            "data": {"id": "PGR0VU2", "type": "incident", "incident_key": key},
        }
    }
    body = json.dumps(document).encode()
    signature = "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    path = f"/hooks/pagerduty/{connection.public_id}/"
    return path, body, {"X-PagerDuty-Signature": signature}, "X-PagerDuty-Signature"


SERVICES = {
    "slack": (slack, "signing_secret"),
    "twilio_call": (twilio, "auth_token"),
    "pagerduty": (pagerduty, "webhook_secret"),
}
each_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture
def delivery(connect, incident):
    """A good delivery of the service about the incident."""

    def make(service, **options):
        build, field = SERVICES[service]
        return build(connect(service, **{field: SECRET}), f"mg:{incident.public_id}", **options)

    return make


@pytest.fixture
def send(client, django_capture_on_commit_callbacks):
    """Send it from outside: no session, no workspace in scope."""

    def post(path, body, headers, _name=""):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(path, body, content_type=FORM, headers=headers)

    return post


def state_of(incident):
    incident.refresh_from_db()
    return incident.state


@each_service
def test_a_good_delivery_takes_the_incident(service, delivery, send, incident):
    answer = send(*delivery(service))

    assert answer.status_code == 200
    assert state_of(incident) == "acknowledged"
    record = InboundRecord.objects.get()
    assert (record.state, record.said, record.due_at) == ("done", "It was acknowledged.", None)


@each_service
def test_it_is_kept_as_it_came_and_sealed(service, delivery, send):
    path, body, headers, name = delivery(service)
    send(path, body, headers)

    record = InboundRecord.objects.get()
    kept = inbound.received(record)
    assert kept.body == body
    assert kept.url == SITE + path
    assert kept.headers[name.lower()] == headers[name]
    assert body not in bytes(record.content_sealed)


@each_service
def test_no_flipped_bit_of_body_or_signature_succeeds(service, delivery, incident, settings):
    settings.HOOK_REFUSALS_PER_MINUTE = 2 * FLIPS  # each one is to be looked at
    path, body, headers, name = delivery(service)
    signature, dice = headers[name].encode(), random.Random(20261130)
    succeeded = 0
    for number in range(FLIPS):
        target = bytearray(body if number % 2 else signature)
        bit = dice.randrange(len(target) * 8)
        target[bit // 8] ^= 1 << bit % 8
        changed = (bytes(target), headers) if number % 2 else (body, {name: target.decode("latin-1")})
        answer = at_the_view(path, changed[0], FORM, {**headers, **changed[1]})
        succeeded += answer.status_code != 401

    assert succeeded == 0
    assert not InboundRecord.objects.exists()
    assert state_of(incident) == "open"


@each_service
def test_a_replay_does_nothing(service, delivery, send, workspace):
    good = delivery(service)
    send(*good)
    first = InboundRecord.objects.get()
    InboundRecord.objects.update(said="untouched")

    for _ in range(20):
        send(*good)

    assert list(InboundRecord.objects.values_list("pk", "said")) == [(first.pk, "untouched")]


@pytest.mark.parametrize("service", ["slack", "pagerduty"])
@pytest.mark.parametrize("late", [timedelta(hours=2), -timedelta(minutes=10)])
def test_what_was_signed_at_another_time_is_refused(service, late, delivery, send, incident):
    answer = send(*delivery(service, at=datetime.now(UTC) - late))

    assert answer.status_code == 401
    assert not InboundRecord.objects.exists()
    assert state_of(incident) == "open"


@each_service
def test_another_secret_an_empty_one_or_none_is_refused(service, connect, send, incident):
    build, field = SERVICES[service]
    key = f"mg:{incident.public_id}"
    assert send(*build(connect(service, **{field: SECRET}), key, secret="other")).status_code == 401
    Connection.objects.all().delete()
    without = connect(service)
    assert send(*build(without, key, secret="")).status_code == 401
    path, body, _, _ = build(without, key)
    assert send(path, body, {}).status_code == 401


def test_nobody_is_told_what_connections_there_are(delivery, send, connect):
    path, body, headers, _ = delivery("slack")
    public_id = path.split("/")[3]
    gone = connect("pagerduty", webhook_secret=SECRET)
    gone.state = "disconnected"
    gone.save()

    for other in (
        path.replace(public_id, "01930000-0000-7000-8000-000000000000"),
        path.replace("slack", "pagerduty"),
        path.replace("slack", "meta_ads"),
        f"/hooks/pagerduty/{gone.public_id}/",
    ):
        assert send(other, body, headers).status_code == 404


def test_a_hook_acts_in_its_connections_workspace_alone(client, connect, other_workspace, send, workspace):
    with scoping.workspace(other_workspace):
        theirs = incidents.open_(key="rule:x", title="Theirs", detail="", severity="info", now=NOW)
    send(*slack(connect("slack", signing_secret=SECRET), f"mg:{theirs.public_id}"))

    assert InboundRecord.objects.get().said == "There is no such incident."
    with scoping.workspace(other_workspace):
        theirs.refresh_from_db()
    assert theirs.state == "open"


def test_other_methods_and_large_bodies_are_refused(client, delivery, send, settings):
    path, _, headers, _ = delivery("slack")

    assert client.get(path).status_code == 405
    assert send(path, b"x" * (inbound.LARGEST_BODY + 1), headers).status_code == 413


def test_pagerduty_resolves_and_its_echo_does_nothing(delivery, send, incident, connect):
    good = delivery("pagerduty", kind="incident.resolved")
    send(*good)
    assert state_of(incident) == "resolved"

    connection = Connection.objects.get()
    echo = pagerduty(connection, f"mg:{incident.public_id}", kind="incident.resolved", event="02")
    send(*echo)
    assert InboundRecord.objects.get(event_id="02").said == "It is resolved already."


def test_one_of_two_signatures_of_pagerduty_is_enough(delivery, send):
    path, body, headers, name = delivery("pagerduty")

    assert send(path, body, {name: f"v1={'0' * 64},{headers[name]}"}).status_code == 200


def test_the_telephone_hears_what_came_of_its_key(delivery, send, incident):
    answer = send(*delivery("twilio_call"))
    assert answer.headers["Content-Type"] == "text/xml"
    assert answer.content == b"<Response><Say>Thank you. It is yours.</Say></Response>"


def test_another_key_takes_nothing(delivery, send, incident):
    assert b"Nobody took it." in send(*delivery("twilio_call", digits="2")).content
    assert state_of(incident) == "open"


def test_twilio_may_sign_with_the_port(delivery, send):
    assert send(*delivery("twilio_call", site="https://bellwether.example:443")).status_code == 200


def test_the_documented_example_of_twilio():
    """Address, parameters and signature of Twilio's own documentation, with its token."""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    delivery = Delivery(
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
        body=urlencode(form).encode(),
        headers={"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
    )
    assert twilio_hooks.verify(delivery, {"auth_token": "12345"}, NOW).event_id


def test_the_documented_example_of_slack():
    """Body, time and signature of Slack's own documentation, with its secret."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
        b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    delivery = Delivery(
        url="", body=body, headers={"x-slack-request-timestamp": "1531420618", "x-slack-signature": signature}
    )
    checked = slack_connector.verify(delivery, {"signing_secret": SECRET}, NOW)
    assert checked.sent_at == datetime.fromtimestamp(1531420618, UTC)


def test_slacks_handshake_is_answered(connect, send):
    connection = connect("slack", signing_secret=SECRET)
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1a"}).encode()
    stamp = str(int(datetime.now(UTC).timestamp()))
    signature = hmac.new(SECRET.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()

    answer = send(
        f"/hooks/slack/{connection.public_id}/",
        body,
        {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"},
    )
    assert answer.content == b"3eZbrw1a"


def test_what_cannot_be_processed_is_tried_a_few_times_and_kept(connect, send, workspace):
    connection = connect("slack", signing_secret=SECRET)
    path, _, _, _ = slack(connection, "x")
    body = b"payload=no-json"
    stamp = str(int(datetime.now(UTC).timestamp()))
    signature = hmac.new(SECRET.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    send(path, body, {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"})

    record = InboundRecord.objects.get()
    assert (record.state, record.attempts) == ("waiting", 1)
    for _ in range(inbound.MOST_ATTEMPTS - 1):
        inbound.process(record_id=record.pk)
    record.refresh_from_db()
    assert (record.state, record.due_at) == ("failed", None)
    assert record.said.startswith("JSONDecodeError")


def test_the_content_is_forgotten_and_the_id_is_not(delivery, send):
    good = delivery("slack")
    send(*good)

    assert inbound.forget(now=datetime.now(UTC) + timedelta(days=31)) == 1
    record = InboundRecord.objects.get()
    assert (record.content_sealed, record.data_key) == (None, None)
    send(*good)
    assert InboundRecord.objects.count() == 1


def test_the_same_event_is_kept_once_by_the_database(delivery, send):
    send(*delivery("slack"))
    record = InboundRecord.objects.get()
    record.pk, record.public_id = None, "01930000-0000-7000-8000-000000000001"

    with pytest.raises(IntegrityError), transaction.atomic():
        record.save(force_insert=True)


def test_an_sms_that_was_not_delivered_has_the_next_channels_told(connect, send, incident):
    connection = connect("twilio_sms", auth_token=SECRET)
    connect("alert_email")
    path = f"/hooks/twilio_sms/{connection.public_id}/?key=mg%3A{incident.public_id}"
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005"}
    base = SITE + path + "".join(name + form[name] for name in sorted(form))
    signature = b64encode(hmac.new(SECRET.encode(), base.encode(), hashlib.sha1).digest()).decode()

    assert send(path, urlencode(form).encode(), {"X-Twilio-Signature": signature}).status_code == 200
    assert "undelivered (30005)" in InboundRecord.objects.get().said
    assert "alert_email" in {call.service for call in Call.objects.all()}
