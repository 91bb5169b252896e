"""What more or less money would earn: the best revenue of each total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import rows
from .curves import PowerCurves
from .ground import Ground, ground
from .problem import Answer, Problem
from .spread import spread

_MOST_AT_ONCE = 1_000_000  # budgets


@dataclass(frozen=True)
class Point:
    """A total, the most that it earns, and what one more unit of money would bring there."""

    total: float
    revenue: float
    marginal_return: float


def frontier(
    problem: Problem, totals: Sequence[float] | None = None, *, points: int = 50, reach: float = 2.0
) -> tuple[Point, ...]:
    """The best revenue at totals that the limits allow; none where the limits themselves collide.

    totals: those that are asked for; impossible ones are left out. Otherwise `points` of them, evenly from
    the least that must be spent to `reach` times the problem's total, or to the most that may be spent.
    """
    on = ground(problem)
    if on.collisions:
        return ()
    if totals is None:
        totals = _even(on, points, reach)
    possible = [total for total in totals if on.least <= total <= on.most]
    found = _together(on, possible)
    return tuple(found.get(place) or _point(on, total) for place, total in enumerate(possible))


def gain(problem: Problem, answer: Answer, extra: float) -> float | None:
    """What another `extra` of money would bring on top of an answer; None where the limits leave no room."""
    on = ground(problem)
    total = answer.total + extra
    if answer.infeasible is not None or on.collisions or not on.least <= total <= on.most:
        return None
    return _point(on, total).revenue - answer.revenue


def _even(on: Ground, points: int, reach: float) -> list[float]:
    total = on.problem.total
    if total is None:
        raise ValueError("the problem has no total: say which totals the frontier is to be drawn at")
    if points < 2 or not 0 < reach < np.inf:
        raise ValueError(f"a frontier needs points >= 2 and a finite reach > 0; got {points} and {reach:g}")
    top = min(max(reach * total, on.least), on.most)
    even: list[float] = np.linspace(on.least, top, points).tolist()
    return even


def _together(on: Ground, totals: list[float]) -> dict[int, Point]:
    """Power curves with bounds alone: those points that one price each can tell, all at once."""
    curves = on.problem.curves
    if not isinstance(curves, PowerCurves) or on.tree is not None or on.problem.move_cost is not None:
        return {}
    if len(totals) * len(curves) > _MOST_AT_ONCE:
        return {}
    a, k = (np.tile(column, (len(totals), 1)) for column in (curves.a, curves.k))
    budgets, prices, settled = rows.solve(a, k, on.bounds.low, on.bounds.high, np.array(totals))
    earned = (a * budgets**k).sum(axis=1)
    return {
        place: Point(totals[place], float(earned[place]), float(prices[place]))
        for place in np.flatnonzero(settled).tolist()
    }


def _point(on: Ground, total: float) -> Point:
    plan = spread(on, total)
    return Point(total, float(on.problem.curves.revenue(plan.budgets).sum()), plan.price)
