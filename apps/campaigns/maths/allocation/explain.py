"""Why each budget is what it is: what binds, and what it would bring to loosen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .curves import Floats
from .ground import Ground
from .limits import change_range
from .plan import Plan
from .problem import Answer, Collision, Problem

_WORDS: NDArray[np.object_] = np.array(
    [
        "nothing",
        "minimum",
        "maximum",
        "largest change down",
        "largest change up",
        "locked",
        "not worth moving",
    ],
    dtype=object,
)
_NOTHING, _MINIMUM, _MAXIMUM, _DOWN, _UP, _LOCKED, _STAYS = range(len(_WORDS))
_SAME = 1e-9  # relative: prices that differ by less are the same


@dataclass(frozen=True, eq=False)
class _Sides:
    """Which budgets are at a bound, and what one more unit of room there would bring, >= 0."""

    at_low: NDArray[np.bool_]
    at_high: NDArray[np.bool_]
    gain_down: Floats
    gain_up: Floats


def answer(on: Ground, plan: Plan) -> Answer:
    """Revenue, gap, what binds, shadow prices."""
    problem, budgets = on.problem, plan.budgets
    revenues, marginal = problem.curves.revenue(budgets), problem.curves.marginal(budgets)
    revenue, moving = float(revenues.sum()), _moving(problem, budgets)
    sides = _sides(on, plan, marginal)
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
        binds=_words(on, plan, sides),
        bound_prices=np.maximum(sides.gain_down, sides.gain_up),
        group_prices=_group_prices(on, plan),
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
    """How much more there can be, against the revenue; 0 within rounding, infinite if nothing is earned."""
    above = bound - value
    if above <= 0:
        return 0.0
    return above / revenue if revenue > 0 else float("inf")


def _sides(on: Ground, plan: Plan, marginal: Floats) -> _Sides:
    """Against the price each campaign meets; a move costs on the way there, and saves on the way back."""
    problem, budgets = on.problem, plan.budgets
    at_low, at_high = budgets <= on.bounds.low, budgets >= on.bounds.high
    price = plan.price if plan.prices is None else plan.prices
    down = up = marginal
    if problem.move_cost is not None and problem.now is not None:
        down = marginal + np.where(budgets <= problem.now, problem.move_cost, -problem.move_cost)
        up = marginal - np.where(budgets >= problem.now, problem.move_cost, -problem.move_cost)
    with np.errstate(invalid="ignore"):
        return _Sides(
            at_low,
            at_high,
            np.where(at_low, np.fmax(price - down, 0.0), 0.0),
            np.where(at_high, np.fmax(up - price, 0.0), 0.0),
        )


def _moving(problem: Problem, budgets: Floats) -> float:
    if problem.move_cost is None or problem.now is None:
        return 0.0
    return float((problem.move_cost * np.abs(budgets - problem.now)).sum())


def _words(on: Ground, plan: Plan, sides: _Sides) -> tuple[str, ...]:
    told = _WORDS[_codes(on, plan, sides)]
    if on.tree is not None and plan.group_prices is not None:
        told = _group_words(on, plan, told)
    words: list[str] = told.tolist()
    return tuple(words)


def _codes(on: Ground, plan: Plan, sides: _Sides) -> NDArray[np.int64]:
    """Where a budget is at both bounds, the one that it would pay to loosen."""
    problem = on.problem
    is_up = sides.at_high & (~sides.at_low | (sides.gain_up > sides.gain_down))
    codes = np.where(is_up, _MAXIMUM, np.where(sides.at_low, _MINIMUM, _NOTHING))
    if problem.now is not None and problem.max_change is not None:
        floor, ceiling = change_range(problem.now, problem.max_change)
        codes[(codes == _MINIMUM) & (floor > problem.lowest)] = _DOWN
        codes[is_up & (ceiling < problem.highest)] = _UP
    if problem.move_cost is not None:
        stays = (codes == _NOTHING) & (plan.budgets == problem.now) & (problem.move_cost > 0)
        codes[stays] = _STAYS
    if problem.locked is not None:
        codes[np.asarray(problem.locked)] = _LOCKED
    return codes


def _group_words(on: Ground, plan: Plan, told: NDArray[np.object_]) -> NDArray[np.object_]:
    """Free campaigns are bound by the innermost group around them that binds; in a group whose cap leaves no
    more than the minima, all of them are.
    """
    if on.tree is None:
        return told
    words = np.array(["nothing"] * len(on.tree), dtype=object)
    binding = _binding_groups(on, plan)
    for nodes in on.tree.levels[1:]:
        for node in nodes.tolist():
            side = binding.get(node - 1, 0.0)
            name = on.problem.groups[node - 1].name
            words[node] = words[on.tree.parent[node]]
            if side:
                words[node] = f"cap of {name}" if side > 0 else f"floor of {name}"
    bound = words[on.tree.place]
    by_group = (told == _WORDS[_NOTHING]) | ((told == _WORDS[_MINIMUM]) & on.is_shut[on.tree.place])
    return np.where(by_group, bound, told)


def _binding_groups(on: Ground, plan: Plan) -> dict[int, float]:
    """Which groups meet a price of their own: above the one around where a cap binds, below for a floor."""
    if plan.group_prices is None or on.tree is None or plan.prices is None:
        return {}
    scale = abs(plan.price) + np.abs(plan.group_prices)
    places = np.flatnonzero(np.abs(plan.group_prices) > _SAME * scale).tolist()
    return {place: float(plan.group_prices[place]) for place in places} | _shut_groups(on, plan.price)


def _shut_groups(on: Ground, price: float) -> dict[int, float]:
    """What the next unit would bring in a group that has none to give."""
    if on.tree is None:
        return {}
    first = on.problem.curves.marginal(on.bounds.low)
    gains = {}
    for node in np.flatnonzero(on.is_shut).tolist():
        inside = (on.tree.place == node) & (on.bounds.high > on.bounds.low)
        gain = float(first[inside].max(initial=0.0)) - price
        if gain > 0:
            gains[node - 1] = gain
    return gains


def _group_prices(on: Ground, plan: Plan) -> dict[str, float]:
    return {on.problem.groups[place].name: abs(price) for place, price in _binding_groups(on, plan).items()}
