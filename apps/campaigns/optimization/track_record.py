"""Claimed against realised: the reliability curve, the money, and what follows when claims are too bold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.accounts import audit, events
from apps.accounts.permissions import system
from apps.campaigns.events import AutoRuleDemoted
from apps.campaigns.maths import reliability
from apps.campaigns.maths.reliability import Bin
from apps.campaigns.models import AutoRule, Kind, Outcome
from apps.campaigns.optimization import outcomes

Verdict = Outcome.Verdict
# A rule is judged once so many of its claims were decided, against the rate that their confidence promises:
# this one, or less where the rule lets less sure changes run.
LEAST_DECIDED = 10
PROMISED = 0.9


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was measured so far. gain: profit a day of all of it, with its 95 % interval; claimed: the same.

    A rise counts what its money would have brought where it came from, and the falls that paid for it count
    what their money brought there: added up, each pound would count twice. So in the sums money counts as
    itself.
    """

    measured: int
    decided: int
    came_true: int
    bins: Sequence[Bin]
    error: float
    gain: float
    gain_low: float
    gain_high: float
    claimed: float

    @property
    def cannot_tell(self) -> int:
        return self.measured - self.decided


def read(found: Sequence[Outcome] | None = None) -> Record:
    """The record of all that was measured, each by its longest span."""
    rows = outcomes.latest() if found is None else list(found)
    decided = [one for one in rows if one.verdict != Verdict.CANNOT_TELL]
    bins = reliability.curve(
        [one.confidence for one in decided], [one.verdict == Verdict.CAME_TRUE for one in decided]
    )
    known = [one for one in rows if one.realised is not None]
    gain = sum((one.realised or 0.0) + _elsewhere(one, one.extra_spend or 0.0) for one in known)
    # The errors of different changes are independent: squares add up.
    spread = sum((((one.realised_high or 0) - (one.realised_low or 0)) / 2) ** 2 for one in known) ** 0.5
    return Record(
        measured=len(rows),
        decided=len(decided),
        came_true=sum(one.verdict == Verdict.CAME_TRUE for one in decided),
        bins=bins,
        error=reliability.expected_error(bins),
        gain=gain,
        gain_low=gain - spread,
        gain_high=gain + spread,
        claimed=sum(
            one.claimed + _elsewhere(one, float(one.recommendation.amount))
            for one in known
            if one.claimed is not None
        ),
    )


def _elsewhere(one: Outcome, money: float) -> float:
    """What was taken off for the money's worth elsewhere beyond itself."""
    return money * (outcomes.price_of_money(one.recommendation) - 1)


@transaction.atomic
def review(*, now: datetime) -> list[str]:
    """Take the right to act alone from each kind whose claims came true too seldom. Returns those kinds.

    Demoted when even the upper end of the 95 % interval of its rate lies below what it promises. Audited.
    """
    rows = outcomes.latest()
    demoted = []
    for rule in AutoRule.objects.select_for_update().filter(is_on=True):
        mine = [
            one
            for one in rows
            if one.recommendation.kind == rule.kind
            and one.confidence >= rule.least_confidence
            and one.verdict != Verdict.CANNOT_TELL
        ]
        sure = [one for one in mine if one.confidence >= PROMISED]
        if any(_is_too_bold(some) for some in (sure, mine)):
            _demote(rule, sure if _is_too_bold(sure) else mine, now=now)
            demoted.append(str(rule.kind))
    return demoted


def _is_too_bold(decided: Sequence[Outcome]) -> bool:
    return len(decided) >= LEAST_DECIDED and _highest_rate(read(decided)) < _promised(decided)


def _promised(decided: Sequence[Outcome]) -> float:
    """The rate that claims promise together."""
    return min(PROMISED, sum(one.confidence for one in decided) / len(decided))


def _highest_rate(record: Record) -> float:
    return reliability.rate_interval(record.came_true, record.decided)[1]


def _demote(rule: AutoRule, decided: Sequence[Outcome], *, now: datetime) -> None:
    kind, record = Kind(rule.kind).label, read(decided)
    rule.is_on, rule.demoted_at = False, now
    rule.demoted_because = (
        f"Of {record.decided} {kind} changes that together claimed {_promised(decided):.0%} or more, "
        f"{record.came_true} came true: at most {_highest_rate(record):.0%} would."
    )
    rule.save()
    actor = system(rule.workspace_id)
    audit.record(actor, "optimization.auto_demoted", rule, now=now, reason=rule.demoted_because)
    events.publish(
        AutoRuleDemoted(workspace_id=rule.workspace_id, kind=str(rule.kind), reason=rule.demoted_because)
    )
