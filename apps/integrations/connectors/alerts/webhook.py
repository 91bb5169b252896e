"""Alerts to an address of the workspace's own, or of the operator's (MARKETING_ALERT_WEBHOOK_URL), signed as
Standard Webhooks asks for it.

A workspace's address must be on the public internet; the operator's may be anywhere. The id of a message is
the same at each try, so that a receiver drops the second.
"""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from standardwebhooks import Webhook

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.alerts.alert import THRESHOLDS, TIMEOUT_SECONDS, Alert, told_by, trial
from apps.integrations.http import Request
from apps.integrations.models import Call
from apps.integrations.monitoring.alert_channels import OPERATORS
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Family, Field, Reach, Service

KEY = "alert_webhook"
KINDS = {
    "trigger": "incident.opened",
    "acknowledge": "incident.acknowledged",
    "resolve": "incident.resolved",
}


def tell(client: Client, alert: Alert, call: Call | None) -> Answer:
    known = _operators() if client.connection.account == OPERATORS else client.credentials
    url, secrets = str(known.get("url") or ""), [known.get("secret"), known.get("old_secret")]
    placed = client.service.placed(url)
    is_operators = client.connection.account == OPERATORS or placed != url
    if not (is_operators or url.startswith("https://")):
        reason = "An address for alerts begins with https://."
        return Answer(outcome=Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason, was_sent=False))
    now = client.clock()
    content = json.dumps(body(alert, now), separators=(",", ":"), ensure_ascii=False)
    message_id = f"{alert.key}:{alert.deed}:{alert.tier}"
    request = Request(
        method="POST",
        url=placed,
        content=content.encode(),
        headers=headers(message_id, content, [str(one) for one in secrets if one], now),
        is_elsewhere=not is_operators,
    )
    return client.ask(
        "webhook.send",
        request,
        kind="write",
        is_idempotent=True,
        read=lambda response: None,
        timeout_seconds=TIMEOUT_SECONDS,
    )


def body(alert: Alert, now: datetime) -> dict[str, Any]:
    return {
        "type": KINDS[alert.deed],
        "timestamp": now.isoformat(),
        "data": {
            "key": alert.key,
            "title": alert.title,
            "detail": alert.detail,
            "severity": alert.severity,
            "tier": alert.tier,
            "opened_at": alert.opened_at,
            "url": alert.url,
            "is_test": alert.is_test,
        },
    }


def headers(message_id: str, content: str, secrets: list[str], now: datetime) -> dict[str, str]:
    """Two secrets while one is exchanged for the other: either signature will do."""
    moment = now.astimezone(UTC)
    signatures = [_webhook(one).sign(message_id, moment, content) for one in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _webhook(secret: str) -> Webhook:
    """A secret with the prefix is base64; another is its bytes."""
    return Webhook(secret if secret.startswith("whsec_") else secret.encode())


def _operators() -> dict[str, str]:
    return {
        "url": settings.MARKETING_ALERT_WEBHOOK_URL,
        "secret": settings.MARKETING_ALERT_WEBHOOK_SECRET,
    }


services.register(
    Service(
        key=KEY,
        name="Signed webhook",
        family=Family.ALERTS,
        base_url="https://localhost",
        fields=(
            Field(key="url", label="Address", help="https://…, on the public internet."),
            Field(key="secret", label="Secret", help="whsec_… or any text of your own.", is_secret=True),
            Field(
                key="old_secret",
                label="Secret of before",
                help="While your receivers still know the old one.",
                is_secret=True,
                is_required=False,
            ),
            *THRESHOLDS,
        ),
        reach=Reach.ONE_WAY_OUT,
        honest="Posts each step of an incident, signed (Standard Webhooks), to an address of your own.",
        limits=Limits(at_once=4, rates=(Rate(limit=120, window_seconds=60),)),
        check="apps.integrations.connectors.alerts.webhook.check",
    )
)
check = partial(trial, tell)
told_by(KEY, tell, repeats_for=timedelta(hours=1))
