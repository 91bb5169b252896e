"""The best budgets by the curves that are believed, and how sure each of its moves is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .allocation.problem import Answer, Group, PowerCurves, Problem
from .allocation.solve import allocate
from .moves import Moves, moves
from .response.curves import Curves
from .response.panel import Floats

DRAWS = 1_000


@dataclass(frozen=True, eq=False, kw_only=True)
class BudgetPlan:
    """Of the campaigns that may move, (n,) each. places: their rows among the curves. now, planned: money a
    day; planned is now where no budgets obey the limits (answer.infeasible). gains: (draws,) profit a day of
    the whole plan.
    """

    places: Sequence[int]
    now: Floats
    planned: Floats
    answer: Answer
    revenue_now: float
    moves: Moves
    gains: Floats


def plan(
    curves: Curves,
    places: Sequence[int],
    now: ArrayLike,
    *,
    margin: float,
    max_change: float,
    rng: np.random.Generator,
    total: float | None = None,
    ceiling: float = math.inf,
    upper: ArrayLike = math.inf,
    groups: Sequence[Group] = (),
    names: Sequence[str] | None = None,
    draws: int = DRAWS,
) -> BudgetPlan:
    """Spread money over some campaigns of an account.

    places: rows of the campaigns that may move, at least one. now: (n,) what each gets, > 0. margin: profit
    before advertising per unit of revenue, (0, 1]. max_change: fraction of `now`. total: money to be spread,
    of which one step goes as far as it may; None for as much as pays: until the next unit earns just itself,
    within the largest change. ceiling: the most in all. upper, groups: as Problem has them, groups apart from
    each other and without floors. Raises ValueError for what Problem refuses.
    """
    money, rows = np.asarray(now, dtype=np.float64), list(places)
    a, k = curves.a[rows], curves.k[rows]
    lowest, highest = money * (1 - max_change), np.minimum(money * (1 + max_change), upper)
    best = np.clip((margin * a * k) ** (1 / (1 - k)), lowest, highest)
    wanted = _most(best, groups) if total is None else total
    answer = allocate(
        Problem(
            curves=PowerCurves(a, k),
            names=names,
            total=float(np.clip(wanted, lowest.sum(), min(_most(highest, groups), ceiling))),
            current=money,
            max_change=max_change,
            upper=upper,
            groups=groups,
        )
    )
    planned = money if answer.infeasible else answer.budgets
    drawn_a, drawn_k = (drawn[:, rows] for drawn in curves.draws(rng, draws))
    earned = drawn_a * (planned**drawn_k - money**drawn_k)
    return BudgetPlan(
        places=rows,
        now=money,
        planned=planned,
        answer=answer,
        revenue_now=float((a * money**k).sum()),
        moves=moves(earned, planned - money, margin=margin),
        gains=margin * earned.sum(axis=1) - float(planned.sum() - money.sum()),
    )


def _most(budgets: Floats, groups: Sequence[Group]) -> float:
    """The sum of the budgets, with each group held to its cap.

    Of each one's own best budgets this is the best total: where no cap holds, the next unit earns itself.
    """
    over = [
        float(budgets[list(one.members)].sum()) - (math.inf if one.cap is None else one.cap) for one in groups
    ]
    return float(budgets.sum()) - sum(max(0.0, one) for one in over)
