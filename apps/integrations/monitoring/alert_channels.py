"""Who is told of an incident, and through what: the workspace's connections of the family alerts, by severity
and tier.

Alerts take the critical lane. A duplicate is acceptable, silence is not: the dedup key of an incident makes a
second trigger harmless where the service has such a thing.
"""

from datetime import datetime, timedelta
from typing import Any

from apps.integrations import outbox, services
from apps.integrations.models import AlertRule, Connection, Incident
from apps.integrations.resilience.lanes import Lane
from apps.integrations.services import Family

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
    """Enqueue a trigger, acknowledge or resolve to every channel that the severity and tier call for. Returns
    them.
    """
    keys = [one.key for one in services.of_family(Family.ALERTS)]
    usable = Connection.objects.filter(service__in=keys).exclude(state=Connection.State.DISCONNECTED)
    told = []
    for connection in usable.order_by("pk"):
        if _is_called_for(connection, incident):
            _enqueue(connection, incident, deed, now=now)
            told.append(connection.service)
    return told


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


def _enqueue(connection: Connection, incident: Incident, deed: str, *, now: datetime) -> None:
    outbox.enqueue(
        connection,
        "alerts.tell",
        payload_of(incident, deed),
        dedup_key=f"{incident.public_id}:{deed}:{incident.tier}",
        lane=Lane.CRITICAL,
        now=now,
        expires_at=now + WORTH,
    )


def _is_called_for(connection: Connection, incident: Incident) -> bool:
    severity, tier = FROM.get(connection.service, (Severity.INFO, 1))
    severity = str(connection.options.get("from_severity") or severity)
    tier = int(connection.options.get("from_tier") or tier)
    return (
        ORDER.index(Severity(incident.severity)) >= ORDER.index(Severity(severity)) and incident.tier >= tier
    )
