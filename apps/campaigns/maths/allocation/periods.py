"""Several periods as one question: each with its own curves, one total over all, and perhaps one for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .curves import Curves, Floats, HillCurves, PowerCurves
from .problem import Answer, Collision, Group, Problem
from .solve import allocate


@dataclass(frozen=True, eq=False)
class Period:
    """What is known of one period. problem.total: what it must spend; None leaves that to the plan."""

    name: str
    problem: Problem


@dataclass(frozen=True, eq=False, kw_only=True)
class PeriodsAnswer:
    """An answer for each period, with gap, price and collisions of the whole plan; and their sums."""

    answers: tuple[Answer, ...]
    total: float
    revenue: float
    marginal_return: float
    gap: float
    infeasible: tuple[Collision, ...] | None = None


def allocate_periods(periods: Sequence[Period], *, total: float | None = None) -> PeriodsAnswer:
    """The best budgets of all periods together.

    total: over all periods; None where each period has its own.
    Raises ValueError for no period, a total that is nowhere said, a period with a target, and curves of
    different kinds.
    """
    whole = _joined(periods, total)
    answer = allocate(whole)
    if answer.infeasible is not None:
        return PeriodsAnswer(
            answers=(),
            total=answer.total,
            revenue=answer.revenue,
            marginal_return=answer.marginal_return,
            gap=answer.gap,
            infeasible=answer.infeasible,
        )
    starts = np.cumsum([0, *(len(one.problem) for one in periods)]).tolist()
    parts = tuple(
        _part(answer, one, first, last) for one, first, last in zip(periods, starts, starts[1:], strict=False)
    )
    return PeriodsAnswer(
        answers=parts,
        total=answer.total,
        revenue=answer.revenue,
        marginal_return=answer.marginal_return,
        gap=answer.gap,
    )


def _joined(periods: Sequence[Period], total: float | None) -> Problem:
    if not periods:
        raise ValueError("there is no period to plan")
    problems = [one.problem for one in periods]
    for one in periods:
        if one.problem.target_revenue is not None or one.problem.target_roas is not None:
            raise ValueError(f"period {one.name} has a target; a plan over periods needs totals")
        if total is None and one.problem.total is None:
            raise ValueError(f"period {one.name} has no total; say it, or one over all periods")
    is_bound = any(one.now is not None for one in problems)
    return Problem(
        curves=_curves([one.curves for one in problems]),
        names=[f"{one.problem.name_of(i)} in {one.name}" for one in periods for i in range(len(one.problem))],
        total=sum(one.total or 0.0 for one in problems) if total is None else total,
        lower=np.concatenate([one.lowest for one in problems]),
        upper=np.concatenate([one.highest for one in problems]),
        groups=_groups(periods),
        current=_joint(problems, "now", 0.0) if is_bound else None,
        max_change=_joint(problems, "max_change", np.inf) if is_bound else None,
        locked=_joint(problems, "locked", 0.0) if is_bound else None,
        moving_cost=_joint(problems, "move_cost", 0.0) if is_bound else 0.0,
    )


def _joint(problems: Sequence[Problem], name: str, otherwise: float) -> Floats:
    """One after the other; a period that says nothing of it gets what binds nobody."""
    columns = [(len(one), getattr(one, name)) for one in problems]
    return np.concatenate(
        [
            np.full(size, otherwise) if given is None else np.asarray(given, np.float64)
            for size, given in columns
        ]
    )


def _curves(curves: Sequence[Curves]) -> Curves:
    if all(isinstance(one, PowerCurves) for one in curves):
        return PowerCurves(*(np.concatenate([getattr(one, name) for one in curves]) for name in ("a", "k")))
    if all(isinstance(one, HillCurves) for one in curves):
        return HillCurves(
            *(np.concatenate([getattr(one, name) for one in curves]) for name in ("a", "half", "shape"))
        )
    raise ValueError("all periods need curves of the same kind")


def _groups(periods: Sequence[Period]) -> list[Group]:
    """Each period with a total of its own is a group whose floor and cap are that."""
    groups, first = [], 0
    for one in periods:
        size, own = len(one.problem), one.problem.total
        if own is not None:
            groups.append(Group(one.name, range(first, first + size), floor=own, cap=own))
        for group in one.problem.groups:
            members = [first + member for member in group.members]
            groups.append(Group(f"{group.name} in {one.name}", members, group.floor, group.cap))
        first += size
    return groups


def _part(answer: Answer, period: Period, first: int, last: int) -> Answer:
    part = slice(first, last)
    within = f" in {period.name}"
    prices = {
        name.removesuffix(within): price
        for name, price in answer.group_prices.items()
        if name == period.name or name.endswith(within)
    }
    return replace(
        answer,
        names=period.problem.names,
        budgets=answer.budgets[part],
        revenues=answer.revenues[part],
        marginal_returns=answer.marginal_returns[part],
        total=float(answer.budgets[part].sum()),
        revenue=float(answer.revenues[part].sum()),
        moving=_moving(period.problem, answer.budgets[part]),
        binds=answer.binds[part],
        bound_prices=answer.bound_prices[part],
        group_prices=prices,
    )


def _moving(problem: Problem, budgets: Floats) -> float:
    if problem.move_cost is None or problem.now is None:
        return 0.0
    return float((problem.move_cost * np.abs(budgets - problem.now)).sum())
