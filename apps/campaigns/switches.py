"""Switching a capability off or on in a workspace; campaigns that run obey within seconds."""

from datetime import datetime

from django.db import transaction

from apps.accounts import audit
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require, system
from apps.campaigns import campaigns, flags
from apps.campaigns.models import Campaign, FlagChoice

SWITCHES = "The switches"


@transaction.atomic
def turn(actor: Actor, name: str, *, is_on: bool, now: datetime, reason: str = "") -> FlagChoice:
    """Switch a capability. Needs workspace:manage. Raises NotHere for none of ours. Audited.

    What runs is paused, or goes on, in the same transaction.
    """
    require(actor, "workspace:manage")
    flags.find(name)
    values = {"is_on": is_on, "reason": reason[:300], "changed_by": actor.label, "changed_at": now}
    before = FlagChoice.objects.filter(name=name).values_list("is_on", flat=True).first()
    choice, _ = FlagChoice.objects.update_or_create(
        workspace_id=actor.workspace_id, name=name, defaults=values
    )
    deed = "flag.switched_on" if is_on else "flag.switched_off"
    audit.record(
        actor,
        deed,
        choice,
        now=now,
        before={"is_on": before is not False},
        after=_told(name, is_on),
        reason=reason,
    )
    obey(Workspace.objects.get(), now=now)
    return choice


def obey(workspace: Workspace, *, now: datetime) -> int:
    """Pause what runs while sending is off, and let go on what was paused for that alone. Answers how many.

    The house's flags and the operator's word change outside a workspace; beat comes by for those.
    """
    actor = system(workspace.pk, SWITCHES)
    if flags.is_on(flags.SENDING, workspace):
        waiting = Campaign.objects.filter(state=Campaign.State.PAUSED, state_reason=campaigns.SWITCHED_OFF)
        return len([campaigns.resume(actor, one, now=now) for one in waiting])
    running = Campaign.objects.filter(state=Campaign.State.RUNNING)
    return len([campaigns.pause(actor, one, now=now, reason=campaigns.SWITCHED_OFF) for one in running])


def _told(name: str, is_on: bool) -> dict[str, object]:
    return {"name": name, "is_on": is_on}
