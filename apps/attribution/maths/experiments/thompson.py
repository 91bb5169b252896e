"""Send the winner: most units go to what is likely best, and it stops when being wrong costs little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import gates
from .arms import Arm, Flags, Floats
from .posteriors import BetaPosterior, NormalPosterior, Odds, odds
from .readings import ArmReading, Reading, Standing, Verdict
from .roots import root

FEWEST_EVENTS_OF_LEADER = 100
LEADER_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class WinnerPlan:
    """loss_share: stop when the expected loss is at most this part of the leader's mean. floor: share that
    each arm keeps, whatever happens; prior_successes, prior_failures: >= 1, of a proportion.

    Raises ValueError for numbers outside these bounds.
    """

    loss_share: float = 0.0065
    floor: float = 0.02
    prior_successes: float = 1.0
    prior_failures: float = 1.0
    larger_is_better: bool = True

    def __post_init__(self) -> None:
        if not (self.loss_share > 0 and 0 <= self.floor < 1):
            raise ValueError(f"need loss_share > 0 and 0 <= floor < 1; got {self}")
        if min(self.prior_successes, self.prior_failures) < 1:
            raise ValueError(f"a prior needs at least one success and one failure; got {self}")


Belief = BetaPosterior | NormalPosterior


def send_the_winner(arms: Sequence[Arm], *, plan: WinnerPlan) -> Reading:
    """Odds of each arm, the shares of the units to come, and a winner once the expected loss is small.

    arms: the control first; its role ends there, all arms may win. It promises a small loss, not a small rate
    of false winners: among equals it picks one soon, which costs nothing. Effects are looked at once.
    Raises ValueError where the floors of so many arms exceed 1.

    next_share: top-two Thompson sampling in expectation, over a floor: nine units in ten (LEADER_SHARE) go to
    a draw of the best arm, the tenth to a draw of the best of the others.
    Source: Russo 2016, "Simple Bayesian algorithms for best-arm identification"; Stucchio 2015, "Bayesian A/B
    testing at VWO", for the stop.
    """
    gate = gates.check(arms, fewest_events=0)
    if gate.verdict is Verdict.NOT_ENOUGH_DATA:
        return _with_even_shares(gate.reading(arms, alpha=0.05, more_units=gate.needed))
    if gate.verdict:
        return gate.reading(arms, alpha=0.05, more_units=None)
    believed = posterior(arms, plan=plan)
    found = odds(believed if plan.larger_is_better else believed.reversed())
    leader, units = int(found.expected_loss.argmin()), gates.total_units(arms)
    scarce = _missing_events(arms[leader], arms)
    is_won = not scarce and bool(may_stop(believed.mean(), found.expected_loss, loss_share=plan.loss_share))
    more = 0 if is_won else _more_units(believed, plan=plan, units=units)
    verdict = Verdict.WINNER if is_won else Verdict.NOT_ENOUGH_DATA if scarce else Verdict.KEEP_GOING
    return Reading(
        verdict=verdict,
        winner=arms[leader].name if is_won else None,
        because=_because(arms[leader].name, verdict, loss_share=plan.loss_share),
        arms=_read(arms, found, plan=plan, winner=leader if is_won else None),
        sample_ratio=gate.sample_ratio,
        units=units,
        more_units=None if more is None else max(more, scarce),
        level=0.95,
    )


def posterior(arms: Sequence[Arm], *, plan: WinnerPlan) -> Belief:
    """Beta where every arm is a proportion, else Normal around the means under a flat prior."""
    estimates = [arm.estimate for arm in arms]
    if all(found.events is not None for found in estimates):
        successes, units = np.array([found.trials for found in estimates]).T
        return BetaPosterior(successes + plan.prior_successes, units - successes + plan.prior_failures)
    errors = np.sqrt([found.variance for found in estimates])
    return NormalPosterior(np.array([found.mean for found in estimates]), errors)


def may_stop(mean: Floats, expected_loss: Floats, *, loss_share: float) -> Flags:
    """Whether the least expected loss is at most loss_share of that arm's mean. (...) from (..., K)."""
    leader = expected_loss.argmin(axis=-1)[..., None]
    loss, level = (np.take_along_axis(of, leader, axis=-1)[..., 0] for of in (expected_loss, mean))
    return np.asarray(loss <= loss_share * np.abs(level))


def top_two_shares(p_best: Floats, *, floor: float) -> Floats:
    """Shares of the units to come, (..., K) from p_best (..., K): each >= floor, summing to 1.

    share_i = b p_i + (1 - b) sum_(j != i) p_j p_i / (1 - p_j) with b = LEADER_SHARE, then
    floor + (1 - K floor) share. Beside an arm that is certainly the best the others share their tenth evenly.
    Raises ValueError where K floors exceed 1. Source: Russo 2016, which leaves b open and suggests 1 / 2.
    """
    arms = p_best.shape[-1]
    if floor * arms > 1:
        raise ValueError(f"{arms} arms cannot keep {floor:.0%} each")
    others = 1 - np.eye(arms)
    left = np.broadcast_to((p_best @ others)[..., None], (*p_best.shape, arms))
    evenly = np.broadcast_to(others / (arms - 1), left.shape).copy()
    runner_up = np.divide(p_best[..., None, :] * others, left, out=evenly, where=left > 0)
    shares = LEADER_SHARE * p_best + (1 - LEADER_SHARE) * (p_best[..., None] * runner_up).sum(axis=-2)
    return floor + (1 - arms * floor) * shares


def _read(
    arms: Sequence[Arm], found: Odds, *, plan: WinnerPlan, winner: int | None
) -> tuple[ArmReading, ...]:
    shares = top_two_shares(found.p_best, floor=plan.floor)
    read = []
    for number, arm in enumerate(arms):
        plain = gates.by_itself(arm, control=arms[0])
        is_better = number == winner and plain.standing is not Standing.CONTROL
        read.append(
            replace(
                plain,
                p_best=float(found.p_best[number]),
                expected_loss=float(found.expected_loss[number]),
                next_share=float(shares[number]),
                standing=Standing.BETTER if is_better else plain.standing,
            )
        )
    return tuple(read)


def _with_even_shares(held: Reading) -> Reading:
    even = 1 / len(held.arms)
    return replace(held, arms=tuple(replace(arm, next_share=even) for arm in held.arms))


def _missing_events(leader: Arm, arms: Sequence[Arm]) -> int:
    """Units over all arms until the leader has the fewest events that a winner needs; 0 where it has them."""
    found = leader.estimate
    if found.events is None or found.events >= FEWEST_EVENTS_OF_LEADER:
        return 0
    share = found.units / gates.total_units(arms)
    rate = max(found.events, 1) / found.units
    return math.ceil((FEWEST_EVENTS_OF_LEADER - found.events) / (rate * share))


def _more_units(believed: Belief, *, plan: WinnerPlan, units: int) -> int | None:
    """Until the loss is small, if the means stay as they are and errors shrink as 1 / sqrt n; None beyond a
    million times the units so far."""
    mean, error = believed.mean(), believed.deviation()
    towards = mean if plan.larger_is_better else -mean

    def too_dear(log_times: float) -> float:
        found = odds(NormalPosterior(towards, error / math.exp(log_times / 2)))
        leader = int(found.expected_loss.argmin())
        return float(found.expected_loss[leader] - plan.loss_share * abs(mean[leader]))

    end = math.log(1e6)
    if too_dear(end) > 0:
        return None
    if too_dear(0.0) <= 0:
        return 0
    return math.ceil(units * math.expm1(root(too_dear, 0.0, end, within=1e-6)))


def _because(leader: str, verdict: Verdict, *, loss_share: float) -> str:
    if verdict is Verdict.WINNER:
        return f"Choosing {leader} costs less than {loss_share:.1%} of its outcome on average."
    if verdict is Verdict.NOT_ENOUGH_DATA:
        return f"{leader} leads with fewer than {FEWEST_EVENTS_OF_LEADER} successes."
    return f"{leader} leads, but choosing it now could cost more than {loss_share:.1%} of its outcome."
