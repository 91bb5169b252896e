"""Incidents: one while something lasts, told to wider circles until somebody takes it, each step in its
trail.

Tier 1 is told at once, tier 2 and 3 when nobody has acknowledged it in time. What severity goes where is a
table here; which channels there are is up to the workspace's connections (alert_channels.py).
"""

from datetime import datetime, timedelta

from celery import shared_task
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import audit, events, scoping
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.permissions import Actor
from apps.accounts.tasks_base import workspace_task
from apps.integrations import trail
from apps.integrations.events import IncidentOpened, IncidentResolved
from apps.integrations.ids import uuid7
from apps.integrations.models import AlertRule, Incident
from apps.integrations.monitoring import actions, alert_channels

Severity = AlertRule.Severity
# Minutes until the next tier is told, by severity; none for what can wait for somebody to look.
NEXT_TIER_MINUTES: dict[str, tuple[int, ...]] = {
    Severity.INFO: (),
    Severity.WARNING: (60,),
    Severity.ERROR: (15, 30),
    Severity.CRITICAL: (5, 10),
}
LAST_TIER = 3


class AlreadyOver(DomainError):
    code = "incident_over"
    status = 409


@transaction.atomic
def open_(
    *, key: str, title: str, detail: str, severity: str, now: datetime, action: str = ""
) -> Incident | None:
    """Open an incident and tell tier 1, unless one of that key is open. Returns the new one, or None.

    Both or neither: one that nobody could be told of is opened by the next look.
    """
    try:
        with transaction.atomic():
            incident = Incident.objects.create(
                workspace_id=scoping.current_id(),
                public_id=uuid7(),
                dedup_key=key,
                title=title,
                detail=detail,
                severity=severity,
                opened_at=now,
            )
    except IntegrityError:
        return None
    _note(incident, "opened", {"state": incident.state, "severity": severity, "detail": detail}, now=now)
    events.publish(
        IncidentOpened(workspace_id=incident.workspace_id, incident_id=incident.pk, severity=severity)
    )
    if action:
        said = actions.run(action, incident, now=now)
        _note(incident, "acted", {"action": action, "said": said}, now=now)
    _tell_next_tier(incident, now=now)
    return incident


@transaction.atomic
def resolve(key: str, *, why: str, now: datetime) -> Incident | None:
    """The cause is gone: close the incident and tell whoever was told. None when none is open."""
    found = Incident.objects.select_for_update().filter(dedup_key=key)
    incident: Incident | None = found.exclude(state=Incident.State.RESOLVED).first()
    if incident is None:
        return None
    return _resolve(incident, why=why, now=now)


@transaction.atomic
def resolve_by_hand(actor: Actor, incident: Incident, *, why: str, now: datetime) -> Incident:
    """A person says that it is over. Audited."""
    incident = _locked(incident)
    audit.record(actor, "incident.resolved", incident, now=now, reason=why)
    return _resolve(incident, why=why or "Resolved by a person.", now=now)


@transaction.atomic
def acknowledge(actor: Actor, incident: Incident, *, now: datetime) -> Incident:
    """Somebody takes it: no further tier is told. Audited."""
    incident = _locked(incident)
    if incident.state == Incident.State.OPEN:
        incident.state, incident.acknowledged_at, incident.escalate_at = (
            Incident.State.ACKNOWLEDGED,
            now,
            None,
        )
        incident.acknowledged_by_id = actor.id if actor.kind == "user" else None
        incident.save()
        _note(incident, "acknowledged", {"state": incident.state, "by": actor.label}, now=now)
        audit.record(actor, "incident.acknowledged", incident, now=now)
        alert_channels.tell(incident, "acknowledge", now=now)
    return incident


def take_from_outside(actor: Actor, key: str, *, now: datetime) -> str:
    """Somebody took it where the alert reached them. Says what came of it; an unknown key is no error."""
    incident = alert_channels.incident_of(key)
    if incident is None:
        return "There is no such incident."
    try:
        acknowledge(actor, incident, now=now)
    except AlreadyOver as error:
        return error.detail
    return "It was acknowledged."


def resolve_from_outside(actor: Actor, key: str, *, why: str, now: datetime) -> str:
    """Somebody resolved it where the alert reached them."""
    incident = alert_channels.incident_of(key)
    if incident is None:
        return "There is no such incident."
    try:
        resolve_by_hand(actor, incident, why=why, now=now)
    except AlreadyOver as error:
        return error.detail
    return "It was resolved."


def find(public_id: object) -> Incident:
    """Raises NotHere."""
    found: Incident | None = Incident.objects.filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such incident.")
    return found


def is_going_on(key: str) -> bool:
    """Whether an incident of that key is open."""
    return bool(Incident.objects.filter(dedup_key=key).exclude(state=Incident.State.RESOLVED).exists())


def going_on() -> list[Incident]:
    """What is not resolved, the gravest first."""
    found = Incident.objects.exclude(state=Incident.State.RESOLVED).select_related("acknowledged_by")
    gravest = list(reversed(alert_channels.ORDER))
    return sorted(found, key=lambda one: (gravest.index(Severity(one.severity)), one.opened_at))


def stream_of(incident: Incident) -> str:
    return f"incident:{incident.public_id}"


@shared_task(name="integrations.monitoring.incidents.sweep")
def sweep() -> int:
    """Start escalation where nobody has acknowledged in time."""
    with scoping.across_workspaces("incidents.sweep"):
        due = Incident.objects.filter(escalate_at__lte=timezone.now())
        found = list(due.values_list("workspace_id", "pk"))
    for workspace_id, incident_id in found:
        escalate.delay(workspace_id=workspace_id, incident_id=incident_id)
    return len(found)


@workspace_task(name="integrations.monitoring.incidents.escalate")
@transaction.atomic
def escalate(*, incident_id: int) -> None:
    """Tell the next tier, unless somebody has taken it or another worker was here first."""
    now = timezone.now()
    incident = Incident.objects.select_for_update().get(pk=incident_id)
    is_due = incident.escalate_at is not None and incident.escalate_at <= now
    if incident.state == Incident.State.OPEN and is_due:
        _tell_next_tier(incident, now=now)


def _tell_next_tier(incident: Incident, *, now: datetime) -> None:
    incident.tier = min(incident.tier + 1, LAST_TIER)
    waits = NEXT_TIER_MINUTES[incident.severity]
    has_next = incident.tier <= len(waits)
    incident.escalate_at = now + timedelta(minutes=waits[incident.tier - 1]) if has_next else None
    incident.save(update_fields=["tier", "escalate_at"])
    told = alert_channels.tell(incident, "trigger", now=now)
    _note(incident, "told", {"tier": incident.tier, "channels": told}, now=now)


def _resolve(incident: Incident, *, why: str, now: datetime) -> Incident:
    incident.state, incident.resolved_at, incident.escalate_at = Incident.State.RESOLVED, now, None
    incident.save(update_fields=["state", "resolved_at", "escalate_at"])
    _note(incident, "resolved", {"state": incident.state, "why": why}, now=now)
    alert_channels.tell(incident, "resolve", now=now)
    events.publish(IncidentResolved(workspace_id=incident.workspace_id, incident_id=incident.pk))
    return incident


def _locked(incident: Incident) -> Incident:
    locked: Incident = Incident.objects.select_for_update().get(pk=incident.pk)
    if locked.state == Incident.State.RESOLVED:
        raise AlreadyOver("It is resolved already.")
    return locked


def _note(incident: Incident, kind: str, data: dict[str, object], *, now: datetime) -> None:
    trail.append(trail.Step(stream_of(incident), kind, data, now))
