"""The bounds of each campaign, from all that bounds it, and what collides there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .curves import Floats
from .problem import Collision, Problem

_MOST_NAMED = 20  # campaigns of one kind of collision; the last one told says how many more there are
SLACK = 1e-12  # relative: sums of bounds that miss each other by less are rounding


@dataclass(frozen=True, eq=False)
class Limits:
    """low <= budget <= high for each campaign; high may be infinite."""

    low: Floats
    high: Floats


def limits(problem: Problem) -> tuple[Limits, tuple[Collision, ...]]:
    """The bounds, and the campaigns on which no budget obeys all of them; there the bounds cross."""
    low, high = problem.lowest, problem.highest
    if problem.now is not None and problem.max_change is not None:
        floor, ceiling = change_range(problem.now, problem.max_change)
        low, high = np.maximum(low, floor), np.minimum(high, ceiling)
    if problem.now is not None and problem.locked is not None:
        # A lock does away with the largest change, and collides with a minimum or maximum that excludes it.
        low = np.where(problem.locked, np.maximum(problem.lowest, problem.now), low)
        high = np.where(problem.locked, np.minimum(problem.highest, problem.now), high)
    crossed = low > high
    collisions = _collisions(problem, low, high, crossed) if crossed.any() else ()
    return Limits(low, high), collisions


def change_range(now: Floats, max_change: ArrayLike) -> tuple[Floats, Floats]:
    """How far the largest change lets each campaign fall and rise; an infinite one lets it do anything."""
    change = np.asarray(max_change, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        reach = np.where(np.isinf(change), np.inf, change * now)
    return np.maximum(now - reach, 0.0), now + reach


def _collisions(
    problem: Problem, low: Floats, high: Floats, crossed: NDArray[np.bool_]
) -> tuple[Collision, ...]:
    places = np.flatnonzero(crossed)
    told = [_collision(problem, place, low[place], high[place]) for place in places[:_MOST_NAMED].tolist()]
    if len(places) > _MOST_NAMED:
        rest = places[_MOST_NAMED:]
        amount = float((low[rest] - high[rest]).sum())
        told.append(
            Collision(
                (f"minima and maxima of {len(rest):,} more campaigns",),
                amount,
                f"Each has to give way like the ones before, by {amount:,.2f} together.",
            )
        )
    return tuple(told)


def _collision(problem: Problem, place: int, low: float, high: float) -> Collision:
    """Which bound is in force on either side, and the one that had better give way."""
    name, least, most = problem.name_of(place), float(problem.lowest[place]), float(problem.highest[place])
    by = float(low - high)
    if least > most:
        sides = (f"the minimum of {name} ({least:,.2f})", f"its maximum ({most:,.2f})")
        return Collision(sides, by, f"Lower the minimum to {most:,.2f} or raise the maximum to {least:,.2f}.")
    now = 0.0 if problem.now is None else float(problem.now[place])
    if problem.locked is not None and np.asarray(problem.locked)[place]:
        bound, value = ("minimum", least) if least > now else ("maximum", most)
        sides = (f"the lock of {name} at {now:,.2f}", f"its {bound} ({value:,.2f})")
        return Collision(sides, by, f"Unlock it, or set its {bound} to {now:,.2f}.")
    bound, value, end = ("minimum", least, high) if least > high else ("maximum", most, low)
    sides = (
        f"the {bound} of {name} ({value:,.2f})",
        f"its largest change, from {now:,.2f} to {end:,.2f} at the most",
    )
    remedy = f"set its {bound} to {end:,.2f}"
    if now > 0:
        return Collision(sides, by, f"Allow a change of {abs(value / now - 1):.2%}, or {remedy}.")
    return Collision(sides, by, f"Give it something to start from now, or {remedy}.")
