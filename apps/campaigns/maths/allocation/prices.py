"""Many prices at once, each such that just as much is spent as there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .curves import Floats

Spending = Callable[[Floats], tuple[Floats, Floats]]
_MOST_STEPS = 300
_HALVE_EACH = 8  # steps: Newton alone can creep up on a corner from one side
_CLOSE, _BEYOND = 1e-15, 2e-15  # relative
_NEAR = 64  # floats


@dataclass(frozen=True, eq=False)
class Ends:
    """Prices (m,) next to each other between which the spending passes the target, or the same price twice.

    part: how far from the cheap end to the dear one it does: where a price brings campaigns to jump, that
    part of the jump is made.
    """

    cheap: Floats
    dear: Floats
    part: Floats


def find(
    spending: Spending, target: Floats, *, within: tuple[float, float], guess: Floats, jumps: Floats
) -> Ends:
    """spending: of prices (m,), to what is spent (m,), which falls as they rise, and -d spent / d price.

    target: (m,) >= 0, between what is spent at the two prices `within`. guess: (m,) where to begin. jumps:
    prices at which campaigns take much all at once; they are tried first, by halving.
    Then Newton on logarithms inside the bracket, which is halved between the floats themselves where it does
    not help, so that 64 halvings reach two neighbours from any scale.
    """
    cheap, dear = np.full(len(target), within[0]), np.full(len(target), within[1])
    steps = np.unique(np.concatenate([np.nextafter(jumps, -np.inf), jumps]))
    price, done = np.clip(guess, *within), np.zeros(len(target), dtype=np.bool_)
    for step in range(_MOST_STEPS):
        spent, steep = spending(price)
        hit = np.abs(spent - target) <= _CLOSE * target
        cheap = np.where(~done & (hit | (spent > target)), price, cheap)
        dear = np.where(~done & (hit | (spent <= target)), price, dear)
        done |= hit
        middle = _between(cheap, dear)
        done |= (middle <= cheap) | (middle >= dear)
        if done.all():
            break
        jump, is_jump = _jump(steps, cheap, dear)
        newton = _newton(price, spent, steep, target)
        inside = (newton > cheap) & (newton < dear) & (step % _HALVE_EACH != _HALVE_EACH - 1)
        inside &= ~_are_near(cheap, dear)
        price = np.where(done, price, np.where(is_jump, jump, np.where(inside, newton, middle)))
    return Ends(cheap, dear, _part(spending, target, cheap, dear))


def _newton(price: Floats, spent: Floats, steep: Floats, target: Floats) -> Floats:
    """A hair beyond, so that the bracket closes from both sides."""
    with np.errstate(all="ignore"):
        step = np.log(spent / target) * spent / (price * steep)
        there = price * np.exp(np.clip(step, -50, 50))
        return np.where((price > 0) & (steep > 0), there * (1 + np.copysign(_BEYOND, step)), np.nan)


def _jump(steps: Floats, cheap: Floats, dear: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The middle one of the jumps inside the bracket, where there is one."""
    if not len(steps):
        return cheap, np.zeros(len(cheap), dtype=np.bool_)
    first, last = np.searchsorted(steps, cheap, side="right"), np.searchsorted(steps, dear, side="left")
    return steps[np.minimum((first + last) // 2, len(steps) - 1)], first < last


def _part(spending: Spending, target: Floats, cheap: Floats, dear: Floats) -> Floats:
    most, least = spending(cheap)[0], spending(dear)[0]
    fall = most - least
    part = np.divide(most - target, fall, out=np.zeros_like(fall), where=fall > 0)
    return np.clip(part, 0.0, 1.0)


def _between(left: Floats, right: Floats) -> Floats:
    """Halfway in the order of the floats: as many lie on either side."""
    return _float_of(_place_of(left) // 2 + _place_of(right) // 2)


def _are_near(left: Floats, right: Floats) -> NDArray[np.bool_]:
    return _place_of(right) // 2 - _place_of(left) // 2 < _NEAR // 2


def _place_of(numbers: Floats) -> NDArray[np.int64]:
    bits = (numbers + 0.0).view(np.int64)
    return np.where(bits < 0, np.iinfo(np.int64).min - bits, bits)


def _float_of(places: NDArray[np.int64]) -> Floats:
    bits = np.where(places < 0, np.iinfo(np.int64).min - places, places)
    return bits.view(np.float64)
