"""What is carried out without waiting for anybody: what was approved, and what the policy approves."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.accounts.errors import DomainError
from apps.accounts.permissions import system
from apps.campaigns.models import Recommendation
from apps.campaigns.optimization import decisions, execute, policies
from apps.campaigns.optimization.gates import NotPossibleNow

State = Recommendation.State


def approve_what_policy_allows(*, now: datetime) -> int:
    """Approve proposals within the policy's terms, surest first. Returns how many."""
    policy = policies.get()
    rules = policies.auto_rules()
    if policy.stopped_at is not None or not any(rule.is_on for rule in rules.values()):
        return 0
    open_ones = Recommendation.objects.filter(state=State.PROPOSED, is_doable=True, expires_at__gt=now)
    found = [
        (one, why)
        for one in open_ones.order_by("-confidence", "pk")
        if (why := decisions.why_allowed(policy, rules[one.kind], one))
    ]
    return _approve(found, now=now)


def _approve(found: Sequence[tuple[Recommendation, str]], *, now: datetime) -> int:
    """What somebody else has decided on meanwhile holds up no other."""
    made = 0
    for one, why in found:
        try:
            decisions.approve_by_policy(one, why, now=now)
            made += 1
        except NotPossibleNow:
            continue
    return made


def carry_out(*, now: datetime) -> int:
    """Begin what was approved and may leave now; say of the rest what it waits for. Returns how many began.

    Budgets that fall go first: they make room for those that rise.
    """
    approved = Recommendation.objects.filter(state=State.APPROVED)
    rows = list(approved.order_by("amount", "-confidence", "pk").values_list("public_id", flat=True))
    return sum(_try(public_id, now=now) for public_id in rows)


def _try(public_id: object, *, now: datetime) -> bool:
    found = decisions.get(str(public_id))
    actor = system(
        found.workspace_id, "Bellwether, by policy" if found.is_auto else "Bellwether, as approved"
    )
    try:
        execute.begin(actor, found.public_id, now=now)
    except DomainError as error:
        _note(found.public_id, error, now=now)
        return False
    return True


@transaction.atomic
def _note(public_id: UUID, error: DomainError, *, now: datetime) -> None:
    """Said once; what waiting does not help is let go, and what needs another yes asks for it. What somebody
    decided or began meanwhile stays so.
    """
    words, is_lasting = error.detail, isinstance(error, NotPossibleNow) and error.is_lasting
    found = decisions.locked(public_id)
    if found.state != State.APPROVED:
        return
    if isinstance(error, decisions.NotCovered):
        found.is_auto = False
        decisions.step(found, State.PROPOSED, words, now=now)
    elif is_lasting:
        decisions.step(found, State.EXPIRED, words, now=now)
    elif found.state_reason != words[:300]:
        decisions.step(found, found.state, words, now=now)
