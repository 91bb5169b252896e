"""The question and the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .curves import FALLBACK_EXPONENT, Curves, Floats, HillCurves, PowerCurves, check, column

__all__ = [
    "FALLBACK_EXPONENT",
    "Answer",
    "Collision",
    "Curves",
    "Floats",
    "Group",
    "HillCurves",
    "PowerCurves",
    "Problem",
]


@dataclass(frozen=True)
class Group:
    """Campaigns that together get at least a floor and at most a cap: a channel, a platform.

    members: places of the campaigns, from 0. Groups of one problem are apart from each other or one in the
    other; anything else is refused by Problem.
    """

    name: str
    members: Sequence[int]
    floor: float | None = None
    cap: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Maximise revenue, less the cost of moving money, over budgets that obey everything said here.

    One of these says how much money there is; only as a part of a longer plan (periods) may all be missing:
    total: to be spent to the last penny, >= 0.
    target_revenue: the least total that earns this is asked for; > 0.
    target_roas: the largest total is asked for that still earns this much for each unit of money; > 0.

    lower, upper: (n,) or one number; 0 <= lower, upper may be infinite. Where they cross, the answer says so.
    current: (n,) what each campaign gets now, >= 0. max_change: (n,) or one number, the fraction of `current`
        by which a budget may rise or fall (.2 is 20 %); what gets nothing now stays without.
    locked: (n,) true where `current` must stay.
    groups: floors and caps of channels and platforms.
    moving_cost: (n,) or one number, >= 0: what moving one unit of money to or from a campaign costs, in units
        of revenue; a move that does not earn it is not made (the no-trade zone around `current`).

    Raises ValueError for whatever is no number, negative, of another length, or not said (a lock without
    `current`), naming the campaign.
    """

    curves: Curves
    names: Sequence[str] | None = None
    total: float | None = None
    target_revenue: float | None = None
    target_roas: float | None = None
    lower: ArrayLike = 0.0
    upper: ArrayLike = math.inf
    current: ArrayLike | None = None
    max_change: ArrayLike | None = None
    locked: ArrayLike | None = None
    groups: Sequence[Group] = ()
    moving_cost: ArrayLike = 0.0
    # The same, checked and spread over the campaigns.
    lowest: Floats = field(init=False, repr=False)
    highest: Floats = field(init=False, repr=False)
    now: Floats | None = field(init=False, repr=False)
    move_cost: Floats | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_goal(self)
        length = len(self.curves)
        if self.names is not None and len(self.names) != length:
            raise ValueError(
                f"names needs one name for each of {length:,} campaigns; got {len(self.names):,}"
            )
        lowest, highest = column(self.lower, "lower", length), column(self.upper, "upper", length)
        check(lowest, "lower", least=0.0)
        check(highest, "upper", least=0.0, is_finite=False)
        for name, value in (
            ("lowest", lowest),
            ("highest", highest),
            ("now", _now(self, length)),
            ("move_cost", _move_cost(self, length)),
        ):
            object.__setattr__(self, name, value)
        _check_changes(self, length)

    def __len__(self) -> int:
        return len(self.curves)

    def name_of(self, place: int) -> str:
        return self.names[place] if self.names is not None else f"campaigns[{place}]"


@dataclass(frozen=True)
class Collision:
    """Constraints that cannot all hold, and the least change that lets them.

    amount: how much money they miss each other by.
    """

    constraints: tuple[str, ...]
    amount: float
    least_change: str

    def __str__(self) -> str:
        return f"{' and '.join(self.constraints)} collide. {self.least_change}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """The best budgets, and why they are the best; or why there are none, and then nothing else.

    budgets, revenues, marginal_returns: (n,); the latter is what one more unit would bring in each campaign,
        infinite at a budget of 0.
    total, revenue: their sums. moving: what the moves cost, which is not taken off the revenue.
    marginal_return: the shadow price of the total: what one more unit would bring as a whole.
    gap: no budgets that obey the constraints bring more than this fraction of the revenue on top.
    binds: for each campaign "nothing", "minimum", "maximum", "largest change up", "largest change down",
        "locked", "cap of ...", "floor of ..." or "not worth moving".
    bound_prices: (n,) what moving the campaign's binding bound by one unit would bring, 0 where none binds.
    group_prices: the same for each group that binds.
    infeasible: the constraints that collide; None where there is an answer.
    """

    names: Sequence[str] | None
    budgets: Floats
    revenues: Floats
    marginal_returns: Floats
    total: float
    revenue: float
    moving: float
    marginal_return: float
    gap: float
    binds: tuple[str, ...]
    bound_prices: Floats
    group_prices: dict[str, float]
    infeasible: tuple[Collision, ...] | None = None


def _check_goal(problem: Problem) -> None:
    goals = {
        name: value
        for name in ("total", "target_revenue", "target_roas")
        if (value := getattr(problem, name)) is not None
    }
    if len(goals) > 1:
        raise ValueError(f"say only one of total, target_revenue and target_roas; got {', '.join(goals)}")
    for name, value in goals.items():
        if not (0 <= value < math.inf) or (value == 0 and name != "total"):
            least = "at least 0" if name == "total" else "above 0"
            raise ValueError(f"{name} must be a finite number {least}; got {value:g}")


def _now(problem: Problem, length: int) -> Floats | None:
    if problem.current is None:
        return None
    now = column(problem.current, "current", length)
    check(now, "current", least=0.0)
    return now


def _move_cost(problem: Problem, length: int) -> Floats | None:
    """None where moving is free."""
    if isinstance(problem.moving_cost, float) and problem.moving_cost == 0:
        return None
    costs = column(problem.moving_cost, "moving_cost", length)
    check(costs, "moving_cost", least=0.0)
    return costs if costs.any() else None


def _check_changes(problem: Problem, length: int) -> None:
    """The largest change and the lock, spread over the campaigns; nothing of it without `current`."""
    if problem.max_change is not None:
        change = column(problem.max_change, "max_change", length)
        check(change, "max_change", least=0.0, is_finite=False)
        object.__setattr__(problem, "max_change", change)
    if problem.locked is not None:
        locked: NDArray[np.bool_] = np.asarray(problem.locked, dtype=np.bool_)
        if locked.shape != (length,):
            raise ValueError(f"locked needs one flag for each of {length:,} campaigns; got {locked.shape}")
        object.__setattr__(problem, "locked", locked)
    if problem.now is None:
        for name in ("max_change", "locked", "move_cost"):
            if getattr(problem, name) is not None:
                said = "moving_cost" if name == "move_cost" else name
                raise ValueError(f"{said} needs current: what each campaign gets now")
