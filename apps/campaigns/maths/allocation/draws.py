"""Many curves for the same campaigns, as a posterior gives them: the best budgets under each, all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import rows
from .curves import FALLBACK_EXPONENT, Floats, PowerCurves
from .ground import ground
from .problem import Problem
from .spread import spread


@dataclass(frozen=True, eq=False)
class DrawnPlans:
    """Row d belongs to draw d: budgets (D, n), revenue (D,) and the price of its total (D,)."""

    budgets: Floats
    revenue: Floats
    marginal_return: Floats


def allocate_draws(
    a: ArrayLike,
    k: ArrayLike = FALLBACK_EXPONENT,
    *,
    total: float,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = np.inf,
) -> DrawnPlans:
    """The best budgets of power curves a (D, n), k (D, n) or broadcast to it, under the same bounds (n,).

    Raises ValueError for curves and bounds as Problem does, and where no budgets obey bounds and total.
    """
    heights = np.asarray(a, dtype=np.float64)
    if heights.ndim != 2 or not heights.size:
        raise ValueError(f"a needs shape (draws, campaigns), at least one of each; got {heights.shape}")
    bends = np.ascontiguousarray(np.broadcast_to(np.asarray(k, dtype=np.float64), heights.shape))
    PowerCurves(heights.ravel(), bends.ravel())
    first = Problem(curves=PowerCurves(heights[0], bends[0]), total=total, lower=lower, upper=upper)
    low, high = first.lowest, first.highest
    if (low > high).any() or not low.sum() <= total <= high.sum():
        raise ValueError("no budgets obey these bounds and this total; allocate says which collide")
    budgets, prices, settled = rows.solve(heights, bends, low, high, np.full(len(heights), float(total)))
    for row in np.flatnonzero(~settled).tolist():
        problem = Problem(curves=PowerCurves(heights[row], bends[row]), total=total, lower=low, upper=high)
        plan = spread(ground(problem), total)
        budgets[row], prices[row] = plan.budgets, plan.price
    return DrawnPlans(budgets, (heights * budgets**bends).sum(axis=1), prices)
