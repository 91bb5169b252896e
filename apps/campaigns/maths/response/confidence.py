"""Does a change of budget pay? With what probability, and how much a day."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from .curves import LEAST_K, MOST_K, Curves
from .panel import Flags, Floats, Reason
from .shrink import Shrunk

POINTS = 512
NODES = 15
HIGHEST, HALVINGS = 3.0, 30


@dataclass(frozen=True, eq=False, kw_only=True)
class Payoff:
    """(n,) each. probability: that the change adds profit at all. gain, low, high: expected profit a day that
    it adds, and its 95 % interval. enough, reasons: as of the curves; where there is not enough, nothing is
    to be built on the figures.
    """

    probability: Floats
    gain: Floats
    low: Floats
    high: Floats
    enough: Flags
    reasons: tuple[Reason | None, ...]


def pays(curves: Curves, factor: ArrayLike, *, margin: float, spend: ArrayLike | None = None) -> Payoff:
    """Judge spend times `factor` against spend as it is.

    factor: one, or (n,), > 0. margin: profit before advertising of a unit of outcome, > 0. spend: (n,) money
    a day, > 0 where the campaign has a curve; the mean of the last four weeks by default.
    Raises ValueError for others. A factor of 1, or no spend, pays with probability 0 and gains 0.

    P(k log m > log(1 + (m - 1) / (margin ROAS))), ROAS = outcome / spend at the present spend, log-normal and
    integrated by Gauss and Hermite; where the logarithm has no argument above 0 (a cut of a campaign that
    does not earn what is cut), it pays whatever k is. Gains by a lattice of 512 points over (part, k, ROAS).
    """
    m = np.broadcast_to(np.asarray(factor, dtype=np.float64), curves.k.shape)
    money = curves.reference if spend is None else np.asarray(spend, dtype=np.float64)
    _check(m, money, curves, margin)
    live = curves.has_level & (money > 0) & (m != 1)
    m, money = np.where(live, m, 2.0), np.where(live, money, 1.0)
    earns = _Earnings.at(curves, money, margin)
    gain, low, high = earns.gain(m)
    return Payoff(
        probability=np.where(live, earns.probability(m), 0.0),
        gain=np.where(live, gain, 0.0),
        low=np.where(live, low, 0.0),
        high=np.where(live, high, 0.0),
        enough=curves.enough,
        reasons=curves.reasons,
    )


def _check(factor: Floats, spend: Floats, curves: Curves, margin: float) -> None:
    if not (np.isfinite(factor) & (factor > 0)).all():
        raise ValueError(f"factor must be finite and > 0; got {factor}")
    if spend.shape != curves.k.shape or not (np.isfinite(spend) & (spend >= 0)).all():
        raise ValueError(f"need a spend >= 0 of each of {len(curves.k)} campaigns; got {spend}")
    if not (np.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be finite and > 0; got {margin}")


@dataclass(frozen=True, eq=False)
class _Earnings:
    """Of each campaign, log profit before advertising = level + k * reach with error, at this spend."""

    level: Floats
    level_error: Floats
    reach: Floats
    belief: Shrunk
    spend: Floats

    @classmethod
    def at(cls, curves: Curves, spend: Floats, margin: float) -> _Earnings:
        return cls(
            level=curves.level + np.log(margin),
            level_error=np.hypot(curves.level_error, curves.demand_error),
            reach=np.log(spend) - curves.centre,
            belief=curves.belief,
            spend=spend,
        )

    def probability(self, m: Floats) -> Floats:
        """The level is integrated, and the k at which the change breaks even is solved for: what the present
        spend earns moves with k too, where it is not the spend at which the level is known.
        """
        nodes, weights = _hermite()
        even = _break_even(self.level + self.level_error * nodes[:, None], self.reach, m, self.spend)
        above = np.zeros(len(m))
        for chance, mean, error in zip(
            self.belief.chance, self.belief.means, self.belief.errors, strict=True
        ):
            above += chance * (weights @ ndtr((mean - even) / error))
        return np.where(m > 1, above, 1 - above)

    def gain(self, m: Floats) -> tuple[Floats, Floats, Floats]:
        lattice = _lattice()
        part = np.searchsorted(np.cumsum(self.belief.chance)[:-1], lattice[:, 0])
        drawn = self.belief.means[part] + self.belief.errors[part] * ndtri(lattice[:, 1:2])
        k = np.clip(drawn, LEAST_K, MOST_K)
        earned = np.exp(self.level + self.level_error * ndtri(lattice[:, 2:]) + k * self.reach)
        gains = np.sort(earned * np.expm1(k * np.log(m)) - self.spend * (m - 1), axis=0)
        edge = 0.025 * (POINTS - 1)
        low, high = (
            (1 - edge % 1) * gains[i] + (edge % 1) * gains[j]
            for i, j in ((int(edge), int(edge) + 1), (POINTS - 1 - int(edge), POINTS - 2 - int(edge)))
        )
        return gains.mean(axis=0), low, high


def _break_even(level: Floats, reach: Floats, m: Floats, spend: Floats) -> Floats:
    """The k at which exp(level + k reach) |m ** k - 1| = spend |m - 1|, by bisection in [0, HIGHEST].

    The left side rises with k while 1 / k > -reach, so for every k < 1 down to a third of the usual spend.
    """
    steepness, cost = np.abs(np.log(m)) * np.where(m > 1, 1.0, -1.0), np.log(spend * np.abs(m - 1))
    low, high = np.zeros(level.shape), np.full(level.shape, HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = level + middle * reach + np.log(np.abs(np.expm1(middle * steepness))) < cost
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return (low + high) / 2


@cache
def _hermite() -> tuple[Floats, Floats]:
    """Nodes and weights of a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()


@cache
def _lattice() -> Floats:
    """(POINTS, 3) in (0, 1): evenly spread, a Kronecker lattice of the powers of a root of x ** 4 = x + 1.

    Source: Roberts 2018, "The unreasonable effectiveness of quasirandom sequences".
    """
    root = 1.2207440846057596
    steps = np.arange(POINTS)[:, None] * root ** -np.array([1.0, 2.0, 3.0])
    return np.asarray((0.5 + steps) % 1.0)
