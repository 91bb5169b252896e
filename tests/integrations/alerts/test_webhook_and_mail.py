"""Signed webhooks over HTTP, alerts by mail, and what happens when a channel fails."""

import json
from datetime import UTC, datetime, timedelta
from smtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPRecipientsRefused,
    SMTPServerDisconnected,
)

import pytest
from django.core import mail
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from apps.integrations import connections
from apps.integrations.connectors.alerts import email, webhook
from apps.integrations.models import Call, Connection
from apps.integrations.monitoring import alert_channels, incidents
from apps.integrations.resilience.outcomes import Kind
from tests.factories import NOW
from tests.fakes.receiver import WebhookReceiver
from tests.fakes.server import Answer, Reply, ResetAfter, text_reply
from tests.fakes.slack import HOOK, Slack
from tests.integrations.alerts.conftest import ID, alert, relayed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver(settings):
    with WebhookReceiver() as one:
        settings.INTEGRATION_URLS = {"alert_webhook": one.url}
        settings.SITE_URL = "https://bellwether.example"
        yield one


@pytest.fixture
def hooked(client_of, receiver):
    return client_of("alert_webhook", {"secret": SECRET}, url="https://studio.example/alerts?a=1")


def test_a_webhook_as_it_goes_over_the_wire(hooked, receiver):
    assert webhook.tell(hooked, alert(), None).outcome.kind == Kind.OK

    sent = receiver.seen[0]
    assert sent.raw.startswith(b"POST /alerts?a=1 HTTP/1.1\r\n")
    assert sent.headers["webhook-id"] == f"mg:{ID}:trigger:1"
    told = Webhook(SECRET).verify(sent.body, sent.headers)
    assert told["type"] == "incident.opened"
    assert told["data"]["key"] == f"mg:{ID}"
    assert sent.body.startswith(b'{"type":"incident.opened","timestamp":"')
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_AAAA").verify(sent.body, sent.headers)


def test_the_signature_of_the_specifications_example():
    """Of the Standard Webhooks specification, by its own reference vector."""

    made = webhook.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        '{"test": 2432232314}',
        [SECRET],
        datetime.fromtimestamp(1_614_265_330, UTC),
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert made["webhook-timestamp"] == "1614265330"


def test_both_secrets_sign_while_one_is_exchanged(client_of, receiver):
    client = client_of(
        "alert_webhook", {"secret": SECRET, "old_secret": "a text of our own"}, url="https://studio.example/x"
    )
    webhook.tell(client, alert(), None)

    sent = receiver.seen[0]
    assert len(sent.headers["webhook-signature"].split(" ")) == 2
    for one in (Webhook(SECRET), Webhook(b"a text of our own")):
        assert one.verify(sent.body, sent.headers)


def test_a_second_try_has_the_same_id(hooked, receiver):
    receiver.misbehave(ResetAfter())

    assert webhook.tell(hooked, alert(), None).outcome.is_good
    assert len(receiver.seen) == 2
    assert list(receiver.got) == [f"mg:{ID}:trigger:1"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (410, Kind.PERMANENT_CONFIG),
        (302, Kind.PERMANENT_CONFIG),
        (400, Kind.PERMANENT_DATA),
        (429, Kind.THROTTLED),
        (500, Kind.RETRYABLE),
    ],
)
def test_each_class_of_answer(hooked, receiver, status, kind):
    receiver.misbehave(Answer(Reply(status, b"", {"Location": "http://127.0.0.1/"})), times=3)

    assert webhook.tell(hooked, alert(), None).outcome.kind == kind


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:{port}/", "https://[::1]:{port}/", "http://studio.example/"]
)
def test_a_workspaces_address_must_be_public(client_of, settings, url):
    with WebhookReceiver() as inside:
        settings.INTEGRATION_URLS = {}
        place = url.format(port=inside.url.rpartition(":")[2])
        outcome = webhook.tell(
            client_of("alert_webhook", {"secret": SECRET}, url=place), alert(), None
        ).outcome

        assert (outcome.kind, outcome.was_sent) == (Kind.PERMANENT_CONFIG, False)
        assert inside.seen == []


def test_the_operators_address_may_be_on_this_machine(workspace, settings, opened):
    with WebhookReceiver() as inside:
        settings.MARKETING_ALERT_WEBHOOK_URL = f"{inside.url}/all"
        settings.MARKETING_ALERT_WEBHOOK_SECRET = "the operator's"
        opened("warning")
        assert relayed() == [("alert_webhook", "done")]

        assert Webhook(b"the operator's").verify(inside.seen[0].body, inside.seen[0].headers)
        alert_channels.connections()
        assert Connection.objects.filter(account="settings").count() == 1


def test_an_alert_by_mail(client_of):
    client = client_of("alert_email", address="ops@studio.example")

    assert email.tell(client, alert(), None).outcome.kind == Kind.OK
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["ops@studio.example"], "Critical: Calls fail")
    assert f"/integrations/incidents/{ID}/" in sent.body


def test_a_mail_of_a_channel_that_is_off_is_not_sent(client_of):
    client = client_of("alert_email", address="ops@studio.example")
    client.connection.state = "switched_off"

    assert email.tell(client, alert(), None).outcome.kind == Kind.PERMANENT_CONFIG
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("error", "kind", "was_sent"),
    [
        (SMTPAuthenticationError(535, b"no"), Kind.PERMANENT_CONFIG, True),
        (SMTPRecipientsRefused({"a@b.example": (550, b"no such user")}), Kind.PERMANENT_DATA, True),
        (SMTPRecipientsRefused({"a@b.example": (451, b"later")}), Kind.RETRYABLE, True),
        (SMTPConnectError(421, b"busy"), Kind.RETRYABLE, False),
        (ConnectionRefusedError(), Kind.RETRYABLE, False),
        (SMTPDataError(554, b"spam"), Kind.PERMANENT_DATA, True),
        (SMTPDataError(452, b"full"), Kind.RETRYABLE, True),
        (SMTPServerDisconnected("gone"), Kind.UNKNOWN, True),
        (TimeoutError(), Kind.UNKNOWN, True),
    ],
)
def test_each_failure_of_a_mail_server(error, kind, was_sent):
    outcome = email.of_failure(error)

    assert (outcome.kind, outcome.was_sent) == (kind, was_sent)


def test_a_mail_server_that_is_away_is_no_crash(client_of, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    client = client_of("alert_email", address="ops@studio.example")

    assert email.tell(client, alert(), None).outcome.kind == Kind.RETRYABLE


def test_the_test_button_of_mail(client_of, actor):
    connections.test(actor, client_of("alert_email", address="ops@studio.example").connection, now=NOW)

    assert [one.subject.split(":")[0] for one in mail.outbox] == ["Info", "Resolved"]


def test_a_channel_that_fails_has_the_next_ones_told(connect, settings, opened):
    connect("slack", {"webhook_url": f"https://hooks.slack.com{HOOK}"})
    connect("alert_email", address="ops@studio.example")
    with Slack() as fake:
        settings.INTEGRATION_URLS = {"slack": fake.url}
        fake.misbehave(Answer(text_reply("no_service", status=404)))
        opened("info")
        assert Call.objects.count() == 1
        relayed()

    assert sorted(relayed()) == [("alert_email", "done"), ("slack", "held")]
    assert mail.outbox[0].subject == "Info: Calls fail"


def test_a_channel_that_is_stopped_already_has_the_next_ones_told(connect, opened):
    stopped = connect("slack", {"webhook_url": f"https://hooks.slack.com{HOOK}"})
    stopped.state = "switched_off"
    stopped.save()
    connect("alert_email", address="ops@studio.example")
    connect("pagerduty", {"routing_key": "0" * 32})
    opened("info")

    assert sorted(relayed()) == [("alert_email", "done"), ("slack", "held")]


def test_a_failure_of_little_weight_wakes_nobody_by_telephone(connect, settings, opened):
    connect("slack", {"webhook_url": f"https://hooks.slack.com{HOOK}"})
    connect("twilio_call", {"auth_token": "t"}, account="AC1", to_number="+1", from_number="+2")
    with Slack() as fake:
        settings.INTEGRATION_URLS = {"slack": fake.url}
        fake.misbehave(Answer(text_reply("no_service", status=404)))
        opened("info")
        relayed()

    assert {call.service for call in Call.objects.all()} == {"slack"}


def test_an_alert_goes_stale_and_its_end_does_not(connect, opened, actor):
    connect("alert_email", address="ops@studio.example")
    incident = opened(now=NOW)
    incidents.resolve_by_hand(actor, incident, why="", now=NOW)

    first, last = Call.objects.order_by("pk")
    assert first.expires_at == NOW + timedelta(hours=1)
    assert last.expires_at is None


def test_a_payload_is_plain_json(opened):
    payload = alert_channels.payload_of(opened(), "trigger")
    assert json.loads(json.dumps(payload)) == payload
    assert timezone.now() > NOW
