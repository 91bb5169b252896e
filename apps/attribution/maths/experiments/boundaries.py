"""How far a statistic must go at each of several looks, by recursive integration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from .arms import Floats
from .panels import legendre
from .roots import root
from .spending import Spending, spent

CLOSEST_LOOKS = 0.001
REACH = 13.0
PANEL_STEPS = 8.0
FARTHEST = 38.0


class LookTooSoon(ValueError):
    """Less than a thousandth of the horizon has been added since the last look."""


@lru_cache(maxsize=4096)
def boundaries(fractions: tuple[float, ...], *, alpha: float, spending: Spending) -> tuple[float, ...]:
    """Two-sided bounds on the z statistic, one a look.

    fractions: part of the horizon seen at each look, increasing, the last at most 1; alpha in (0, 1).
    A bound is infinite where less than 1e-300 may be spent. Under no difference the statistic passes a bound
    by look k with the probability spent(t_k), and never with 1 - alpha where the last fraction is 1.
    Raises LookTooSoon, or ValueError for fractions outside (0, 1] or alpha outside (0, 1).

    The sum S_k = z_k sqrt(t_k) walks with independent normal steps of variance t_k - t_(k-1); the density of
    walks not yet stopped is carried from look to look on Gauss-Legendre panels.
    Source: Armitage, McPherson, Rowe 1969, "Repeated significance tests on accumulating data"; Jennison,
    Turnbull 2000, chapter 19.
    """
    _check(fractions, alpha)
    walk, bounds, before = _Walk.start(), [], 0.0
    for fraction in fractions:
        total = spent(fraction, alpha=alpha, spending=spending)
        bounds.append(_bound(walk, fraction, total - before))
        walk, before = walk.step(fraction, bounds[-1]), total
    return tuple(bounds)


def crossing_chances(fractions: Sequence[float], bounds: Sequence[float], *, drift: float = 0.0) -> Floats:
    """Probability to pass the bound first at each look; drift: expected z at the horizon. (n_looks,)."""
    walk, chances = _Walk.start(), []
    for fraction, bound in zip(fractions, bounds, strict=True):
        chances.append(walk.crossing(fraction, bound, drift=drift))
        walk = walk.step(fraction, bound, drift=drift)
    return np.array(chances)


def inflation(looks: int, *, alpha: float, power: float, spending: Spending) -> float:
    """How many times the units of a test looked at once are needed for the same power with even looks."""
    fractions = tuple((np.arange(1, looks + 1) / looks).tolist())
    bounds = boundaries(fractions, alpha=alpha, spending=spending)

    def short(drift: float) -> float:
        return float(crossing_chances(fractions, bounds, drift=drift).sum()) - power

    once = float(ndtri(1 - alpha / 2) + ndtri(power))
    return (root(short, once * 0.5, once * 2.0) / once) ** 2


@dataclass(frozen=True, eq=False)
class _Walk:
    """Walks not stopped by `time`: where they are, and how much probability stands at each point."""

    time: float
    points: Floats
    mass: Floats

    @classmethod
    def start(cls) -> _Walk:
        return cls(0.0, np.zeros(1), np.ones(1))

    def crossing(self, time: float, bound: float, *, drift: float = 0.0) -> float:
        if math.isinf(bound):
            return 0.0
        ahead, edge = time - self.time, bound * math.sqrt(time)
        here, step = self.points + drift * ahead, math.sqrt(ahead)
        return float((self.mass * (ndtr((-edge - here) / step) + ndtr((here - edge) / step))).sum())

    def step(self, time: float, bound: float, *, drift: float = 0.0) -> _Walk:
        ahead, edge = time - self.time, min(bound, FARTHEST) * math.sqrt(time)
        reach = REACH * math.sqrt(time)
        low, high = max(-edge, drift * time - reach), min(edge, drift * time + reach)
        panels = max(1, math.ceil((high - low) / (PANEL_STEPS * math.sqrt(ahead))))
        points, weights = legendre(np.linspace(low, high, panels + 1))
        steps = (points[:, None] - self.points[None, :] - drift * ahead) / math.sqrt(ahead)
        density = np.exp(-0.5 * steps * steps) @ self.mass / math.sqrt(2 * math.pi * ahead)
        return _Walk(time, points, density * weights)


def _bound(walk: _Walk, fraction: float, to_spend: float) -> float:
    if to_spend < 1e-300:
        return math.inf
    if walk.time == 0:
        return -float(ndtri(to_spend / 2))
    aim = math.log(to_spend)

    def over(bound: float) -> float:
        return math.log(max(walk.crossing(fraction, bound), 1e-320)) - aim

    if over(0.0) <= 0:
        return 0.0
    return root(over, 0.0, FARTHEST, within=1e-12) if over(FARTHEST) < 0 else FARTHEST


def _check(fractions: tuple[float, ...], alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1); got {alpha}")
    if not fractions or not all(0 < fraction <= 1 for fraction in fractions):
        raise ValueError(f"fractions must be in (0, 1], at least one; got {fractions}")
    if min(np.diff(fractions, prepend=0.0)) < CLOSEST_LOOKS * (1 - 1e-9):
        raise LookTooSoon(f"looks must be {CLOSEST_LOOKS:.1%} of the horizon apart; got {fractions}")
