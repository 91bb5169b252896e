"""What each move of a plan is worth, when money that goes to one campaign is taken from another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Moves:
    """(n,) each. gain, low, high: profit of the move together with its part of the moves on the other side,
    expected and at 95 %. probability: that this is above 0. price: profit that a unit of money brings on the
    other side, expected; 1 for money that is new or saved.
    """

    gain: Floats
    low: Floats
    high: Floats
    probability: Floats
    price: Floats


def moves(earned: ArrayLike, steps: ArrayLike, *, margin: float) -> Moves:
    """Judge the moves of a plan by draws of what they earn.

    earned: (draws, n), revenue that each campaign's step adds (negative where it falls). steps: (n,) money
    added to each, negative where taken away. margin: profit before advertising per unit of revenue, (0, 1].

    Risen and fallen campaigns finance each other in proportion to their steps; what one side has over is new
    money, or money saved, and counts as itself. A campaign without a step has a gain of 0 and probability 0.
    Raises ValueError for shapes that do not fit, numbers that are none, or another margin.
    """
    gains, moved = np.asarray(earned, dtype=np.float64), np.asarray(steps, dtype=np.float64)
    if gains.ndim != 2 or gains.shape[1:] != moved.shape or not len(gains):
        raise ValueError(f"earned needs shape (draws, n) and steps (n,); got {gains.shape}, {moved.shape}")
    if not (np.isfinite(gains).all() and np.isfinite(moved).all()) or not 0 < margin <= 1:
        raise ValueError("earned and steps must be finite, and the margin in (0, 1]")
    up, down = moved > 0, moved < 0
    risen, fallen = float(moved[up].sum()), float(-moved[down].sum())
    shared = min(risen, fallen)
    price_up = _price(-gains[:, down].sum(axis=1), fallen, shared, risen, margin)
    price_down = _price(gains[:, up].sum(axis=1), risen, shared, fallen, margin)
    price = np.where(up, price_up[:, None], np.where(down, price_down[:, None], 1.0))
    profit = np.where(moved != 0, margin * gains - moved * price, 0.0)
    low, high = np.quantile(profit, [0.025, 0.975], axis=0)
    return Moves(
        gain=profit.mean(axis=0),
        low=low,
        high=high,
        probability=(profit > 0).mean(axis=0),
        price=price.mean(axis=0),
    )


def _price(earned: Floats, side: float, shared: float, mine: float, margin: float) -> Floats:
    """(draws,) what a unit of my side's money brings on the other: its average there for the part that is
    shared, and itself for the rest.
    """
    if not mine or not side:
        return np.ones(len(earned))
    return np.asarray((margin * earned / side * shared + (mine - shared)) / mine)
