"""One weekly decision about all budgets of an account: history in, budgets out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .plan import BudgetPlan, plan
from .response.bias import RandomisedSlopes
from .response.curves import Curves
from .response.fit import fit_curves
from .response.panel import Flags, Floats

# A change smaller than this share of a budget is not worth a platform's learning anew.
LEAST_CHANGE = 0.03


@dataclass(frozen=True, kw_only=True)
class Policy:
    """margin: profit before advertising of a unit of revenue. max_change: of a budget at a time, .2 is 20 %.
    threshold: probability of paying below which nothing moves. cool_down_days: between changes of a campaign.
    keeps_total: money is only moved between campaigns; otherwise as much is spent as pays.
    """

    margin: float
    max_change: float = 0.2
    threshold: float = 0.9
    cool_down_days: int = 7
    keeps_total: bool = False

    def __post_init__(self) -> None:
        if not (self.margin > 0 and 0 < self.max_change < 1 and 0 < self.threshold < 1):
            raise ValueError(f"need a margin > 0, a change and a threshold in (0, 1); got {self}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Decision:
    """(n,) each. budgets: to be set; moved: those that differ; probability: that the plan's move pays, 0 for
    campaigns that may not move. plan: None where none may. curves: what it rests on.
    """

    budgets: Floats
    moved: Flags
    probability: Floats
    plan: BudgetPlan | None
    curves: Curves


def decide(
    spend: ArrayLike,
    revenue: ArrayLike,
    budgets: ArrayLike,
    *,
    policy: Policy,
    days_since_change: ArrayLike,
    rng: np.random.Generator,
    tested: RandomisedSlopes | None = None,
) -> Decision:
    """Fit, plan over the campaigns that may move, and make the moves that pay surely enough.

    spend, revenue: (n, days) of the past, see `fit_curves`. budgets: (n,) money a day now, >= 0.
    days_since_change: (n,) whole days, large where never changed. rng: of the draws behind probabilities.
    Raises ValueError for others.

    As the engine does it by itself: a campaign without enough data, or within its cool-down, stays, and of
    the plan's moves those are made that pay with probability >= threshold and are worth the change.
    """
    money = np.asarray(budgets, dtype=np.float64)
    curves = fit_curves(spend, revenue, tested=tested)
    rested = np.broadcast_to(np.asarray(days_since_change), money.shape) >= policy.cool_down_days
    places = np.flatnonzero(curves.enough & rested & (money > 0)).tolist()
    chosen, probability = money.copy(), np.zeros(len(money))
    if not places:
        return Decision(
            budgets=chosen, moved=chosen != money, probability=probability, plan=None, curves=curves
        )
    found = plan(
        curves,
        places,
        money[places],
        margin=policy.margin,
        max_change=policy.max_change,
        total=float(money[places].sum()) if policy.keeps_total else None,
        rng=rng,
    )
    probability[places] = found.moves.probability
    steps = np.abs(found.planned / found.now - 1)
    sure = (found.moves.probability >= policy.threshold) & (steps >= LEAST_CHANGE)
    chosen[places] = np.where(sure, found.planned, found.now)
    return Decision(budgets=chosen, moved=chosen != money, probability=probability, plan=found, curves=curves)
