"""Journeys as flat arrays: what every attribution model reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BLOCK = 1 << 18  # touches looked at together, where looking takes more memory than they do


class NoConversions(ValueError):
    """There is nothing to credit: no journey has a conversion."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Journeys:
    """Ordered touches of many journeys, one after the other, and how each journey ended.

    channels: names; a touch's code is a position in this tuple.
    codes: (n_touches,) int, channel of each touch, oldest first within a journey.
    offsets: (n_journeys + 1,) int; journey j owns touches offsets[j] up to offsets[j + 1]. It may own none.
    conversions: (n_journeys,) >= 0; how often this path converted (1 for one journey, a count for a path).
    value: (n_journeys,) money of those conversions, any sign (refunds); 0 where there is no conversion.
    nulls: (n_journeys,) >= 0; how often this path ended without a conversion.
    age_days: (n_touches,) >= 0, days from the touch to the journey's end, or None for aggregated paths.
    Raises ValueError naming the array and the first place that breaks a rule. Arrays become read-only.
    """

    channels: tuple[str, ...]
    codes: Codes
    offsets: Ints
    conversions: Floats
    value: Floats
    nulls: Floats
    age_days: Floats | None = None

    def __post_init__(self) -> None:
        self._settle("codes", _whole(self.codes, "codes", np.int32))
        self._settle("offsets", _whole(self.offsets, "offsets", np.int64))
        for name in ("conversions", "value", "nulls"):
            self._settle(name, _finite(getattr(self, name), name, (self.n_journeys,)))
        if self.age_days is not None:
            self._settle("age_days", _finite(self.age_days, "age_days", (self.n_touches,)))
        _check(self)

    def _settle(self, name: str, array: NDArray[Any]) -> None:
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(self, name, view)

    @property
    def n_journeys(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_touches(self) -> int:
        return len(self.codes)

    @cached_property
    def lengths(self) -> Ints:
        """(n_journeys,) touches of each journey."""
        return np.diff(self.offsets)

    @cached_property
    def journey_of_touch(self) -> Ints:
        """(n_touches,) the journey that owns each touch."""
        return np.repeat(np.arange(self.n_journeys), self.lengths)

    @cached_property
    def converting(self) -> Journeys:
        """The journeys that converted and have a touch: all that a rule or a Shapley share can credit."""
        return self.select((self.conversions > 0) & (self.lengths > 0))

    @cached_property
    def touched(self) -> Journeys:
        """The journeys that have a touch: all that a chain of channels can see."""
        return self.select(self.lengths > 0)

    def select(self, wanted: Flags) -> Journeys:
        """Keep some journeys. wanted: (n_journeys,) bool."""
        if wanted.all():
            return self
        touches = np.repeat(wanted, self.lengths)
        return Journeys(
            channels=self.channels,
            codes=self.codes[touches],
            offsets=_offsets(self.lengths[wanted]),
            conversions=self.conversions[wanted],
            value=self.value[wanted],
            nulls=self.nulls[wanted],
            age_days=None if self.age_days is None else self.age_days[touches],
        )

    def run(self, first: int, last: int) -> Journeys:
        """The journeys from first up to last."""
        touches, journeys = slice(*self.offsets[[first, last]].tolist()), slice(first, last)
        return Journeys(
            channels=self.channels,
            codes=self.codes[touches],
            offsets=self.offsets[first : last + 1] - self.offsets[first],
            conversions=self.conversions[journeys],
            value=self.value[journeys],
            nulls=self.nulls[journeys],
            age_days=None if self.age_days is None else self.age_days[touches],
        )

    def keep(self, wanted: Flags) -> Journeys:
        """Keep some touches of every journey; a journey may lose all of them. wanted: (n_touches,) bool."""
        kept_before = _offsets(wanted.astype(np.int64))
        return Journeys(
            channels=self.channels,
            codes=self.codes[wanted],
            offsets=kept_before[self.offsets],
            conversions=self.conversions,
            value=self.value,
            nulls=self.nulls,
            age_days=None if self.age_days is None else self.age_days[wanted],
        )

    @classmethod
    def of_paths(
        cls,
        paths: Sequence[Sequence[str]],
        *,
        conversions: ArrayLike,
        value: ArrayLike | None = None,
        nulls: ArrayLike | None = None,
        channels: Iterable[str] | None = None,
    ) -> Journeys:
        """Build from lists of channel names, for few paths; channels default to the names, sorted."""
        names = (
            tuple(channels) if channels is not None else tuple(sorted({c for path in paths for c in path}))
        )
        code = {name: number for number, name in enumerate(names)}
        nothing = np.zeros(len(paths))
        return cls(
            channels=names,
            codes=np.array([code[c] for path in paths for c in path], dtype=np.int32),
            offsets=_offsets(np.array([len(path) for path in paths], dtype=np.int64)),
            conversions=np.asarray(conversions, dtype=np.float64),
            value=nothing if value is None else np.asarray(value, dtype=np.float64),
            nulls=nothing if nulls is None else np.asarray(nulls, dtype=np.float64),
        )


def sums_by(group: Codes | Ints, amounts: Floats, *, groups: int) -> Floats:
    """(groups,) amounts added up by group number."""
    return np.bincount(group, weights=amounts, minlength=groups).astype(np.float64, copy=False)


def runs_of(offsets: Ints, *, most: int) -> Iterator[tuple[int, int]]:
    """First and last of runs of journeys that hold at most so many touches, or are one journey."""
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + most, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def _offsets(lengths: Ints) -> Ints:
    """Where each run starts, and the end: (n,) lengths to (n + 1,) offsets."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _whole(array: ArrayLike, name: str, dtype: type) -> NDArray[Any]:
    found = np.asarray(array)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise ValueError(f"{name} needs whole numbers of shape (n,); got {found.dtype} {found.shape}")
    return found.astype(dtype, copy=False)


def _finite(array: ArrayLike, name: str, shape: tuple[int, ...]) -> Floats:
    found = np.asarray(array, dtype=np.float64)
    if found.shape != shape:
        raise ValueError(f"{name} needs shape {shape}; got {found.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        is_finite = np.isfinite(found.sum())  # one pass without a copy, and nearly always the answer
    if not is_finite:
        _refuse(~np.isfinite(found), name, "is not finite")
    return found


def _check(journeys: Journeys) -> None:
    offsets, codes = journeys.offsets, journeys.codes
    if not offsets.size or offsets[0] != 0 or offsets[-1] != codes.size:
        raise ValueError(f"offsets must run from 0 to n_touches = {codes.size}")
    _refuse(np.diff(offsets) < 0, "offsets", "falls")
    if codes.size and not 0 <= codes.min() <= codes.max() < len(journeys.channels):
        _refuse((codes < 0) | (codes >= len(journeys.channels)), "codes", "is no channel")
    _refuse(journeys.conversions < 0, "conversions", "is negative")
    _refuse(journeys.nulls < 0, "nulls", "is negative")
    _refuse((journeys.conversions == 0) & (journeys.value != 0), "value", "has no conversion")
    if journeys.age_days is not None:
        _refuse(journeys.age_days < 0, "age_days", "is negative")
    if len(set(journeys.channels)) != len(journeys.channels):
        raise ValueError("channels holds a name twice")


def _refuse(bad: Flags, name: str, why: str) -> None:
    if bad.any():
        raise ValueError(f"{name}[{int(bad.argmax())}] {why}")
