"""Switching a capability off or on in a workspace; campaigns that run obey within seconds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require, system
from apps.accounts.tasks_base import workspace_task
from apps.campaigns import campaigns, flags
from apps.campaigns.content import ai, ai_switch
from apps.campaigns.flags import Standing
from apps.campaigns.models import Campaign, FlagChoice

log = structlog.get_logger(__name__)

SWITCHES = "The switches"
# So many obey before the switch answers, and so many are looked at at once.
AT_ONCE = 50


@ai.holds
def _no_models() -> str:
    """Why variants come from our own rules; empty where models may write them."""
    if flags.is_on(flags.AI, scoping.current_id()):
        return ""
    if flags.is_let(flags.AI, scoping.current_id()):
        return "an owner may switch them on again."
    return "they go on when those who run the product say so."


def turn(actor: Actor, name: str, *, is_on: bool, now: datetime, reason: str = "") -> FlagChoice:
    """Switch a capability. Needs workspace:manage. Raises NotHere for none of ours. Audited.

    From then on nothing begins. What runs is paused, or goes on, one by one: some of it before this answers,
    the rest by a task. Models that an alert switched off are let write again by a person alone.
    """
    choice = _choose(actor, name, is_on=is_on, now=now, reason=reason)
    if obey(Workspace.objects.get(), now=now, most=AT_ONCE) >= AT_ONCE:
        obey_all.delay_on_commit(workspace_id=actor.workspace_id)
    return choice


def standings(workspace: Workspace) -> list[Standing]:
    """All capabilities, as this workspace has them: models are off as well while an alert holds them."""
    return [_with_the_alert(one) for one in flags.standings(workspace)]


def _with_the_alert(one: Standing) -> Standing:
    row = ai_switch.now_set() if one.capability.name == flags.AI else None
    if row is None or row.is_on or not one.is_on:
        return one
    return replace(one, is_on=False, off_by="workspace", choice=row)


@transaction.atomic
def _choose(actor: Actor, name: str, *, is_on: bool, now: datetime, reason: str) -> FlagChoice:
    require(actor, "workspace:manage")
    flags.find(name)
    if is_on and name == flags.AI and ai_switch.reason_off():
        ai_switch.turn_on(actor, now=now, reason=reason)
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
    return choice


@workspace_task(name="campaigns.switches.obey")
def obey_all() -> int:
    return obey(Workspace.objects.get(), now=timezone.now())


def obey(workspace: Workspace, *, now: datetime, most: int | None = None) -> int:
    """Pause what runs while sending is off, and let go on what was paused for that alone: each campaign a
    transaction of its own. Answers how many, which is no more than about `most`.

    The house's flags and the operator's word change outside a workspace; beat comes by for those.
    """
    done, after = 0, 0
    while most is None or done < most:
        deed, how, others = _wanted(workspace)
        found = list(others.filter(pk__gt=after).order_by("pk")[:AT_ONCE])
        if not found:
            break
        done += sum(_done(deed, system(workspace.pk, SWITCHES), one, now=now, **how) for one in found)
        after = found[-1].pk
    return done


def _wanted(workspace: Workspace) -> tuple[Callable[..., Campaign], dict[str, str], QuerySet[Campaign]]:
    """What is to be done, and with which campaigns; the switch is read each time, for it may have turned."""
    if flags.is_on(flags.SENDING, workspace):
        waiting = Campaign.objects.filter(state=Campaign.State.PAUSED, state_reason=campaigns.SWITCHED_OFF)
        return campaigns.resume, {}, waiting
    running = Campaign.objects.filter(state=Campaign.State.RUNNING)
    return campaigns.pause, {"reason": campaigns.SWITCHED_OFF}, running


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
