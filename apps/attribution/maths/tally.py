"""Journeys counted in whole numbers: tallies of days add up in any order, and what was counted can be taken
back to the last bit.

A tally has three parts. Paths: distinct paths with conversions, nulls, value and squared value. Cells:
amounts by source, one column for each figure of each model of weights (COLUMNS). Durations: from first touch
to conversion. All that any model, figure or interval needs follows from them (counts.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from .aggregation import unique_paths
from .exact import Exact, whole_sums
from .journeys import Flags, Floats, Ints, Journeys
from .models import MODELS, touch_weights
from .rules import DIRECT_CHANNEL, HALF_LIFE_DAYS

LEVELS = ("channel", "platform", "campaign", "creative")
FIGURES = ("conversions", "value", *LEVELS, *(f"{level} value" for level in LEVELS))
# A journey worth more is taken as this much where values are squared, so that the sums fit.
MOST_SQUARED = 1e12
SOURCE_BITS = 40
US_PER_DAY = 86_400_000_000
_VERSION = 2


def weighers() -> dict[str, str]:
    """By name of each model that weighs the touches of a journey: the first model of the same weights."""
    first: dict[object, str] = {}
    return {
        name: first.setdefault((model.weigh, model.takes), name)
        for name, model in MODELS.items()
        if model.weigh is not None
    }


COLUMNS: tuple[tuple[str, str], ...] = (
    ("", "touches"),
    ("", "gains"),
    *((model, figure) for model in dict.fromkeys(weighers().values()) for figure in FIGURES),
)
_NUMBER = {column: number for number, column in enumerate(COLUMNS)}
# Tallies of another method cannot be added.
METHOD = hashlib.sha256(repr((_VERSION, COLUMNS, HALF_LIFE_DAYS)).encode()).hexdigest()[:16]


def unit_of(figure: str) -> float:
    """The unit of a column, a power of two: squares of money are large, shares of a conversion small."""
    if figure in ("value", "gains", "touches"):
        return 1.0
    return 2.0**24 if figure.endswith(" value") else 2.0**-12


VALUE_SQUARES = unit_of("channel value")


@dataclass(frozen=True, eq=False, kw_only=True)
class Tally:
    """codes, offsets, conversions, nulls, minor: of the distinct paths, as in Journeys, all whole numbers.

    squares: (n_paths,) sum of the squared values of a path's journeys, in units of VALUE_SQUARES.
    keys: (n_cells,) ascending, column << SOURCE_BITS | source. amounts: (n_cells,) in the column's unit.
    durations_us: (n_converting,) ascending, microseconds from first touch to conversion.
    """

    codes: Ints
    offsets: Ints
    conversions: Ints
    nulls: Ints
    minor: Ints
    squares: Exact
    keys: Ints
    amounts: Exact
    durations_us: Ints

    @property
    def n_paths(self) -> int:
        return len(self.conversions)

    @property
    def is_empty(self) -> bool:
        """Without journeys; what squares lie at several sources of a group then come to nothing."""
        return not self.n_paths


@dataclass(frozen=True, eq=False, kw_only=True)
class Counted:
    """Journeys to be counted.

    journeys: of channels, value in whole minor units, with ages. told: the same journeys in the codes in
    which their paths are told. source: (n_touches,) number of each touch's source. groups: by level,
    (n_sources,) the representative of each source's group. part: (n_journeys,) which of `parts` tallies each
    journey goes to.
    """

    journeys: Journeys
    told: Journeys
    source: Ints
    groups: Mapping[str, Ints]
    part: Ints
    parts: int

    @property
    def n_sources(self) -> int:
        return len(self.groups[LEVELS[0]])


def tallies(
    counted: Counted,
    *,
    labels: Ints,
    half_life_days: float = HALF_LIFE_DAYS,
    direct_channel: str = DIRECT_CHANNEL,
) -> list[Tally]:
    """Count each part. labels: (n_sources,) what a cell calls each source, 0 to 2 ** SOURCE_BITS - 1."""
    counted, labels = _by_label(counted, labels)
    cells = _Cells(counted.n_sources)
    _count_touches(cells, counted)
    settings = {"half_life_days": half_life_days, "direct_channel": direct_channel}
    paid = _paid(counted)
    if paid.journeys.n_journeys:
        _count_credit(cells, paid, settings)
    columns = _split_cells(cells, labels, counted.parts)
    paths = _split_paths(counted)
    durations = _split_durations(paid)
    return [
        Tally(**paths[part], keys=columns[part][0], amounts=columns[part][1], durations_us=durations[part])
        for part in range(counted.parts)
    ]


def _by_label(counted: Counted, labels: Ints) -> tuple[Counted, Ints]:
    """The same with sources in the order of their labels: cells are then counted in that of their keys."""
    order = np.argsort(labels)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    groups = {level: rank[group][order] for level, group in counted.groups.items()}
    return replace(counted, source=rank[counted.source], groups=groups), labels[order]


def merged(plus: Iterable[Tally], minus: Iterable[Tally] = ()) -> Tally:
    """Add tallies up, and take others away. Raises ValueError when more is taken away than there was."""
    added, taken = list(plus), list(minus)
    found = [*added, *taken]
    if len(found) == 1 and not taken:
        return found[0]
    signs = [1] * len(added) + [-1] * len(taken)
    return Tally(
        **_merged_paths(found, signs),
        **_merged_cells(found, signs),
        durations_us=_merged_durations(found, signs),
    )


EMPTY = Tally(
    codes=np.zeros(0, dtype=np.int64),
    offsets=np.zeros(1, dtype=np.int64),
    conversions=np.zeros(0, dtype=np.int64),
    nulls=np.zeros(0, dtype=np.int64),
    minor=np.zeros(0, dtype=np.int64),
    squares=Exact(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)),
    keys=np.zeros(0, dtype=np.int64),
    amounts=Exact(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)),
    durations_us=np.zeros(0, dtype=np.int64),
)


class _Cells:
    """Columns as they are counted: (part * n_sources + source, amount)."""

    def __init__(self, n_sources: int) -> None:
        self.n_sources = n_sources
        self.found: list[tuple[int, Ints, Exact]] = []

    def add(self, column: tuple[str, str], spots: Ints, place: Ints, amounts: Floats) -> None:
        """spots: (n,) where amounts may land. place: (m,) which of them each amount lands on."""
        some = np.flatnonzero(amounts)
        exact = Exact.of(amounts[some], unit=unit_of(column[1])).sums(place[some], len(spots))
        landed = np.flatnonzero((exact.high != 0) | (exact.low != 0))
        self.found.append((_NUMBER[column], spots[landed], exact.at(landed)))


def _count_touches(cells: _Cells, counted: Counted) -> None:
    part = np.repeat(counted.part, counted.journeys.lengths)
    spots, place = numbered(part * counted.n_sources + counted.source)
    cells.add(("", "touches"), spots, place, np.ones(len(place)))


def _paid(counted: Counted) -> Counted:
    """The journeys that converted and have a touch."""
    journeys = counted.journeys
    wanted: Flags = (journeys.conversions > 0) & (journeys.lengths > 0)
    return Counted(
        journeys=journeys.select(wanted),
        told=journeys.select(wanted),
        source=counted.source[np.repeat(wanted, journeys.lengths)],
        groups=counted.groups,
        part=counted.part[wanted],
        parts=counted.parts,
    )


def _count_credit(cells: _Cells, paid: Counted, settings: Mapping[str, object]) -> None:
    journeys = paid.journeys
    owner = journeys.journey_of_touch
    spots, place = numbered(paid.part[owner] * paid.n_sources + paid.source)
    pairs = {level: _pairs(paid, level) for level in LEVELS}
    for model in dict.fromkeys(weighers().values()):
        weights = touch_weights(journeys, model, **settings)  # type: ignore[arg-type]
        value = weights * journeys.value[owner]
        cells.add((model, "conversions"), spots, place, weights * journeys.conversions[owner])
        cells.add((model, "value"), spots, place, value)
        if model == "linear":
            cells.add(("", "gains"), spots, place, np.maximum(value, 0.0))
        for level in LEVELS:
            _count_squares(cells, paid, model, level, weights, pairs[level])


@dataclass(frozen=True, eq=False)
class _Pairs:
    """of_touch: (n_touches,) the pair of a journey and a group that a touch is of. journey: (n_pairs,)."""

    of_touch: Ints
    journey: Ints
    spots: Ints
    place: Ints


def _pairs(paid: Counted, level: str) -> _Pairs:
    group = paid.groups[level][paid.source]
    keys, of_touch = numbered(paid.journeys.journey_of_touch * paid.n_sources + group)
    journey = keys // paid.n_sources
    spots, place = numbered(paid.part[journey] * paid.n_sources + keys % paid.n_sources)
    return _Pairs(of_touch, journey, spots, place)


def _count_squares(
    cells: _Cells, paid: Counted, model: str, level: str, weights: Floats, pairs: _Pairs
) -> None:
    """The squared credit of each group of a journey, at the group's representative."""
    share = np.bincount(pairs.of_touch, weights=weights, minlength=len(pairs.journey))
    times = paid.journeys.conversions[pairs.journey]
    value = np.minimum(np.abs(share * paid.journeys.value[pairs.journey]), MOST_SQUARED)
    cells.add((model, level), pairs.spots, pairs.place, share**2 * times)
    cells.add((model, f"{level} value"), pairs.spots, pairs.place, value**2 / times)


def numbered(keys: Ints) -> tuple[Ints, Ints]:
    """(distinct keys ascending, which of them each key is), in linear time where keys are dense."""
    size = int(keys.max(initial=-1)) + 1
    if size > 4 * len(keys) + 1024:
        found, place = np.unique(keys, return_inverse=True)
        return found, place.astype(np.int64, copy=False)
    seen = np.zeros(size, dtype=np.bool_)
    seen[keys] = True
    number = np.cumsum(seen) - 1
    return np.flatnonzero(seen), number[keys]


def _split_cells(cells: _Cells, labels: Ints, parts: int) -> list[tuple[Ints, Exact]]:
    """By part, in the order of keys. labels: ascending.

    What was counted of a column lies in the order of parts and sources, so that each cell's place follows
    from how many there are in the columns before it: nothing is sorted.
    """
    found, width = sorted(cells.found, key=itemgetter(0)), max(1, cells.n_sources)
    edges = np.array([np.searchsorted(spots, np.arange(parts + 1) * width) for _, spots, _ in found])
    counts = np.diff(edges).T  # (parts, columns found)
    ends = np.cumsum(counts).reshape(counts.shape)
    keys, high, low = (np.empty(counts.sum(), dtype=np.int64) for _ in range(3))
    for place, (number, spots, amounts) in enumerate(found):
        shift = (ends - counts)[:, place] - edges[place, :-1]
        to = np.arange(len(spots)) + np.repeat(shift, counts[:, place])
        keys[to] = (number << SOURCE_BITS) | labels[spots % width]
        high[to], low[to] = amounts.high, amounts.low
    borders = [0, *(ends[:, -1].tolist() if len(found) else [0] * parts)]
    return [(keys[a:b], Exact(high[a:b], low[a:b])) for a, b in pairwise(borders)]


def _split_paths(counted: Counted) -> list[dict[str, Any]]:
    told, part = counted.told, counted.part
    paths = unique_paths(told)
    size = max(1, paths.journeys.n_journeys)
    spots, place = numbered(part * size + paths.path_of_journey)
    times = np.maximum(told.conversions, 1.0)
    squared = np.minimum(np.abs(told.value), MOST_SQUARED) ** 2 / times
    found = {
        "conversions": whole_sums(place, told.conversions.astype(np.int64), len(spots)),
        "nulls": whole_sums(place, told.nulls.astype(np.int64), len(spots)),
        "minor": whole_sums(place, told.value.astype(np.int64), len(spots)),
    }
    squares = Exact.of(squared, unit=VALUE_SQUARES).sums(place, len(spots))
    codes, offsets = _ranges(paths.journeys, spots % size)
    edges = np.searchsorted(spots // size, np.arange(counted.parts + 1))
    return [
        {
            "codes": codes[offsets[a] : offsets[b]],
            "offsets": offsets[a : b + 1] - offsets[a],
            **{name: column[a:b] for name, column in found.items()},
            "squares": squares.at(np.arange(a, b)),
        }
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def _ranges(journeys: Journeys, wanted: Ints) -> tuple[Ints, Ints]:
    """The paths of some journeys, end to end."""
    lengths = journeys.lengths[wanted]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    touches = np.arange(offsets[-1]) + np.repeat(journeys.offsets[wanted] - offsets[:-1], lengths)
    return journeys.codes[touches].astype(np.int64), offsets


def _split_durations(paid: Counted) -> list[Ints]:
    ages = paid.journeys.age_days
    if ages is None:
        raise ValueError("counting needs age_days: aggregated paths have no times")
    spent = np.rint(ages[paid.journeys.offsets[:-1]] * US_PER_DAY).astype(np.int64)
    order = np.lexsort((spent, paid.part))
    edges = np.searchsorted(paid.part[order], np.arange(paid.parts + 1))
    return [spent[order[a:b]] for a, b in pairwise(edges)]


def _merged_paths(found: Sequence[Tally], signs: Sequence[int]) -> dict[str, Any]:
    codes = np.concatenate([one.codes for one in found])
    counts = [one.n_paths for one in found]
    lengths = np.concatenate([np.diff(one.offsets) for one in found])
    nothing = np.zeros(len(lengths))
    paths = unique_paths(
        Journeys(
            channels=tuple(map(str, range(int(codes.max(initial=-1)) + 1))),
            codes=codes,
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            conversions=nothing,
            value=nothing,
            nulls=nothing,
        )
    )
    sign = np.repeat(np.array(signs, dtype=np.int64), counts)
    place, size = paths.path_of_journey, paths.journeys.n_journeys
    sums = {
        name: whole_sums(place, np.concatenate([getattr(one, name) for one in found]) * sign, size)
        for name in ("conversions", "nulls", "minor")
    }
    squares = _chained([one.squares for one in found]).signed(sign).sums(place, size)
    if (sums["conversions"] < 0).any() or (sums["nulls"] < 0).any():
        raise ValueError("more journeys are taken away than were counted")
    kept = np.flatnonzero((sums["conversions"] > 0) | (sums["nulls"] > 0))
    told, offsets = _ranges(paths.journeys, kept)
    return {
        "codes": told,
        "offsets": offsets,
        **{name: column[kept] for name, column in sums.items()},
        "squares": squares.at(kept),
    }


def _merged_cells(found: Sequence[Tally], signs: Sequence[int]) -> dict[str, Any]:
    keys, place = np.unique(np.concatenate([one.keys for one in found]), return_inverse=True)
    sign = np.repeat(np.array(signs, dtype=np.int64), [len(one.keys) for one in found])
    amounts = _chained([one.amounts for one in found]).signed(sign).sums(place, len(keys))
    kept = np.flatnonzero((amounts.high != 0) | (amounts.low != 0))
    return {"keys": keys[kept], "amounts": amounts.at(kept)}


def _merged_durations(found: Sequence[Tally], signs: Sequence[int]) -> Ints:
    times, place = np.unique(np.concatenate([one.durations_us for one in found]), return_inverse=True)
    sign = np.repeat(np.array(signs, dtype=np.int64), [len(one.durations_us) for one in found])
    counts = whole_sums(place, sign, len(times))
    if (counts < 0).any():
        raise ValueError("more durations are taken away than were counted")
    return np.repeat(times, counts)


def _chained(parts: Sequence[Exact]) -> Exact:
    return Exact(np.concatenate([part.high for part in parts]), np.concatenate([part.low for part in parts]))
