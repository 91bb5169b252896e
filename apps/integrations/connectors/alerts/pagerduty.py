"""PagerDuty: Events version 2 out, webhooks version 3 in.

The deduplication key makes a second trigger harmless while the alert is open. 202 means taken, not that
somebody was called.
"""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from apps.accounts.permissions import system
from apps.integrations import inbound, services
from apps.integrations.client import Client
from apps.integrations.connectors.alerts.alert import THRESHOLDS, TIMEOUT_SECONDS, Alert, told_by, trial
from apps.integrations.http import Request, Response
from apps.integrations.inbound import Checked, Delivery, Forged, Received, Receiver
from apps.integrations.models import Call, Connection
from apps.integrations.monitoring import incidents
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, Reach, Service

KEY = "pagerduty"
HOSTS = {"us": "events.pagerduty.com", "eu": "events.eu.pagerduty.com"}
LONGEST_SUMMARY = 1_024
# PagerDuty tries a webhook again for a while; after that somebody plays an old one back.
TOLERANCE = timedelta(hours=1)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """202 with status "success"; 400 names what is wrong with the event, or with the key."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    document = response.json_object()
    if by_status.is_good and document.get("status") == "success":
        reference = str(document.get("dedup_key") or "")
        return Outcome(kind=Kind.OK, status=response.status, reference=reference)
    if by_status.is_good:
        reason = "PagerDuty answered with something else than it documents."
        return replace(by_status, kind=Kind.UNKNOWN, status=response.status, reason=reason)
    told = document.get("errors") or []
    words = "; ".join(str(one) for one in told) if isinstance(told, list) else str(told)
    words = words or str(document.get("message") or "")
    is_key = response.status == 400 and "routing" in words.lower() and "key" in words.lower()
    kind = Kind.PERMANENT_CONFIG if is_key else by_status.kind
    return replace(by_status, kind=kind, reason=f"PagerDuty {response.status}: {words}"[:300])


def tell(client: Client, alert: Alert, call: Call | None) -> Answer:
    url = client.service.placed(address(client.credentials))
    request = Request(method="POST", url=url, json=event(client, alert))
    return client.ask(
        f"events.{alert.deed}",
        request,
        kind="write",
        is_idempotent=True,
        read=lambda response: None,
        timeout_seconds=TIMEOUT_SECONDS,
    )


def address(credentials: Credentials) -> str:
    return f"https://{HOSTS[credentials.get('region') or 'us']}/v2/enqueue"


def event(client: Client, alert: Alert) -> dict[str, Any]:
    body = {
        "routing_key": client.credentials["routing_key"],
        "event_action": alert.deed,
        "dedup_key": alert.key,
    }
    if alert.deed != "trigger":
        return body
    return {
        **body,
        "client": "Bellwether",
        "client_url": alert.url,
        "payload": {
            "summary": alert.words[:LONGEST_SUMMARY],
            "source": "bellwether",
            "severity": alert.severity,
            "timestamp": alert.opened_at,
            "component": alert.title[:200],
            "custom_details": {"detail": alert.detail, "tier": alert.tier},
        },
    }


def verify(delivery: Delivery, credentials: Credentials, now: datetime) -> Checked:
    """HMAC-SHA256 of the body; several signatures while a secret is exchanged, of which one must hold."""
    secret = str(credentials.get("webhook_secret") or "")
    expected = "v1=" + hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    given = delivery.headers.get("x-pagerduty-signature", "").split(",")
    matches = [hmac.compare_digest(expected.encode(), one.strip().encode()) for one in given]
    if not secret or not any(matches):
        raise Forged("The signature is not PagerDuty's.")
    found = _event(delivery.body)
    return Checked(event_id=str(found.get("id") or expected), sent_at=_moment(found))


def _event(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)["event"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _moment(event: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(str(event.get("occurred_at", "")))
    except ValueError as error:
        raise Forged("There is no time on it.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def process(connection: Connection, received: Received, now: datetime) -> str:
    """Who takes or resolves it there has done so here."""
    event = _event(received.body)
    key = str((event.get("data") or {}).get("incident_key") or "")
    who = system(connection.workspace_id, f"PagerDuty {(event.get('agent') or {}).get('id') or ''}".strip())
    if event.get("event_type") == "incident.acknowledged":
        return incidents.take_from_outside(who, key, now=now)
    if event.get("event_type") == "incident.resolved":
        return incidents.resolve_from_outside(who, key, why="Resolved in PagerDuty.", now=now)
    return "There was nothing to do."


PAGERDUTY = services.register(
    Service(
        key=KEY,
        name="PagerDuty",
        family=Family.ALERTS,
        base_url="https://events.pagerduty.com",
        fields=(
            Field(
                key="routing_key",
                label="Integration key",
                help="32 characters, of an Events API v2 integration.",
                is_secret=True,
            ),
            Field(
                key="region",
                label="Region of the account",
                is_required=False,
                choices=(("us", "United States"), ("eu", "European Union")),
            ),
            Field(
                key="webhook_secret",
                label="Secret of the webhook",
                help="With it, who acknowledges there has acknowledged here.",
                is_secret=True,
                is_required=False,
            ),
            *THRESHOLDS,
        ),
        reach=Reach.TWO_WAY,
        honest="Opens, acknowledges and resolves incidents; with a webhook, also what is done there.",
        limits=Limits(at_once=2, rates=(Rate(limit=60, window_seconds=60),)),
        classify=classify,
        check="apps.integrations.connectors.alerts.pagerduty.check",
    )
)
check = partial(trial, tell)
told_by(KEY, tell, repeats_for=timedelta(hours=1))
inbound.receives(KEY, Receiver(verify=verify, process=process, tolerance=TOLERANCE))
