"""The whole story of an alert, with every fake behind one port: connected on the pages, fired, taken from
Slack, over.
"""

import hashlib
import hmac
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.core import mail
from django.utils import timezone

from apps.integrations import metrics, outbox
from apps.integrations.models import Connection
from apps.integrations.monitoring import incidents, rules
from tests.fakes.pagerduty import ROUTING_KEY
from tests.fakes.slack import BOT
from tests.fakes.town import Town
from tests.fakes.twilio import ACCOUNT, TOKEN

FORMS = {
    "slack": {"bot_token": BOT, "channel": "C0001", "signing_secret": "slack-secret"},
    "pagerduty": {"routing_key": ROUTING_KEY, "region": "eu"},
    "twilio_sms": {
        "account": ACCOUNT,
        "auth_token": TOKEN,
        "to_number": "+447700900123",
        "from_number": "+15005550006",
    },
    "alert_email": {"address": "ops@studio.example"},
    "alert_webhook": {"url": "https://studio.example/alerts", "secret": "a secret"},
}


@pytest.fixture
def town(settings):
    with Town() as one:
        settings.FAKES_URL = one.url
        yield one


def see(value, *, minutes_ago):
    now = timezone.now() - timedelta(minutes=minutes_ago)
    metrics.observe("campaigns.conversion_rate", value, now=now)
    metrics.flush()
    rules.look(now=now)


def press(client, key):
    """Somebody presses the button in Slack."""
    connection = Connection.objects.get(service="slack")
    pressed = {"user": {"id": "U1"}, "actions": [{"action_id": "bellwether_acknowledge", "value": key}]}
    body = urlencode({"payload": json.dumps(pressed)}).encode()
    stamp = str(int(timezone.now().timestamp()))
    signature = hmac.new(b"slack-secret", f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return client.post(
        f"/hooks/slack/{connection.public_id}/",
        body,
        content_type="application/x-www-form-urlencoded",
        headers={"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"},
    )


def test_an_alert_fires_is_taken_in_slack_and_is_over(page, town, django_capture_on_commit_callbacks):
    for service, form in FORMS.items():
        answer = page.post(f"/integrations/connect/{service}/", form)
        assert answer.status_code == 302, (service, answer.content)
    for connection in Connection.objects.all():
        page.post(f"/integrations/{connection.public_id}/test/")
    assert Connection.objects.filter(checked_at=None).count() == 0
    rules.listed()

    for minutes_ago in range(20, 0, -1):
        see(0.30, minutes_ago=minutes_ago)
    outbox.relay_critical()
    [incident] = incidents.going_on()
    key = f"mg:{incident.public_id}"
    assert town.fakes["pagerduty"].alerts[key] == ["triggered", 1]
    assert "The conversion rate has dropped" in town.fakes["twilio_sms"].messages[-1]["body"]
    assert f"{key}:trigger:1" in town.fakes["alert_webhook"].got
    assert mail.outbox[-1].subject == "Critical: The conversion rate has dropped"

    with django_capture_on_commit_callbacks(execute=True):
        assert press(page, key).status_code == 200
    outbox.relay_critical()
    incident.refresh_from_db()
    assert (incident.state, incident.escalate_at) == ("acknowledged", None)
    assert town.fakes["pagerduty"].alerts[key][0] == "acknowledged"

    see(0.50, minutes_ago=0)
    outbox.relay_critical()
    assert incidents.going_on() == []
    assert town.fakes["pagerduty"].alerts[key][0] == "resolved"
    last = list(town.fakes["slack"].messages.values())[-1]
    assert last["text"].startswith("Resolved: The conversion rate has dropped")
    assert "Nothing is wrong." in page.get("/integrations/incidents/").content.decode()
