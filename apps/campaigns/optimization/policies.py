"""What the engine may do in a workspace, and the switch that stops all of it at once."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError, Invalid
from apps.accounts.permissions import Actor, require
from apps.campaigns.models import AutoRule, Kind, Policy
from apps.integrations import call_deeds
from apps.integrations.models import Call

OPERATION = "optimization.change"
LONGEST_REASON = 300
Bound = tuple[float, float, str]

BOUNDS: dict[str, Bound] = {
    "daily_at_hour": (0, 23, "An hour from 0 to 23."),
    "weekly_on_weekday": (0, 6, "A weekday from 0 (Monday) to 6 (Sunday)."),
    "margin": (0.0001, 1, "A share above 0 and at most 1."),
    "total_daily_budget": (0.01, 1e12, "An amount above 0, or nothing to keep what is spent now."),
    "target_cost_per_conversion": (0.01, 1e9, "An amount above 0, or nothing."),
    "largest_change_percent": (1, 100, "A percentage from 1 to 100."),
    "cooldown_hours": (1, 24 * 60, "Hours from 1 to 1440."),
    "data_age_hours": (1, 24 * 14, "Hours from 1 to 336."),
    "acts_from_hour": (0, 23, "An hour from 0 to 23."),
    "acts_until_hour": (1, 24, "An hour from 1 to 24, after the first."),
    "four_eyes_above": (0, 1e12, "An amount, or nothing for one pair of eyes."),
}
FIELDS = {*BOUNDS, "counts_revenue_by", "is_on", "spends_what_pays", "rests_on_wedding_days", "report_to"}
MAY_BE_NOTHING = {"total_daily_budget", "target_cost_per_conversion", "four_eyes_above"}


class Stopped(DomainError):
    code = "optimization_stopped"
    status = 409


@dataclass(frozen=True, kw_only=True)
class AutoTerms:
    """What of a kind may be carried out without a person."""

    is_on: bool
    least_confidence: float
    most_amount: Decimal


def get() -> Policy:
    """The workspace's policy; the house's until somebody says otherwise."""
    found, _ = Policy.objects.get_or_create(workspace_id=scoping.current_id())
    return found


def locked() -> Policy:
    """The same, locked until the transaction ends: whoever spends counts under it."""
    policy: Policy = Policy.objects.select_for_update(no_key=True).get(pk=get().pk)
    return policy


@transaction.atomic
def change(actor: Actor, changes: dict[str, Any], *, now: datetime) -> Policy:
    """Audited. Raises Invalid, with the fields named."""
    require(actor, "optimization:approve")
    policy = locked()
    if faults := _faults(policy, changes):
        raise Invalid(faults)
    before = {name: _told(getattr(policy, name)) for name in changes}
    for name, value in changes.items():
        setattr(policy, name, value)
    policy.save()
    after = {name: _told(value) for name, value in changes.items()}
    audit.record(actor, "optimization.policy_changed", policy, now=now, before=before, after=after)
    return policy


def auto_rules() -> dict[str, AutoRule]:
    """By kind; what nobody decided is not carried out by itself."""
    known = {rule.kind: rule for rule in AutoRule.objects.all()}
    workspace_id = scoping.current_id()
    return {kind: known.get(kind) or AutoRule(workspace_id=workspace_id, kind=kind) for kind in Kind.values}


@transaction.atomic
def set_auto(actor: Actor, kind: str, terms: AutoTerms, *, now: datetime) -> AutoRule:
    """Let a kind be carried out by itself within terms; a demotion ends where it is switched on again.
    Audited. Raises Invalid.
    """
    require(actor, "optimization:approve")
    locked()
    if faults := _auto_faults(kind, terms):
        raise Invalid(faults)
    rule, _ = AutoRule.objects.get_or_create(workspace_id=actor.workspace_id, kind=kind)
    before = {"is_on": rule.is_on, "least_confidence": rule.least_confidence, "amount": str(rule.most_amount)}
    rule.is_on, rule.least_confidence = terms.is_on, terms.least_confidence
    rule.most_amount = terms.most_amount
    if terms.is_on:
        rule.demoted_at, rule.demoted_because = None, ""
    rule.save()
    after = {"is_on": rule.is_on, "least_confidence": rule.least_confidence, "amount": str(rule.most_amount)}
    audit.record(actor, "optimization.auto_changed", rule, now=now, before=before, after=after)
    return rule


@transaction.atomic
def stop(actor: Actor, *, reason: str, now: datetime) -> Policy:
    """The kill switch: nothing more is carried out, and what waits to leave does not. Audited.

    A change that is being sent this second goes on; it is named among what is on its way.
    """
    require(actor, "optimization:stop")
    policy = locked()
    if policy.stopped_at is None:
        policy.stopped_at, policy.stopped_by = now, actor.label[:200]
        policy.stop_reason = reason.replace("\0", "").strip()[:LONGEST_REASON]
        policy.save(update_fields=["stopped_at", "stopped_by", "stop_reason"])
        audit.record(actor, "optimization.stopped", policy, now=now, reason=policy.stop_reason)
    waiting = Call.objects.filter(operation=OPERATION, state__in=[Call.State.WAITING, Call.State.HELD])
    for public_id in list(waiting.values_list("public_id", flat=True)):
        _cancel(actor, public_id, now=now)
    return policy


@transaction.atomic
def restart(actor: Actor, *, now: datetime) -> Policy:
    """Let changes be carried out again. What was cancelled stays so. Audited."""
    require(actor, "optimization:approve")
    policy = locked()
    if policy.stopped_at is not None:
        policy.stopped_at, policy.stopped_by, policy.stop_reason = None, "", ""
        policy.save(update_fields=["stopped_at", "stopped_by", "stop_reason"])
        audit.record(actor, "optimization.restarted", policy, now=now)
    return policy


def require_running(policy: Policy) -> None:
    """Raises Stopped."""
    if policy.stopped_at is not None:
        raise Stopped(
            f"Everything was stopped by {policy.stopped_by}. An owner or admin must start it again first."
        )


def _cancel(actor: Actor, public_id: Any, *, now: datetime) -> None:
    """One that left in between is not under our hand any more."""
    try:
        call_deeds.cancel(actor, public_id, now=now)
    except call_deeds.NotReplayable:
        return


def _faults(policy: Policy, changes: dict[str, Any]) -> dict[str, list[str]]:
    if changes.get("counts_revenue_by", policy.counts_revenue_by) not in Policy.RevenueBy.values:
        return {"counts_revenue_by": [f"One of {', '.join(Policy.RevenueBy.values)}."]}
    unknown = {name: ["There is no such setting."] for name in changes if name not in FIELDS}
    wrong = {
        name: [BOUNDS[name][2]]
        for name, value in changes.items()
        if name in BOUNDS and not _fits(name, value)
    }
    if unknown or wrong:
        return unknown | wrong
    first = changes.get("acts_from_hour", policy.acts_from_hour)
    last = changes.get("acts_until_hour", policy.acts_until_hour)
    return {} if first < last else {"acts_until_hour": [BOUNDS["acts_until_hour"][2]]}


def _fits(name: str, value: Any) -> bool:
    if value is None:
        return name in MAY_BE_NOTHING
    least, most, _ = BOUNDS[name]
    return least <= float(value) <= most


def _auto_faults(kind: str, terms: AutoTerms) -> dict[str, list[str]]:
    faults = {}
    if kind not in Kind.values:
        faults["kind"] = [f"One of {', '.join(Kind.values)}."]
    if not 0.5 <= terms.least_confidence <= 1:
        faults["least_confidence"] = ["A share from 0.5 to 1."]
    if not terms.most_amount.is_finite() or not 0 <= terms.most_amount < Decimal(10) ** 12:
        faults["most_amount"] = ["An amount from 0 up."]
    return faults


def _told(value: Any) -> Any:
    return value if isinstance(value, bool | int | list | type(None)) else str(value)
