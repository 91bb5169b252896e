"""Power curves with bounds and a total, and nothing else: one price for all, found by Newton."""

from __future__ import annotations

import math

import numpy as np

from .curves import Floats, PowerCurves
from .plan import Plan

_MOST_STEPS = 100
# Of the total, and of how steeply spending falls: what is left is divided in one more step, whose error is
# the square of it.
_CLOSE = 1e-10
_WIDER = 1e-6  # the bracket, in logs: with one campaign its end is the answer


def solve(curves: PowerCurves, low: Floats, high: Floats, total: float) -> Plan | None:
    """The best budgets; None where one price is not enough to tell them, as when a campaign earns nothing.

    low, high: (n,) with sum(low) < total < sum(high); high may be infinite. total: > 0.

    At price p = exp(m) campaign i takes b = clip((a k / p) ** (1 / (1 - k)), low, high). log sum(b) falls as
    m rises, all but straight where no bound binds, so that Newton needs 4 to 8 steps from a finite bracket.
    Source: Karush-Kuhn-Tucker conditions; derived in docs/models/allocation.md.
    """
    if not curves.a.min() > 0:
        return None
    with np.errstate(all="ignore"):
        return _solve(curves, low, high, total)


def _solve(curves: PowerCurves, low: Floats, high: Floats, total: float) -> Plan | None:
    start = np.log(curves.a * curves.k)
    bend = 1 / (1 - curves.k)
    room = total - float(low.sum())
    high = np.minimum(high, low + 2 * room)  # finite, and beyond what anybody gets
    at_high = start - np.log(high) / bend
    left = float(at_high.min()) - _WIDER
    right = float((start - np.log(low + room / len(low)) / bend).max()) + _WIDER
    found = _newton(start * bend, bend, low, high, total, (left, right, float(at_high.max())))
    if found is None:
        return None
    m, correction, budgets, at_price = found
    price = math.exp(m)
    bound = float(curves.revenue(at_price).sum()) - price * (float(at_price.sum()) - total)
    return Plan(budgets, price * math.exp(correction), bound)


def _newton(
    start: Floats, bend: Floats, low: Floats, high: Floats, total: float, bracket: tuple[float, float, float]
) -> tuple[float, float, Floats, Floats] | None:
    """The log price, one more step to it, the budgets, which add up to the total, and those of the price
    before that step, which nearly do.
    """
    left, right, m = bracket
    m = min(max(m, left), right)
    for _ in range(_MOST_STEPS):
        taken = np.exp(start - m * bend)
        budgets = np.minimum(np.maximum(taken, low), high)
        steep = bend * budgets
        steep *= budgets == taken
        spent, slope = float(budgets.sum()), float(steep.sum())
        if spent == total:
            return m, 0.0, budgets, budgets
        if abs(spent - total) <= _CLOSE * min(total, slope):
            settled = _settle(budgets, steep / slope, low, high, total - spent)
            return (m, (spent - total) / slope, settled, budgets) if settled is not None else None
        left, right = (m, right) if spent > total else (left, m)
        step = math.log(spent / total) * spent / slope if slope > 0 and spent > 0 else math.inf
        m = m + step if left < m + step < right else (left + right) / 2
        if m in (left, right):
            return None
    return None


def _settle(budgets: Floats, parts: Floats, low: Floats, high: Floats, rest: float) -> Floats | None:
    """Divide the rest among the campaigns between their bounds; None where it does not fit there."""
    settled = np.minimum(np.maximum(budgets + rest * parts, low), high)
    left = rest + float(budgets.sum()) - float(settled.sum())
    return settled if abs(left) <= 1e-14 * float(budgets.sum()) else None
