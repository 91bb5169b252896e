"""One weekly decision about all budgets of an account: history in, budgets out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .allocation.problem import PowerCurves, Problem
from .allocation.solve import allocate
from .response.bias import RandomisedSlopes
from .response.confidence import pays
from .response.curves import Curves
from .response.fit import fit_curves
from .response.panel import Flags, Floats


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
    """(n,) each. budgets: to be set; moved: those that differ; probability: that the way they may move pays,
    the larger of up and down. marginal_return: what the next unit of money brings. curves: what it rests on.
    """

    budgets: Floats
    moved: Flags
    probability: Floats
    marginal_return: float
    curves: Curves


def decide(
    spend: ArrayLike,
    revenue: ArrayLike,
    budgets: ArrayLike,
    *,
    policy: Policy,
    days_since_change: ArrayLike,
    tested: RandomisedSlopes | None = None,
) -> Decision:
    """Fit, judge every campaign's step up and step down, and spread the money over those that may move.

    spend, revenue: (n, days) of the past, see `fit_curves`. budgets: (n,) money a day now, >= 0.
    days_since_change: (n,) whole days, large where never changed. Raises ValueError for others.

    A campaign may go up to (1 + max_change) of its budget where that pays with probability >= threshold, down
    likewise, and not at all within its cool-down or without enough data. Where the total is kept, paying
    means bringing more than the money would elsewhere: the price of money is the shadow price of the best
    plan. Where it is not, each moves towards its own optimum (margin a k) ** (1 / (1 - k)).
    """
    money = np.asarray(budgets, dtype=np.float64)
    curves = fit_curves(spend, revenue, tested=tested)
    ready = curves.enough & (np.asarray(days_since_change) >= policy.cool_down_days) & (money > 0)
    price = _shadow_price(curves, money, policy) if policy.keeps_total else 1 / policy.margin
    c = policy.max_change
    up, down = (pays(curves, 1 + step, margin=1 / price, spend=money).probability for step in (c, -c))
    rises, falls = ready & (up >= policy.threshold), ready & (down >= policy.threshold)
    lowest, highest = np.where(falls, money * (1 - c), money), np.where(rises, money * (1 + c), money)
    if policy.keeps_total:
        total = float(money.sum())
    else:
        total = float(np.clip(_optimum(curves, policy.margin), lowest, highest).sum())
    answer = allocate(
        Problem(curves=PowerCurves(curves.a, curves.k), total=total, lower=lowest, upper=highest)
    )
    if answer.infeasible:
        raise ValueError("; ".join(str(collision) for collision in answer.infeasible))
    return Decision(
        budgets=answer.budgets,
        moved=np.abs(answer.budgets - money) > 1e-9 * money,
        probability=np.maximum(up, down),
        marginal_return=answer.marginal_return,
        curves=curves,
    )


def _shadow_price(curves: Curves, budgets: Floats, policy: Policy) -> float:
    """What a unit of money brings in the best plan of the same total within the largest change."""
    problem = Problem(
        curves=PowerCurves(curves.a, curves.k),
        total=float(budgets.sum()),
        current=budgets,
        max_change=policy.max_change,
        locked=~curves.has_level,
    )
    return max(float(allocate(problem).marginal_return), 1e-12)


def _optimum(curves: Curves, margin: float) -> Floats:
    """(n,) where the next unit of money earns just itself; 0 without a curve."""
    return np.asarray((margin * curves.a * curves.k) ** (1 / (1 - curves.k)))
