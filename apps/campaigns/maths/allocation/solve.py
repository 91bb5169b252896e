"""One way to ask: allocate(problem)."""

from __future__ import annotations

from . import explain
from .collisions import of_total
from .problem import Answer, Problem
from .spread import ground, spread


def allocate(problem: Problem) -> Answer:
    """The best budgets with their certificate, or the constraints that collide.

    Never answers "no change" for want of a better idea: budgets are the best there are within `gap`, or
    `infeasible` says why there are none.
    """
    on = ground(problem)
    total = problem.total
    if total is None:
        raise ValueError("no total")
    found = on.collisions or of_total(total, on.least, on.most)
    if found:
        return explain.infeasible(problem, found)
    return explain.answer(on, spread(on, total))
