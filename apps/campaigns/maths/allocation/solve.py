"""One way to ask: allocate(problem)."""

from __future__ import annotations

from . import explain
from .ground import Ground, ground
from .problem import Answer, Collision, Problem
from .spread import spread
from .targets import largest_total, least_total
from .total_collisions import of_total


def allocate(problem: Problem) -> Answer:
    """The best budgets with their certificate, or the constraints that collide.

    Never answers "no change" for want of a better idea: budgets are the best there are within `gap`, or
    `infeasible` says why there are none. A target's `gap` is that of the budgets at the total found for it.
    Raises ValueError where the problem says neither total nor target.
    """
    on = ground(problem)
    if on.collisions:
        return explain.infeasible(problem, on.collisions)
    total = _total(on)
    found = (total,) if isinstance(total, Collision) else of_total(on, total)
    if isinstance(total, Collision) or found:
        return explain.infeasible(problem, found)
    return explain.answer(on, spread(on, total))


def _total(on: Ground) -> float | Collision:
    problem = on.problem
    if problem.total is not None:
        return problem.total
    if problem.target_revenue is not None:
        return least_total(on, problem.target_revenue)
    if problem.target_roas is not None:
        return largest_total(on, problem.target_roas)
    raise ValueError("say one of total, target_revenue and target_roas; got none of them")
