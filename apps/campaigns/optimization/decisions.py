"""Yes and no to recommendations: by people, by programs with the right, or by the policy."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import NotHere
from apps.accounts.models import AuditEntry
from apps.accounts.permissions import Actor, require, system
from apps.campaigns.models import Approval, AutoRule, Policy, Recommendation
from apps.campaigns.optimization import policies
from apps.campaigns.optimization.gates import NotPossibleNow

State = Recommendation.State
EYES = 2


class NotCovered(NotPossibleNow):
    """What was approved once is not any more: the policy has changed since."""


def get(public_id: UUID | str) -> Recommendation:
    """A recommendation of this workspace. Raises NotHere."""
    return _one(Recommendation.objects.all(), public_id)


def locked(public_id: UUID | str) -> Recommendation:
    """The same, locked until the transaction ends."""
    return _one(Recommendation.objects.select_for_update(of=("self",)), public_id)


@transaction.atomic
def approve(actor: Actor, public_id: UUID | str, *, now: datetime) -> Recommendation:
    """Say yes. It is approved once enough people have; each counts once. Audited. Raises NotPossibleNow."""
    require(actor, "optimization:approve")
    found = locked(public_id)
    _require_proposed(found, now=now)
    made = Approval(
        workspace_id=actor.workspace_id,
        recommendation=found,
        actor_kind=actor.kind,
        actor_id=actor.id or 0,
        actor_label=actor.label[:200],
        at=now,
    )
    Approval.objects.bulk_create([made], ignore_conflicts=True)
    audit.record(actor, "recommendation.approved", found, now=now, after=_told(found))
    missing = eyes_needed(policies.get(), found) - _eyes(found)
    if missing > 0:
        step(found, State.PROPOSED, f"{missing} more must approve: it is above the amount for one.", now=now)
    else:
        found.decided_at = now
        step(found, State.APPROVED, now=now)
    return found


@transaction.atomic
def approve_by_policy(found: Recommendation, why: str, *, now: datetime) -> Recommendation:
    """The policy says yes, because of `why`. Audited."""
    found = locked(found.public_id)
    _require_proposed(found, now=now)
    found.is_auto, found.decided_at = True, now
    step(found, State.APPROVED, now=now)
    actor = system(found.workspace_id, "Bellwether, by policy")
    audit.record(actor, "recommendation.approved", found, now=now, after=_told(found), reason=why)
    return found


@transaction.atomic
def reject(actor: Actor, public_id: UUID | str, *, reason: str = "", now: datetime) -> Recommendation:
    """Say no, or take a yes back while it has not left. Audited. Raises NotPossibleNow."""
    require(actor, "optimization:approve")
    found = locked(public_id)
    if found.state not in {State.PROPOSED, State.APPROVED}:
        raise NotPossibleNow(f"It is {found.get_state_display()}, and can no longer be rejected.")
    said = reason.replace("\0", "").strip()[:300]
    found.decided_at = now
    step(found, State.REJECTED, said, now=now)
    audit.record(actor, "recommendation.rejected", found, now=now, reason=said)
    return found


@transaction.atomic
def expire(*, now: datetime) -> int:
    """Let go of what nobody decided, or nothing carried out, in time. Returns how many."""
    waiting = Recommendation.objects.filter(state__in=[State.PROPOSED, State.APPROVED], expires_at__lte=now)
    return int(
        waiting.update(
            state=State.EXPIRED, state_reason="Nobody carried it out in time.", decided_at=now, changed_at=now
        )
    )


def step(found: Recommendation, state: str, reason: str = "", *, now: datetime) -> None:
    """Into another state, with why."""
    found.state, found.state_reason, found.changed_at = state, reason[:300], now
    found.save()


def eyes_needed(policy: Policy, found: Recommendation) -> int:
    """How many people must say yes."""
    is_large = policy.four_eyes_above is not None and abs(found.amount) > policy.four_eyes_above
    return EYES if is_large else 1


def why_allowed(policy: Policy, rule: AutoRule, one: Recommendation) -> str:
    """The policy's yes in a sentence; empty where a person must decide."""
    is_within = (
        rule.is_on
        and one.confidence >= rule.least_confidence
        and abs(one.amount) <= rule.most_amount
        and eyes_needed(policy, one) == 1
    )
    if not is_within:
        return ""
    return (
        f"The policy carries out {one.get_kind_display()} changes of at most {rule.most_amount} a day by "
        f"itself from {rule.least_confidence:.0%} on; this one is {abs(one.amount)} at {one.confidence:.0%}."
    )


def require_covered(policy: Policy, found: Recommendation) -> None:
    """That the policy as it is now takes the yes that was said. Raises NotCovered."""
    if found.is_auto:
        if not why_allowed(policy, policies.auto_rules()[found.kind], found):
            raise NotCovered("The policy does not carry it out by itself any more. A person must approve it.")
    elif (missing := eyes_needed(policy, found) - _eyes(found)) > 0:
        raise NotCovered(f"{missing} more must approve: it is above the amount for one.")


def _eyes(found: Recommendation) -> int:
    """Those that count: of more than one, people only."""
    rows = Approval.objects.filter(recommendation=found)
    people = rows.filter(actor_kind=AuditEntry.ActorKind.USER).count()
    return people or min(1, rows.count())


def _require_proposed(found: Recommendation, *, now: datetime) -> None:
    if found.state != State.PROPOSED:
        raise NotPossibleNow(f"It is {found.get_state_display()} already.")
    if found.expires_at <= now:
        raise NotPossibleNow("It has expired. The next run looks at it anew.", is_lasting=True)


def _told(found: Recommendation) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "before": found.before,
        "after": found.after,
        "amount": str(found.amount),
        "confidence": found.confidence,
    }


def _one(rows: Any, public_id: UUID | str) -> Recommendation:
    found: Recommendation | None = (
        rows.select_related("campaign__connection", "run").filter(public_id=public_id).first()
    )
    if found is None:
        raise NotHere("There is no such recommendation.")
    return found
