"""Whether language models write in a workspace. Off by a person or by the alert that their answers fail; on
again by a person alone.
"""

from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import AuditEntry
from apps.accounts.permissions import Actor, require, system
from apps.campaigns.models import AiSwitch
from apps.integrations import metrics
from apps.integrations.models import Incident
from apps.integrations.monitoring.actions import action

# How far back the reason looks, as the rule does.
LATELY_SECONDS = 900


def reason_off() -> str:
    """Why models do not write here; empty where they may."""
    row: AiSwitch | None = AiSwitch.objects.first()
    return "" if row is None or row.is_on else row.reason or "Somebody switched it off."


def now_set() -> AiSwitch | None:
    """None while nobody has touched it: it is on."""
    found: AiSwitch | None = AiSwitch.objects.first()
    return found


def turn_on(actor: Actor, *, now: datetime, reason: str = "") -> AiSwitch:
    """A person's decision: whatever went wrong has been looked at. Audited."""
    require(actor, "campaigns:send")
    if actor.kind != AuditEntry.ActorKind.USER:
        raise PermissionDenied("A person must let language models write again.")
    return _turn(actor, is_on=True, reason=reason, now=now)


def turn_off(actor: Actor, *, reason: str, now: datetime) -> AiSwitch:
    """What is asked for from now on is written by our own rules. Audited."""
    require(actor, "campaigns:stop")
    return _turn(actor, is_on=False, reason=reason, now=now)


@transaction.atomic
def _turn(actor: Actor, *, is_on: bool, reason: str, now: datetime) -> AiSwitch:
    fresh = AiSwitch(workspace_id=actor.workspace_id, changed_at=now)
    AiSwitch.objects.bulk_create([fresh], ignore_conflicts=True)
    row: AiSwitch = AiSwitch.objects.select_for_update().get()
    before = {"is_on": row.is_on}
    row.is_on, row.reason, row.changed_at = is_on, reason[:300], now
    row.changed_by = actor.label[:200]
    row.save()
    deed = "ai_content.turned_on" if is_on else "ai_content.turned_off"
    audit.record(actor, deed, row, now=now, before=before, after={"is_on": is_on}, reason=reason)
    return row


@action("ai.fall_back")
def fall_back(incident: Incident) -> str:
    """Have rules write until a person has looked."""
    if reason_off():
        return "Language models were switched off already."
    now = timezone.now()
    turn_off(system(incident.workspace_id, label="the alert"), reason=_reason(incident, now), now=now)
    return "Language models are switched off; our own rules write. A person switches them on again."


def _reason(incident: Incident, now: datetime) -> str:
    seen, _ = metrics.window("ai.success", seconds=LATELY_SECONDS, now=now)
    if seen.mean is None:
        return f"{incident.title}: {incident.detail}"[:300]
    return f"{incident.title}: {1 - seen.mean:.0%} of {seen.count:,} answers in a quarter of an hour failed."
