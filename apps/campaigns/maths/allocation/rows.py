"""As power, for many rows of curves or many totals at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .curves import Floats

_MOST_STEPS = 60
_WIDER = 1e-6
_CLOSE, _ROUNDING = 1e-10, 1e-13  # of the total


def solve(
    a: Floats, k: Floats, low: Floats, high: Floats, total: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Budgets (D, n) and prices (D,) of curves a, k (D, n) with bounds low, high (n,) and totals (D,).

    And which rows are settled: the others, as in power, are not told by one price, and hold nothing.
    """
    search = _Search.start_at(a, k, low, high, total)
    search.run()
    return search.budgets, search.prices, search.settled


@dataclass(eq=False)
class _Search:
    """The rows that are not there yet, which `rows` names. budgets, prices and settled are those of all."""

    low: Floats
    high: Floats
    total: Floats
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
    def start_at(cls, a: Floats, k: Floats, low: Floats, high: Floats, total: Floats) -> _Search:
        draws, room = len(a), total - float(low.sum())
        with np.errstate(all="ignore"):
            log_slope, bend = np.log(a * k), 1 / (1 - k)
            capped = np.minimum(high, low + 2 * room[:, None])
            at_high = log_slope - np.log(capped) / bend
            right = (log_slope - np.log(low + room[:, None] / len(low)) / bend).max(axis=1) + _WIDER
        left = at_high.min(axis=1) - _WIDER
        is_plain = (a.min(axis=1) > 0) & (room > 0) & (total < high.sum())
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
            np.zeros_like(a),
            np.zeros(draws),
            np.zeros(draws, dtype=np.bool_),
        )
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
        total = self.total[there]
        rest = (total - spent) / slope
        settled = np.minimum(np.maximum(budgets + rest[:, None] * steep, self.low), self.high[there])
        rows = self.rows[there]
        self.budgets[rows], self.prices[rows] = settled, np.exp(self.m[there] - rest)
        self.settled[rows] = np.abs(settled.sum(axis=1) - total) <= _ROUNDING * total

    def _keep(self, on: NDArray[np.bool_]) -> None:
        for name in ("high", "total", "start", "bend", "m", "left", "right", "rows"):
            setattr(self, name, getattr(self, name)[on])
