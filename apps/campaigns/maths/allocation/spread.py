"""A total, spread over campaigns: whichever solver the problem needs."""

from __future__ import annotations

from functools import partial

import numpy as np

from . import nested, power
from .boxes import Search
from .curves import Floats, PowerCurves
from .demand import HIGHEST, MovingDemand, PowerDemand
from .ground import Ground
from .groups import tree
from .plan import Plan
from .problem import Problem

_NUDGE = 1e-13  # relative: at the very least and the very most any price will do, and none is finite


def spread(on: Ground, total: float) -> Plan:
    """The best budgets; total: least <= total <= most, but for rounding."""
    problem, low = on.problem, on.bounds.low
    room = total - float(low.sum())
    high = np.minimum(on.high, low + 2 * max(room, 0.0))  # finite, and beyond what anybody gets
    if room <= 0 or (on.tree is None and total >= on.most):
        return _corner(problem, low, on.high, is_least=room <= 0)
    if isinstance(problem.curves, PowerCurves) and on.tree is None and problem.move_cost is None:
        plan = power.solve(problem.curves, low, high, total)
        if plan is not None:
            return plan
    return _nested(on, low, high, total, room)


def _corner(problem: Problem, low: Floats, high: Floats, *, is_least: bool) -> Plan:
    """Everything at its minimum, or at its maximum: there is no other way to spend that much.

    The price is what the next unit would bring, or what the last one has brought.
    """
    budgets = low if is_least else high
    marginal = problem.curves.marginal(budgets)[low < high]
    price = 0.0
    if len(marginal):
        price = float(marginal.max() if is_least else marginal.min())
    worth = float(problem.curves.revenue(budgets).sum())
    if problem.move_cost is not None and problem.now is not None:
        worth -= float((problem.move_cost * np.abs(budgets - problem.now)).sum())
    return Plan(budgets, price, worth)


def _nested(on: Ground, low: Floats, high: Floats, total: float, room: float) -> Plan:
    problem, groups = on.problem, on.tree
    if groups is None:
        groups = tree((), len(problem))
    total = min(max(total, on.least * (1 + _NUDGE)), on.most * (1 - _NUDGE))
    with np.errstate(all="ignore"):
        fair = problem.curves.marginal(np.minimum(low + room / len(low), high))
    guess = float(fair.max())
    relax = partial(nested.solve, tree=groups, total=total, guess=guess if 0 < guess < HIGHEST else 1.0)
    curves = problem.curves
    if not isinstance(curves, PowerCurves):
        return Search(curves, relax, problem.now, problem.move_cost).best(low, high)
    demand = PowerDemand(curves, low, high)
    if problem.move_cost is None or problem.now is None:
        return relax(demand)
    return relax(MovingDemand(demand, problem.now, problem.move_cost))
