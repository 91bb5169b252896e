"""Many curves for the same campaigns, as a posterior gives them: the best budgets under each, all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .curves import FALLBACK_EXPONENT, Floats, PowerCurves
from .ground import ground
from .problem import Problem
from .spread import spread

_MOST_STEPS = 60
_WIDER = 1e-6
_CLOSE, _ROUNDING = 1e-10, 1e-13  # of the total


@dataclass(frozen=True, eq=False)
class DrawnPlans:
    """Row d belongs to draw d: budgets (D, n), revenue (D,) and the price of its total (D,)."""

    budgets: Floats
    revenue: Floats
    marginal_return: Floats


def allocate_draws(
    a: ArrayLike,
    k: ArrayLike = FALLBACK_EXPONENT,
    *,
    total: float,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = np.inf,
) -> DrawnPlans:
    """The best budgets of power curves a (D, n), k (D, n) or broadcast to it, under the same bounds (n,).

    Raises ValueError for curves and bounds as Problem does, and where no budgets obey bounds and total.
    """
    heights = np.asarray(a, dtype=np.float64)
    if heights.ndim != 2 or not heights.size:
        raise ValueError(f"a needs shape (draws, campaigns), at least one of each; got {heights.shape}")
    bends = np.ascontiguousarray(np.broadcast_to(np.asarray(k, dtype=np.float64), heights.shape))
    PowerCurves(heights.ravel(), bends.ravel())
    first = Problem(curves=PowerCurves(heights[0], bends[0]), total=total, lower=lower, upper=upper)
    low, high = first.lowest, first.highest
    if (low > high).any() or not low.sum() <= total <= high.sum():
        raise ValueError("no budgets obey these bounds and this total; allocate says which collide")
    search = _Search.start_at(heights, bends, low, high, total)
    search.run()
    budgets, prices = search.budgets, search.prices
    for row in np.flatnonzero(~search.settled).tolist():
        problem = Problem(curves=PowerCurves(heights[row], bends[row]), total=total, lower=low, upper=high)
        plan = spread(ground(problem), total)
        budgets[row], prices[row] = plan.budgets, plan.price
    return DrawnPlans(budgets, (heights * budgets**bends).sum(axis=1), prices)


@dataclass(eq=False)
class _Search:
    """As power.solve, for all rows that are not there yet. start, bend, m, left and right shrink with them.

    rows: which ones they are. settled: (D,) those whose budgets and price are found; one price is not enough
    for the others.
    """

    low: Floats
    high: Floats
    total: float
    start: Floats
    bend: Floats
    m: Floats
    left: Floats
    right: Floats
    rows: NDArray[np.int64]
    budgets: Floats
    prices: Floats
    settled: NDArray[np.bool_]

    @classmethod
    def start_at(cls, a: Floats, k: Floats, low: Floats, high: Floats, total: float) -> _Search:
        draws, room = len(a), total - float(low.sum())
        with np.errstate(all="ignore"):
            log_slope, bend = np.log(a * k), 1 / (1 - k)
            capped = np.minimum(high, low + 2 * room)
            at_high = log_slope - np.log(capped) / bend
            right = (log_slope - np.log(low + room / len(low)) / bend).max(axis=1) + _WIDER
        left = at_high.min(axis=1) - _WIDER
        is_plain = (a.min(axis=1) > 0) & (room > 0) & (total < high.sum())
        rows = np.flatnonzero(is_plain)
        every = cls(
            low,
            capped,
            total,
            log_slope * bend,
            bend,
            np.clip(at_high.max(axis=1), left, right),
            left,
            right,
            np.arange(draws),
            np.empty_like(a),
            np.empty(draws),
            np.zeros(draws, dtype=np.bool_),
        )
        if len(rows) < draws:
            every._keep(is_plain)
        return every

    def run(self) -> None:
        with np.errstate(all="ignore"):
            for _ in range(_MOST_STEPS):
                if not len(self.rows):
                    return
                self._step()

    def _step(self) -> None:
        taken = np.exp(self.start - self.m[:, None] * self.bend)
        budgets = np.minimum(np.maximum(taken, self.low), self.high)
        steep = self.bend * budgets
        steep *= budgets == taken
        spent, slope = budgets.sum(axis=1), steep.sum(axis=1)
        there = (np.abs(spent - self.total) <= _CLOSE * np.minimum(self.total, slope)) & (slope > 0)
        if there.any():
            self._settle(there, budgets[there], steep[there], spent[there], slope[there])
        is_over = spent > self.total
        self.left, self.right = np.where(is_over, self.m, self.left), np.where(is_over, self.right, self.m)
        newton = self.m + np.log(spent / self.total) * spent / slope
        inside = (newton > self.left) & (newton < self.right)
        self.m = np.where(inside, newton, (self.left + self.right) / 2)
        moves = (self.m > self.left) & (self.m < self.right)
        if not (on := moves & ~there).all():
            self._keep(on)

    def _settle(
        self, there: NDArray[np.bool_], budgets: Floats, steep: Floats, spent: Floats, slope: Floats
    ) -> None:
        """Divide what is left as the next step would."""
        rest = (self.total - spent) / slope
        settled = np.minimum(np.maximum(budgets + rest[:, None] * steep, self.low), self.high)
        rows = self.rows[there]
        self.budgets[rows], self.prices[rows] = settled, np.exp(self.m[there] - rest)
        self.settled[rows] = np.abs(settled.sum(axis=1) - self.total) <= _ROUNDING * self.total

    def _keep(self, on: NDArray[np.bool_]) -> None:
        for name in ("start", "bend", "m", "left", "right", "rows"):
            setattr(self, name, getattr(self, name)[on])
