"""Switching a capability off or on in a workspace; campaigns that run obey within seconds."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require, system
from apps.campaigns import campaigns, flags
from apps.campaigns.content import ai
from apps.campaigns.models import Campaign, FlagChoice

log = structlog.get_logger(__name__)

SWITCHES = "The switches"


@ai.holds
def _no_models() -> str:
    """Why variants come from our own rules; empty where models may write them."""
    if flags.is_on(flags.AI, scoping.current_id()):
        return ""
    return "the flag for language models is off."


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
        return sum(_done(campaigns.resume, actor, one, now=now) for one in waiting)
    running = Campaign.objects.filter(state=Campaign.State.RUNNING)
    return sum(_done(campaigns.pause, actor, one, now=now, reason=campaigns.SWITCHED_OFF) for one in running)


def _done(deed: Callable[..., Campaign], actor: Actor, campaign: Campaign, **how: Any) -> bool:
    """One that has just ended, or was stopped by somebody, keeps no other from obeying."""
    try:
        deed(actor, campaign, **how)
    except DomainError as refusal:
        log.info("switches.not_obeyed", campaign_id=campaign.pk, code=refusal.code)
        return False
    return True


def _told(name: str, is_on: bool) -> dict[str, object]:
    return {"name": name, "is_on": is_on}
