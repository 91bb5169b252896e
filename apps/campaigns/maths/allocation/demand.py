"""How much money campaigns take at a price: the budget at which the next unit brings just that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .curves import Floats, PowerCurves

HIGHEST = 1e300
_HAIR, _SMALLEST = 1e-9, 1e-300


class Demand(Protocol):
    """Campaigns that earn a concave revenue between bounds; both finite."""

    @property
    def low(self) -> Floats: ...

    @property
    def high(self) -> Floats: ...

    @property
    def jumps(self) -> Floats:
        """Prices at which a campaign takes much more all at once."""

    @property
    def least_price(self) -> float:
        """At this price everything takes all it can."""

    @property
    def most_price(self) -> float:
        """At this price everything takes the least it can; as good as infinite where no price does that."""

    def at(self, prices: Floats) -> tuple[Floats, Floats]:
        """Budgets at prices (n,) of any sign, falling as they rise; and how fast: -d budget / d price."""

    def worth(self, budgets: Floats) -> Floats:
        """(n,) what these budgets bring."""


@dataclass(frozen=True, eq=False)
class PowerDemand:
    """Power curves: b = (a k / price) ** (1 / (1 - k)) between the bounds; all there is at a price of 0."""

    curves: PowerCurves
    low: Floats
    high: Floats
    start: Floats = field(init=False)
    bend: Floats = field(init=False)
    least_price: float = 0.0

    def __post_init__(self) -> None:
        with np.errstate(divide="ignore"):
            object.__setattr__(self, "start", np.log(self.curves.a) + np.log(self.curves.k))
        object.__setattr__(self, "bend", 1 / (1 - self.curves.k))

    @property
    def jumps(self) -> Floats:
        return np.zeros(0)

    @property
    def most_price(self) -> float:
        return above(self.curves.marginal(self.low))

    def at(self, prices: Floats) -> tuple[Floats, Floats]:
        with np.errstate(all="ignore"):
            taken = np.exp((self.start - np.log(prices)) * self.bend)
            taken = np.where(prices > 0, taken, np.inf)
            budgets = np.minimum(np.maximum(taken, self.low), self.high)
            steep = np.where(budgets == taken, self.bend * budgets / prices, 0.0)
        return budgets, steep

    def worth(self, budgets: Floats) -> Floats:
        return self.curves.revenue(budgets)


@dataclass(frozen=True, eq=False)
class MovingDemand:
    """The same where each unit moved away from `now` costs: more is taken only where it earns price and cost,
    less only where it earns less than the price without the cost, and in between nothing moves.
    """

    inner: PowerDemand
    now: Floats
    cost: Floats

    @property
    def low(self) -> Floats:
        return self.inner.low

    @property
    def high(self) -> Floats:
        return self.inner.high

    @property
    def jumps(self) -> Floats:
        return self.inner.jumps

    @property
    def least_price(self) -> float:
        return self.inner.least_price - float(self.cost.max())

    @property
    def most_price(self) -> float:
        return self.inner.most_price + float(self.cost.max())

    def at(self, prices: Floats) -> tuple[Floats, Floats]:
        more, more_steep = self.inner.at(prices + self.cost)
        less, less_steep = self.inner.at(prices - self.cost)
        budgets = np.maximum(more, np.minimum(self.now, less))
        steep = np.where(budgets == more, more_steep, np.where(budgets == less, less_steep, 0.0))
        return budgets, steep

    def worth(self, budgets: Floats) -> Floats:
        return self.inner.worth(budgets) - self.cost * np.abs(budgets - self.now)


def above(prices: Floats) -> float:
    """A price that no campaign pays: a hair above all of these, and finite."""
    return min(float(prices.max()) * (1 + _HAIR), HIGHEST) + _SMALLEST
