"""Why each budget is what it is: what binds, and what it would bring to loosen it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .curves import Floats
from .limits import Limits, change_range
from .plan import Plan
from .problem import Answer, Collision, Problem

_WORDS = (
    "nothing",
    "minimum",
    "maximum",
    "largest change down",
    "largest change up",
    "locked",
    "not worth moving",
)
_NOTHING, _MINIMUM, _MAXIMUM, _DOWN, _UP, _LOCKED, _STAYS = range(len(_WORDS))
Codes = NDArray[np.int64]


def answer(problem: Problem, bounds: Limits, plan: Plan) -> Answer:
    """Revenue, gap, what binds, shadow prices."""
    budgets = plan.budgets
    revenues, marginal = problem.curves.revenue(budgets), problem.curves.marginal(budgets)
    revenue, moving = float(revenues.sum()), _moving(problem, budgets)
    at_low, at_high = budgets <= bounds.low, budgets >= bounds.high
    return Answer(
        names=problem.names,
        budgets=budgets,
        revenues=revenues,
        marginal_returns=marginal,
        total=float(budgets.sum()),
        revenue=revenue,
        moving=moving,
        marginal_return=plan.price,
        gap=_gap(plan.bound, revenue - moving, revenue),
        binds=_words(problem, bounds, plan, at_low, at_high),
        bound_prices=_bound_prices(problem, plan, marginal, at_low | at_high),
        group_prices=_group_prices(problem, plan),
    )


def infeasible(problem: Problem, collisions: tuple[Collision, ...]) -> Answer:
    """No budgets at all: nobody shall take for an answer what obeys only some of the constraints."""
    none = np.zeros(0)
    nan = float("nan")
    return Answer(
        names=problem.names,
        budgets=none,
        revenues=none,
        marginal_returns=none,
        total=nan,
        revenue=nan,
        moving=nan,
        marginal_return=nan,
        gap=nan,
        binds=(),
        bound_prices=none,
        group_prices={},
        infeasible=collisions,
    )


def _gap(bound: float, value: float, revenue: float) -> float:
    """How much more there can be, against the revenue; 0 within rounding, infinite where there is no revenue."""
    above = bound - value
    if above <= 0:
        return 0.0
    return above / revenue if revenue > 0 else float("inf")


def _moving(problem: Problem, budgets: Floats) -> float:
    if problem.move_cost is None or problem.now is None:
        return 0.0
    return float((problem.move_cost * np.abs(budgets - problem.now)).sum())


def _words(
    problem: Problem, bounds: Limits, plan: Plan, at_low: NDArray[np.bool_], at_high: NDArray[np.bool_]
) -> tuple[str, ...]:
    words: NDArray[np.object_] = np.array(_WORDS, dtype=object)
    told: list[str] = words[_codes(problem, bounds, plan, at_low, at_high)].tolist()
    return tuple(told)


def _codes(
    problem: Problem, bounds: Limits, plan: Plan, at_low: NDArray[np.bool_], at_high: NDArray[np.bool_]
) -> Codes:
    codes = np.where(at_low, _MINIMUM, np.where(at_high, _MAXIMUM, _NOTHING))
    if problem.max_change is not None:
        floor, ceiling = change_range(problem)
        codes[at_low & (floor > problem.lowest)] = _DOWN
        codes[at_high & ~at_low & (ceiling < problem.highest)] = _UP
    both = at_low & at_high
    if both.any():
        wants_more = both & (problem.curves.marginal(plan.budgets) > _prices(plan, len(codes)))
        codes[wants_more] = _MAXIMUM
        if problem.max_change is not None:
            codes[wants_more & (ceiling < problem.highest)] = _UP
    if problem.move_cost is not None:
        codes[(codes == _NOTHING) & (plan.budgets == problem.now) & (problem.move_cost > 0)] = _STAYS
    if problem.locked is not None:
        codes[np.asarray(problem.locked)] = _LOCKED
    return codes


def _prices(plan: Plan, length: int) -> Floats:
    return plan.prices if plan.prices is not None else np.full(length, plan.price)


def _bound_prices(problem: Problem, plan: Plan, marginal: Floats, at_bound: NDArray[np.bool_]) -> Floats:
    """What the next unit earns here, less what it earns elsewhere; moving costs are paid on the way."""
    if not at_bound.any():
        return np.zeros(len(marginal))
    apart = np.abs(marginal - _prices(plan, len(marginal)))
    return np.where(at_bound, apart, 0.0)


def _group_prices(problem: Problem, plan: Plan) -> dict[str, float]:
    return {}
