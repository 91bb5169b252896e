"""One way to ask: allocate(problem)."""

from __future__ import annotations

from . import explain, power
from .curves import PowerCurves
from .limits import SLACK, Limits, limits
from .plan import Plan
from .problem import Answer, Collision, Problem


def allocate(problem: Problem) -> Answer:
    """The best budgets with their certificate, or the constraints that collide.

    Never answers "no change" for want of a better idea: budgets are the best there are within `gap`, or
    `infeasible` says why there are none.
    """
    bounds, collisions = limits(problem)
    total = problem.total
    assert total is not None
    collisions = collisions or _total_collisions(problem, bounds, total)
    if collisions:
        return explain.infeasible(problem, collisions)
    return explain.answer(problem, bounds, spread(problem, bounds, total))


def spread(problem: Problem, bounds: Limits, total: float) -> Plan:
    curves = problem.curves
    assert isinstance(curves, PowerCurves)
    plan = power.solve(curves, bounds.low, bounds.high, total)
    assert plan is not None
    return plan


def _total_collisions(problem: Problem, bounds: Limits, total: float) -> tuple[Collision, ...]:
    least, most = float(bounds.low.sum()), float(bounds.high.sum())
    if total < least * (1 - SLACK):
        by = least - total
        return (
            Collision(
                (f"the total ({total:,.2f})", f"the minima of the campaigns ({least:,.2f} together)"),
                by,
                f"Raise the total by {by:,.2f}, or lower minima by that much.",
            ),
        )
    return ()
