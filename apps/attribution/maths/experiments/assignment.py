"""Who gets which variant: a pure function of unit and experiment, the same for ever and everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
OUTSIDE, HELD_OUT = -1, -2


@dataclass(frozen=True, kw_only=True)
class Split:
    """How an experiment divides its units.

    salt: names the experiment; another salt is an independent draw. weights: >= 0 each, on any scale. layer:
    experiments of one layer draw from the same line of units, each the slice [start, end) of [0, 1), so that
    slices that do not overlap share no unit; "" is no layer, and everyone takes part.
    Raises ValueError for no or doubled variants, weights that do not fit them, or a slice outside [0, 1].
    """

    salt: str
    variants: tuple[str, ...]
    weights: tuple[float, ...]
    layer: str = ""
    slice_start: float = 0.0
    slice_end: float = 1.0

    def __post_init__(self) -> None:
        if not self.variants or len(set(self.variants)) < len(self.variants):
            raise ValueError(f"variants need names that differ; got {self.variants}")
        if len(self.weights) != len(self.variants) or not _are_weights(self.weights):
            raise ValueError(f"{len(self.variants)} variants need as many weights >= 0; got {self.weights}")
        if not 0 <= self.slice_start < self.slice_end <= 1:
            raise ValueError(f"no slice of [0, 1): {self.slice_start} to {self.slice_end}")


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """Units that no experiment of this salt ever touches. share: in [0, 1)."""

    salt: str
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"a hold-out is a share in [0, 1); got {self.share}")


class Reason(StrEnum):
    """Why a unit has its variant, or none."""

    ASSIGNED = "assigned"
    HELD_OUT = "held_out"
    OTHER_SLICE = "other_slice"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """variant: None unless assigned."""

    variant: str | None
    reason: Reason


def point(unit: str, salt: str) -> float:
    """Where the unit stands in [0, 1) under this salt: uniform over units, independent between salts.

    The first 53 bits of BLAKE2b of salt and unit, the salt's length before them, so that no two pairs are
    written alike. Never to be changed: every past assignment rests on it.
    """
    digest = blake2b(f"{len(salt)}:{salt}{unit}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def assign(unit: str, split: Split, *, hold_out: HoldOut | None = None) -> Assignment:
    """The variant of a unit, the same at every call with the same split.

    More weight to a variant moves only units across the borders of the cumulative weights: where weights
    change on the way, keep what was assigned.
    """
    if hold_out and is_held_out(unit, hold_out):
        return Assignment(variant=None, reason=Reason.HELD_OUT)
    if split.layer and not split.slice_start <= point(unit, f"layer:{split.layer}") < split.slice_end:
        return Assignment(variant=None, reason=Reason.OTHER_SLICE)
    chosen = pick(point(unit, f"split:{split.salt}"), split.weights)
    return Assignment(variant=split.variants[chosen], reason=Reason.ASSIGNED)


def is_held_out(unit: str, hold_out: HoldOut) -> bool:
    """Whether no experiment may touch this unit. A larger share keeps everyone whom a smaller one held."""
    return point(unit, f"holdout:{hold_out.salt}") < hold_out.share


def pick(place: float, weights: Sequence[float]) -> int:
    """The variant whose part of the cumulative weights holds this place in [0, 1); never one of weight 0."""
    ends, aim = list(accumulate(weights)), place * math.fsum(weights)
    for number, end in enumerate(ends):
        if aim < end and weights[number] > 0:
            return number
    return max(number for number, weight in enumerate(weights) if weight > 0)


def places(units: Sequence[bytes], split: Split, *, hold_out: HoldOut | None = None) -> Integers:
    """What `assign` answers for many units at once. units: each encoded in UTF-8.

    Shape (n,): places in split.variants, HELD_OUT for those held out, OUTSIDE for another slice.
    """
    drawn = _picked(points(units, f"split:{split.salt}"), split.weights)
    if split.layer:
        stands = points(units, f"layer:{split.layer}")
        drawn[~((split.slice_start <= stands) & (stands < split.slice_end))] = OUTSIDE
    if hold_out and hold_out.share:
        drawn[points(units, f"holdout:{hold_out.salt}") < hold_out.share] = HELD_OUT
    return drawn


def points(units: Sequence[bytes], salt: str) -> NDArray[np.float64]:
    """`point` of many units, shape (n,). The salt is hashed once, and each unit on a copy of that."""
    begun = blake2b(f"{len(salt)}:{salt}".encode(), digest_size=8)
    digests = []
    for unit in units:
        one = begun.copy()
        one.update(unit)
        digests.append(one.digest())
    found = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    return (found >> np.uint64(11)) / 2**53


def _picked(stands: NDArray[np.float64], weights: Sequence[float]) -> Integers:
    """`pick` for many."""
    last = max(number for number, weight in enumerate(weights) if weight > 0)
    found = np.searchsorted(np.array(list(accumulate(weights))), stands * math.fsum(weights), side="right")
    return np.minimum(found, last).astype(np.int64)


def free_slice(taken: Sequence[tuple[float, float]], size: float) -> tuple[float, float] | None:
    """The first gap of this size in a layer, None where there is none. Raises ValueError for no size."""
    if not 0 < size <= 1:
        raise ValueError(f"a slice has a size in (0, 1]; got {size}")
    start = 0.0
    for low, high in sorted(taken):
        if low - start >= size - 1e-12:
            break
        start = max(start, high)
    else:
        if 1 - start < size - 1e-12:
            return None
    return start, min(1.0, start + size)


def _are_weights(weights: tuple[float, ...]) -> bool:
    return all(math.isfinite(weight) and weight >= 0 for weight in weights) and sum(weights) > 0
