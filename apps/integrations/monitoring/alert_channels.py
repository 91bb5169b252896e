"""Who is told of an incident, and through what: the workspace's connections of the family alerts, by severity
and tier.

Alerts take the critical lane. A duplicate is acceptable, silence is not: the dedup key of an incident makes a
second trigger harmless where the service has such a thing, and when a channel cannot be reached the next ones
are told.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.accounts import scoping
from apps.integrations import outbox, services
from apps.integrations.models import AlertRule, Call, Connection, Incident
from apps.integrations.resilience.lanes import Lane
from apps.integrations.services import Family

OPERATION = "alerts.tell"
# The account of the connection that stands for the operator's own webhook.
OPERATORS = "settings"
Severity = AlertRule.Severity
# Service → from which severity and tier on it is used. A connection's options may say otherwise.
FROM: dict[str, tuple[str, int]] = {
    "slack": (Severity.INFO, 1),
    "alert_email": (Severity.WARNING, 1),
    "alert_webhook": (Severity.INFO, 1),
    "pagerduty": (Severity.ERROR, 1),
    "twilio_sms": (Severity.CRITICAL, 1),
    "twilio_call": (Severity.CRITICAL, 2),
}
ORDER = [Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL]
# An alert that is older than this wakes somebody for nothing.
WORTH = timedelta(hours=1)


def tell(incident: Incident, deed: str, *, now: datetime) -> list[str]:
    """Enqueue a trigger, acknowledge or resolve to every channel that the severity and tier call for, and a
    trigger to the next ones where one of them is stopped. Returns them.
    """
    channels = connections()
    called = [one for one in channels if _is_called_for(one, incident)]
    is_cut_off = deed == "trigger" and any(not one.is_usable for one in called)
    spare = _spare(channels, incident) if is_cut_off else []
    return _enqueue(dict.fromkeys([*called, *spare]), incident, deed, now=now)


def fall_over(failed: Connection, key: str, *, now: datetime) -> list[str]:
    """A channel could not be told: tell those that it leaves, up to one severity above. Returns them."""
    incident = incident_of(key)
    if incident is None or incident.state != Incident.State.OPEN:
        return []
    others = [one for one in _spare(connections(), incident) if one.pk != failed.pk]
    return _enqueue(others, incident, "trigger", now=now)


def connections() -> list[Connection]:
    """The channels that there are, with the operator's own webhook where settings have one."""
    if settings.MARKETING_ALERT_WEBHOOK_URL:
        _ensure_operators()
    usable = Connection.objects.filter(service__in=service_keys()).exclude(
        state=Connection.State.DISCONNECTED
    )
    return list(usable.order_by("pk"))


def service_keys() -> list[str]:
    """The services that can be told of an incident: not the customers' webhooks, which are told of events."""
    return [one.key for one in services.of_family(Family.ALERTS) if one.is_offered]


def incident_of(key: str) -> Incident | None:
    """The incident that a channel's key names."""
    try:
        public_id = UUID(key.removeprefix("mg:"))
    except ValueError:
        return None
    found: Incident | None = Incident.objects.filter(public_id=public_id).first()
    return found


def is_over(key: str) -> bool:
    incident = incident_of(key)
    return incident is not None and incident.state == Incident.State.RESOLVED


def reference_of(connection: Connection, key: str) -> str:
    """The channel's own id of what it was told first, or nothing."""
    told = Call.objects.filter(
        connection=connection,
        operation=OPERATION,
        dedup_key__startswith=f"{key.removeprefix('mg:')}:trigger:",
    )
    found = told.exclude(reference="").order_by("-pk").values_list("reference", flat=True).first()
    return str(found or "")


def payload_of(incident: Incident, deed: str) -> dict[str, Any]:
    """What channels are given to word. No personal data: rules speak of figures."""
    return {
        "deed": deed,
        "key": f"mg:{incident.public_id}",
        "title": incident.title,
        "detail": incident.detail,
        "severity": incident.severity,
        "tier": incident.tier,
        "opened_at": incident.opened_at.isoformat(),
    }


def test_payload(deed: str, *, key: str, now: datetime) -> dict[str, Any]:
    """An alert that means nothing and says so."""
    return {
        "deed": deed,
        "key": key,
        "title": "This is a test of Bellwether's alerts",
        "detail": "Nothing is wrong. It is resolved by itself.",
        "severity": str(Severity.INFO),
        "tier": 1,
        "opened_at": now.isoformat(),
        "is_test": True,
    }


def _enqueue(channels: Iterable[Connection], incident: Incident, deed: str, *, now: datetime) -> list[str]:
    told = []
    for connection in channels:
        outbox.enqueue(
            connection,
            OPERATION,
            payload_of(incident, deed),
            dedup_key=f"{incident.public_id}:{deed}:{incident.tier}",
            lane=Lane.CRITICAL,
            now=now,
            # What closes an alert elsewhere is worth something for as long as that alert is open.
            expires_at=now + WORTH if deed == "trigger" else None,
        )
        told.append(connection.service)
    return told


def _spare(channels: Iterable[Connection], incident: Incident) -> list[Connection]:
    """Whom to tell when another cannot be: at most one severity above, or a hiccup wakes the house."""
    reach = ORDER.index(Severity(incident.severity)) + 1
    return [one for one in channels if one.is_usable and _severity(one) <= reach]


def _is_called_for(connection: Connection, incident: Incident) -> bool:
    _, tier = FROM.get(connection.service, (Severity.INFO, 1))
    tier = int(connection.options.get("from_tier") or tier)
    return ORDER.index(Severity(incident.severity)) >= _severity(connection) and incident.tier >= tier


def _severity(connection: Connection) -> int:
    severity, _ = FROM.get(connection.service, (Severity.INFO, 1))
    return ORDER.index(Severity(str(connection.options.get("from_severity") or severity)))


def _ensure_operators() -> None:
    known = Connection.objects.filter(service="alert_webhook", account=OPERATORS)
    if known.exclude(state=Connection.State.DISCONNECTED).exists():
        return
    operators = Connection(
        workspace_id=scoping.current_id(),
        service="alert_webhook",
        account=OPERATORS,
        label="The operator's webhook",
        state_changed_at=timezone.now(),
    )
    Connection.objects.bulk_create([operators], ignore_conflicts=True)
