"""What journeys look like: their paths, how they flow, how long they take. All of it from counted paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .aggregation import channel_sets, unique_paths
from .journeys import Floats, Ints, Journeys
from .transforms import exposure

# Upper ends of the bins, each inclusive; the last bin is open.
TOUCH_BINS = (1, 2, 3, 4, 5, 7, 10, 20)
DAY_BINS = (1, 2, 4, 7, 14, 30, 60, 90)


@dataclass(frozen=True, eq=False, kw_only=True)
class Paths:
    """The paths that earned most. codes: one tuple of channel codes a path, repeats in a row told once.

    journeys, conversions, value: (n,) each.
    """

    codes: tuple[tuple[int, ...], ...]
    journeys: Floats
    conversions: Floats
    value: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Flow:
    """Journeys by (first, middle, last) channel code and outcome. middle is -1 where nothing lies between.

    steps: (n, 3); converted, missed: (n,).
    """

    steps: NDArray[np.int32]
    converted: Floats
    missed: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Spread:
    """How a number is spread over conversions. counts: (n_bins + 1,), the last bin is open. median, mean:
    None if empty.
    """

    bins: tuple[int, ...]
    counts: Floats
    median: float | None
    mean: float | None


def top_paths(journeys: Journeys, *, most: int) -> Paths:
    """The `most` paths with the highest value, then conversions, then journeys; journeys without a touch are
    left out.
    """
    found = unique_paths(exposure(journeys.touched)).journeys
    total = found.conversions + found.nulls
    best = np.lexsort((-total, -found.conversions, -found.value))[:most]
    starts, ends = found.offsets[best], found.offsets[best + 1]
    return Paths(
        codes=tuple(tuple(found.codes[a:b].tolist()) for a, b in zip(starts, ends, strict=True)),
        journeys=total[best],
        conversions=found.conversions[best],
        value=found.value[best],
    )


def flow(journeys: Journeys, *, pool: int) -> Flow:
    """Count journeys by their first, middle and last channel.

    pool: channels beyond the `pool` most touched become the code n_channels. A path is told without repeats
    in a row; the middle of a path of three or more is the one half way.
    """
    seen = exposure(journeys.touched)
    width = len(seen.channels)
    times = np.repeat(seen.conversions + seen.nulls, seen.lengths)
    kept = np.argsort(-np.bincount(seen.codes, weights=times, minlength=width), kind="stable")[:pool]
    shown = np.full(width, width, dtype=np.int64)
    shown[kept] = kept
    first, last = seen.offsets[:-1], seen.offsets[1:] - 1
    middle = np.where(seen.lengths > 2, shown[seen.codes[first + seen.lengths // 2]], -1)
    cell = (shown[seen.codes[first]] * (width + 2) + middle + 1) * (width + 2) + shown[seen.codes[last]]
    cells, place = np.unique(cell, return_inverse=True)
    steps = np.stack(
        [cells // (width + 2) ** 2, cells // (width + 2) % (width + 2) - 1, cells % (width + 2)], axis=1
    )
    return Flow(
        steps=steps.astype(np.int32),
        converted=_sums(place, seen.conversions, len(cells)),
        missed=_sums(place, seen.nulls, len(cells)),
    )


def touches_to_convert(journeys: Journeys) -> Spread:
    """How many touches the converting journeys had; those without one are left out."""
    paid = journeys.converting
    return _spread(np.repeat(paid.lengths, paid.conversions.astype(np.int64)).astype(np.float64), TOUCH_BINS)


def days_to_convert(days: Floats) -> Spread:
    """days: (n_converting,) from the first touch to the conversion."""
    return _spread(days, DAY_BINS)


def sets_seen(journeys: Journeys, *, most: int) -> tuple[tuple[tuple[int, ...], float, float], ...]:
    """The distinct channel sets of the journeys with a touch: (codes, conversions, nulls), the `most`
    frequent.
    """
    found = channel_sets(journeys.touched).journeys
    order = np.argsort(-(found.conversions + found.nulls), kind="stable")[:most]
    return tuple(
        (
            tuple(found.codes[found.offsets[place] : found.offsets[place + 1]].tolist()),
            float(found.conversions[place]),
            float(found.nulls[place]),
        )
        for place in order
    )


def _sums(place: NDArray, weights: Floats, size: int) -> Floats:
    sums: Floats = np.bincount(place, weights=weights, minlength=size).astype(np.float64)
    return sums


def _spread(numbers: Floats, bins: Sequence[int]) -> Spread:
    places: Ints = np.searchsorted(np.asarray(bins, dtype=np.float64), numbers, side="left")
    return Spread(
        bins=tuple(bins),
        counts=np.bincount(places, minlength=len(bins) + 1).astype(np.float64),
        median=float(np.median(numbers)) if len(numbers) else None,
        mean=float(numbers.mean()) if len(numbers) else None,
    )
