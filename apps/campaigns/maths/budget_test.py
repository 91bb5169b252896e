"""The micro-experiment: budgets moved a little up and down by lot, in blocks of days, and what that tells.

Chance alone decides which campaign is up and when, so that no demand, known or not, goes with the budgets:
the slopes it finds are free of the bias that history may have, if less precise. They free the history's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from .response.bias import RandomisedSlopes
from .response.doubt import doubt
from .response.panel import Flags, Floats
from .response.regression import regress

SIZE = 0.15
BLOCK_DAYS = 4
BLOCKS = 8
LEAST_BLOCKS = 4
LEAST_SIZE = 0.05  # smaller steps tell next to nothing
LEAST_REACH = 0.3  # of spend following the budget: below it the budget does not decide what is spent
LEAST_CAMPAIGNS = 3
LEVEL = 0.95


class Left(StrEnum):
    """Why a campaign takes no part."""

    NO_ROOM = "no_room"
    NO_BUDGET = "no_budget"


@dataclass(frozen=True, eq=False, kw_only=True)
class BudgetTest:
    """factors: (n, blocks) what budgets are multiplied by. budgets: (n, blocks * block_days) money of each
    day.

    sizes: (n,) of the steps, 0 where left out. left: why, None where it takes part.
    """

    factors: Floats
    budgets: Floats
    sizes: Floats
    block_days: int
    left: tuple[Left | None, ...]

    @property
    def days(self) -> int:
        return self.budgets.shape[1]


def design(
    budgets: ArrayLike,
    *,
    rng: np.random.Generator,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = np.inf,
    size: float = SIZE,
    blocks: int = BLOCKS,
    block_days: int = BLOCK_DAYS,
) -> BudgetTest:
    """Draw a test; the same rng state gives the same test.

    budgets: (n,) money a day now, >= 0; lower, upper: (n,) or one, what a budget may never leave. size: of a
    step, in (0, .5]. blocks: even, >= LEAST_BLOCKS. Steps shrink to fit between the limits; a campaign with
    room for less than LEAST_SIZE is left as it is. Raises ValueError for others.

    Each campaign is up by 1 + size in half of the blocks and down by 1 - size in the other half, so that over
    the whole test it gets exactly its budget. Pairs of campaigns of like budget mirror each other, so that
    the account's spend hardly moves on any day.
    Source: Fisher 1935, "The design of experiments" (blocks, lots).
    """
    money = np.asarray(budgets, dtype=np.float64)
    if money.ndim != 1 or not (np.isfinite(money) & (money >= 0)).all():
        raise ValueError(f"need one budget >= 0 of each campaign; got {money}")
    if not (0 < size <= 0.5 and blocks >= LEAST_BLOCKS and blocks % 2 == 0 and block_days >= 1):
        raise ValueError(f"need a size in (0, .5] and an even number of blocks; got {size}, {blocks}")
    room = np.minimum(np.asarray(upper) - money, money - np.asarray(lower))
    fits = np.divide(room, money, out=np.zeros_like(money), where=money > 0)
    sizes = np.where(np.minimum(fits, size) >= LEAST_SIZE, np.minimum(fits, size), 0.0)
    factors = 1 + sizes[:, None] * _signs(money, blocks, rng)
    left = [None if s else (Left.NO_ROOM if m else Left.NO_BUDGET) for s, m in zip(sizes, money, strict=True)]
    daily = np.repeat(money[:, None] * factors, block_days, axis=1)
    return BudgetTest(factors=factors, budgets=daily, sizes=sizes, block_days=block_days, left=tuple(left))


def _signs(money: Floats, blocks: int, rng: np.random.Generator) -> Floats:
    """(n, blocks) of 1 and -1; neighbours in size of budget mirror each other."""
    signs = np.empty((len(money), blocks))
    half = np.repeat([1.0, -1.0], blocks // 2)
    order = np.argsort(money, kind="stable")
    for first, second in zip(order[::2], order[1::2], strict=False):
        signs[first] = rng.permutation(half)
        signs[second] = -signs[first]
    if len(order) % 2:
        signs[order[-1]] = rng.permutation(half)
    return signs


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading:
    """slopes: of each campaign, for `fit_curves(tested=...)`. k, low, high: of all campaigns together, 95 %.

    reach: by what power spend followed the budgets. enough: False where `because` says what is lacking; then
    the slopes tell nothing.
    """

    slopes: RandomisedSlopes
    k: float
    low: float
    high: float
    reach: float
    enough: bool
    because: str


def read(test: BudgetTest, spend: ArrayLike, outcome: ArrayLike) -> Reading:
    """What the test says, from the days it ran.

    spend, outcome: (n, test.days) of the same days, NaN where unknown; a test cut short has NaN at its end.
    Raises ValueError for shapes that do not fit, or negative or infinite figures.

    Two quasi-Poisson regressions on the log of the factor drawn, with campaign and day effects: of the
    outcome, slope r, and of spend, slope s; k = r / s, the errors by the delta method. The draw, not the
    spend, is the
    regressor: what a platform over- or under-spends follows demand (an instrument, Wald 1940).
    """
    money, brought = np.asarray(spend, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if money.shape != test.budgets.shape or brought.shape != money.shape:
        raise ValueError(f"need {test.budgets.shape} days; got {money.shape} and {brought.shape}")
    counted = np.isfinite(money) & np.isfinite(brought) & (np.nan_to_num(money) > 0)
    if np.isinf(money).any() or np.isinf(brought).any() or (money < 0).any() or (brought < 0).any():
        raise ValueError("spend and outcome must be finite and >= 0, or NaN where unknown")
    money, brought = np.where(counted, money, 0.0), np.where(counted, brought, 0.0)
    ran = (test.sizes > 0) & (brought.sum(axis=1) > 0) & _has_both(test, counted)
    if ran.sum() < LEAST_CAMPAIGNS:
        return _nothing(
            len(money), f"{int(ran.sum())} campaigns ran with both budgets; it takes {LEAST_CAMPAIGNS}."
        )
    return _reading(test, money, brought, counted, ran)


def _has_both(test: BudgetTest, counted: Flags) -> Flags:
    """(n,) at least a block's days with the budget up, and as many with it down."""
    up = np.repeat(test.factors > 1, test.block_days, axis=1)
    fewest = np.minimum((counted & up).sum(axis=1), (counted & ~up).sum(axis=1))
    return np.asarray(fewest >= test.block_days)


def _reading(test: BudgetTest, spend: Floats, outcome: Floats, counted: Flags, ran: Flags) -> Reading:
    drawn = np.repeat(test.factors, test.block_days, axis=1)
    of_outcome, outcome_error = _slope(drawn[ran], outcome[ran], counted[ran])
    of_spend, spend_error = _slope(drawn[ran], spend[ran], counted[ran])
    weight = spend_error**-2.0
    reach = float((of_spend * weight).sum() / weight.sum())
    if reach < LEAST_REACH:
        return _nothing(
            len(spend), f"spend followed the budgets only by a power of {reach:.2f}.", reach=reach
        )
    slope, error = np.zeros(len(spend)), np.full(len(spend), np.inf)
    slope[ran] = of_outcome / reach
    error[ran] = np.hypot(outcome_error, slope[ran] / np.sqrt(weight.sum())) / reach
    precision = error[ran] ** -2.0
    k = float((slope[ran] * precision).sum() / precision.sum())
    half = float(ndtri(0.5 + LEVEL / 2) / np.sqrt(precision.sum()))
    return Reading(
        slopes=RandomisedSlopes(slope=slope, error=error),
        k=k,
        low=k - half,
        high=k + half,
        reach=reach,
        enough=True,
        because=f"{int(ran.sum())} campaigns, {int(counted[ran].any(axis=0).sum())} days.",
    )


def _slope(drawn: Floats, outcome: Floats, counted: Flags) -> tuple[Floats, Floats]:
    fitted = regress(np.where(counted, drawn, 1.0), outcome, counted)
    return fitted.slope, doubt(fitted, outcome, counted).slope_error


def _nothing(n: int, because: str, *, reach: float = float("nan")) -> Reading:
    return Reading(
        slopes=RandomisedSlopes(slope=np.zeros(n), error=np.full(n, np.inf)),
        k=float("nan"),
        low=float("nan"),
        high=float("nan"),
        reach=reach,
        enough=False,
        because=because,
    )
