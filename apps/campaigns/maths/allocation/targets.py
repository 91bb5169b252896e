"""The total that a goal needs: the least that earns a revenue, the largest that still earns its return."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .curves import HillCurves, PowerCurves
from .ground import Ground
from .problem import Collision
from .spread import spread

_MOST_STEPS = 200
_CLOSE = 1e-13  # relative
_LARGEST = 1e200
_NOTHING = 1e-9  # of the budget that earns half of what there is
Earned = tuple[float, float]


def least_total(on: Ground, revenue: float) -> float | Collision:
    """The least total whose best budgets earn this revenue."""
    if _earned(on, on.least)[0] >= revenue:
        return on.least
    reached = _most_revenue(on)
    if reached >= revenue:
        most = _enough(on, lambda total: _earned(on, total)[0] >= revenue)
        reached = _earned(on, most)[0]
    if reached < revenue * (1 - _CLOSE):
        return Collision(
            (
                f"the target revenue of {revenue:,.2f}",
                f"curves and limits that allow {reached:,.2f} at the most",
            ),
            revenue - reached,
            f"Ask for {reached:,.2f} or less, or raise the maxima.",
        )
    return _crossing(lambda total: _log_miss(on, total, revenue), on.least, most)


def largest_total(on: Ground, roas: float) -> float | Collision:
    """The largest total whose best budgets earn `roas` for each unit of money.

    From the right: V(B) / roas is at most B as long as B is too much, and at least the answer, since V rises.
    Where V is concave Newton takes larger steps from the same side.
    """
    total, least = _too_much(on, roas), max(on.least, _smallest(on))
    for _ in range(_MOST_STEPS):
        revenue, price = _earned(on, total)
        if revenue >= roas * total * (1 - _CLOSE):
            return total if total > 0 else _out_of_reach(on, roas)
        step = revenue / roas
        if _is_concave(on) and price < roas:
            step = min(step, total - (roas * total - revenue) / (roas - price))
        if step < least:
            return _out_of_reach(on, roas)
        total = step
    return total


def _most_revenue(on: Ground) -> float:
    """What the campaigns earn at their maxima, groups apart."""
    earns = on.problem.curves.a > 0
    return float(on.problem.curves.revenue(np.where(earns, on.bounds.high, 0.0)).sum())


def _smallest(on: Ground) -> float:
    """Less is nothing: the return of S-shaped curves falls to 0 there."""
    curves = on.problem.curves
    return _NOTHING * float(curves.half.min()) if isinstance(curves, HillCurves) else 0.0


def _too_much(on: Ground, roas: float) -> float:
    """The most that may be spent, or a total from which on the return stays below the target."""
    if isinstance(on.problem.curves, HillCurves):
        return min(on.most, max(on.least, float(on.problem.curves.a.sum()) / roas))

    def is_past(total: float) -> bool:
        revenue, price = _earned(on, total)
        return revenue < roas * total and price < roas

    return _enough(on, is_past)


def _earned(on: Ground, total: float) -> Earned:
    """The revenue of the best budgets, and what the next unit brings."""
    plan = spread(on, total)
    return float(on.problem.curves.revenue(plan.budgets).sum()), plan.price


def _is_concave(on: Ground) -> bool:
    return isinstance(on.problem.curves, PowerCurves) and on.problem.move_cost is None


def _enough(on: Ground, is_enough: Callable[[float], bool]) -> float:
    """The most that may be spent; where nothing bounds that, some total that is enough."""
    if math.isfinite(on.most):
        return on.most
    total, factor = max(2 * on.least, 1.0), 4.0
    while total < _LARGEST and not is_enough(total):
        total, factor = total * factor, factor**2
    return min(total, _LARGEST)


def _log_miss(on: Ground, total: float, revenue: float) -> Earned:
    """How far the log of what is earned lies above the target's, and how fast that rises with log total."""
    earned, price = _earned(on, total)
    if earned <= 0:
        return -math.inf, math.nan
    return math.log(earned / revenue), price * total / earned


def _crossing(miss: Callable[[float], Earned], low: float, high: float) -> float:
    """Where the miss passes 0, between a total below and one that is enough, to the last digits."""
    total = high
    for _ in range(_MOST_STEPS):
        above, elasticity = miss(total)
        if abs(above) <= _CLOSE:
            return total
        low, high = (low, total) if above >= 0 else (total, high)
        if high - low <= _CLOSE * high:
            break
        step = total * math.exp(max(-above / elasticity, -50.0)) if elasticity > 0 else math.nan
        middle = math.sqrt(low * high) if low > 0 else high / 16
        total = step if low < step < high else middle
    return high


def _out_of_reach(on: Ground, roas: float) -> Collision:
    """With the best return that some total does earn, as far as a few dozen of them tell."""
    curves, top = on.problem.curves, _too_much(on, roas)
    if isinstance(curves, HillCurves):
        top = min(on.most, max(top, 4 * float(curves.half.sum())))
    least = max(on.least, _smallest(on), top * 1e-12)
    top = min(top, max(least * 1e9, 1.0))
    steps = [least * (top / least) ** (step / 40) for step in range(41)] if top > 0 else []
    best = max(((_earned(on, total)[0] / total, total) for total in steps), default=(0.0, 0.0))
    return Collision(
        (f"the target of {roas:,.4g} for each unit of money", "what the curves earn within the limits"),
        (roas - best[0]) * best[1],
        f"Ask for {best[0]:,.4g} or less, which a total of {best[1]:,.2f} about earns, or lower minima.",
    )
