"""S-shaped curves between bounds, and the concave curve that lies closest above them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .curves import Floats, HillCurves
from .demand import above

_MOST_STEPS = 60
_HALVINGS = 60


@dataclass(frozen=True, eq=False)
class HillDemand:
    """Demand of the concave envelope: a straight line from the lower bound to where it touches the curve, and
    the curve from there on. touch: where that is. slope: of the line; infinite where there is none.

    At a price campaigns take either end of the line, or more: what lies between, where the line promises more
    than the curve holds, is taken only to make the total.
    """

    curves: HillCurves
    low: Floats
    high: Floats
    touch: Floats = field(init=False)
    slope: Floats = field(init=False)
    least_price: float = 0.0

    def __post_init__(self) -> None:
        touch = _touch(self.curves, self.low, self.high)
        has_line = touch > self.low
        rise = self.curves.revenue(touch) - self.curves.revenue(self.low)
        slope = np.divide(rise, touch - self.low, out=np.full(len(touch), np.inf), where=has_line)
        object.__setattr__(self, "touch", touch)
        object.__setattr__(self, "slope", slope)

    @property
    def jumps(self) -> Floats:
        return self.slope[np.isfinite(self.slope)]

    @property
    def most_price(self) -> float:
        return above(np.where(np.isfinite(self.slope), self.slope, self.curves.marginal(self.low)))

    def at(self, prices: Floats) -> tuple[Floats, Floats]:
        with np.errstate(all="ignore"):
            taken, steep = inverse_marginal(self.curves, prices, self.touch, self.high)
        stays = (prices >= self.slope) & (prices > 0)
        return np.where(stays, self.low, taken), np.where(stays, 0.0, steep)

    def worth(self, budgets: Floats) -> Floats:
        return self.curves.revenue(budgets)


@dataclass(frozen=True, eq=False)
class MovingHillDemand:
    """The same where each unit moved away from `now` costs: of all budgets that may be the best at a price,
    the one that is. Those are the lower bound, where the money is now, and the two, below and above that, at
    which the next unit brings price and cost.
    """

    curves: HillCurves
    low: Floats
    high: Floats
    now: Floats
    cost: Floats

    @property
    def jumps(self) -> Floats:
        return np.zeros(0)

    @property
    def least_price(self) -> float:
        return -float(self.cost.max())

    @property
    def most_price(self) -> float:
        """No line from the lower bound is steeper than the one that is drawn where moving is free."""
        return HillDemand(self.curves, self.low, self.high).most_price + float(self.cost.max())

    def at(self, prices: Floats) -> tuple[Floats, Floats]:
        here = np.clip(self.now, self.low, self.high)
        bend = inflection(self.curves)
        with np.errstate(all="ignore"):
            less, less_steep = inverse_marginal(
                self.curves, prices - self.cost, np.maximum(self.low, np.minimum(bend, here)), here
            )
            more, more_steep = inverse_marginal(
                self.curves, prices + self.cost, np.maximum(here, np.minimum(bend, self.high)), self.high
            )
        budgets, steep, worth = self.low, np.zeros(len(prices)), self.worth(self.low) - prices * self.low
        for other, its_steep in ((less, less_steep), (here, np.zeros(len(prices))), (more, more_steep)):
            its_worth = self.worth(other) - prices * other
            better = its_worth > worth
            budgets, steep = np.where(better, other, budgets), np.where(better, its_steep, steep)
            worth = np.where(better, its_worth, worth)
        return np.where(prices <= self.least_price, self.high, budgets), steep

    def worth(self, budgets: Floats) -> Floats:
        return self.curves.revenue(budgets) - self.cost * np.abs(budgets - self.now)


def inflection(curves: HillCurves) -> Floats:
    """From here on more money brings less and less: 0 for a shape up to 1."""
    shape = curves.shape
    return curves.half * (np.maximum(shape - 1, 0.0) / (shape + 1)) ** (1 / shape)


def inverse_marginal(curves: HillCurves, prices: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The budget between low and high at which the next unit brings the price, and -d budget / d price.

    low: at or above the inflection. In z = logit of the share of the most, the log of the marginal return is
    concave and falls; Newton from the right of its root never leaves that side.
    """
    shape, most = curves.shape, np.log(curves.a * curves.shape / curves.half)
    flat, fall = 1 - 1 / shape, 1 + 1 / shape
    wanted = np.log(np.clip(prices, curves.marginal(high), curves.marginal(low)))
    z = (most + np.maximum(-flat, 0.0) * np.log(2.0) - wanted) / fall
    z = np.minimum(np.where(shape < 1, np.maximum(z, 0.0), z), shape * np.log(high / curves.half))
    for _ in range(_MOST_STEPS):
        share = 1 / (1 + np.exp(-z))
        above = most - flat * np.logaddexp(0.0, -z) - fall * np.logaddexp(0.0, z) - wanted
        step = above / (fall * share - flat * (1 - share))
        z = z + np.where(np.isfinite(step), step, 0.0)
        if not (np.abs(step) > 1e-14 * (1 + np.abs(z))).any():
            break
    taken = np.minimum(np.maximum(curves.half * np.exp(z / shape), low), high)
    budgets = np.where(curves.a > 0, np.where(prices > 0, taken, high), np.where(prices > 0, low, high))
    share = curves.share(budgets)
    steep = budgets / (prices * shape * (fall * share - flat * (1 - share)))
    return budgets, np.where((budgets > low) & (budgets < high), steep, 0.0)


def _touch(curves: HillCurves, low: Floats, high: Floats) -> Floats:
    """Where the line from the lower bound touches the curve: its end, if that comes first."""
    bend = inflection(curves)
    touch = np.where(low >= bend, low, high)
    from_zero = (low == 0) & (low < bend)
    with np.errstate(invalid="ignore"):
        closed = curves.half * (curves.shape - 1) ** (1 / curves.shape)
    touch = np.where(from_zero, np.minimum(np.where(from_zero, closed, 0.0), high), touch)
    places = np.flatnonzero((low > 0) & (low < bend) & (bend < high))
    if len(places):
        some = HillCurves(curves.a[places], curves.half[places], curves.shape[places])
        touch[places] = _tangent(some, low[places], bend[places], high[places])
    return touch


def _tangent(curves: HillCurves, low: Floats, bend: Floats, high: Floats) -> Floats:
    """By halving: beyond the inflection, the tangent runs less and less above the point (low, f(low))."""
    base = curves.revenue(low)
    left, right = bend.copy(), high.copy()
    for _ in range(_HALVINGS):
        middle = (left + right) / 2
        is_over = curves.revenue(middle) - base >= curves.marginal(middle) * (middle - low)
        left, right = np.where(is_over, left, middle), np.where(is_over, middle, right)
    return right
