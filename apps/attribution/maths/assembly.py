"""From loose touches and conversions to journeys: who saw what before which conversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .journeys import Ints, Journeys

US_PER_DAY = 86_400_000_000
# What one person does not do: what is beyond is a robot, a shop till, or the id "null" of many.
MOST_TOUCHES = 500  # of a journey, which keeps the last of them
MOST_CONVERSIONS = 500  # within a look-back; later ones own no touch


@dataclass(frozen=True, eq=False, kw_only=True)
class Touches:
    """Touches in any order.

    person: (n,) int >= 0; at_us: (n,) int, microseconds since 1970; channel: (n,) int, a code.
    """

    person: NDArray[Any]
    at_us: NDArray[Any]
    channel: NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Conversions:
    """Conversions in any order. person, at_us: as for touches; value: (n,) money, any sign."""

    person: NDArray[Any]
    at_us: NDArray[Any]
    value: NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Assembly:
    """Journeys, and where each part of them came from.

    The first journeys are the conversions, in the order given; then those that did not convert, by person
    and time.
    touch_index: (n_journey_touches,) position of each journey touch among the touches given.
    conversion_index: (n_journeys,) position among the conversions given, or -1.
    person: (n_journeys,) whose journey it is.
    """

    journeys: Journeys
    touch_index: Ints
    conversion_index: Ints
    person: Ints


@dataclass(frozen=True, eq=False, kw_only=True)
class _Shelf:
    """Touches sorted by person, then time, then position; searchable by (person, moment)."""

    order: Ints  # position of each sorted touch among the touches given
    person: Ints  # of each sorted touch
    at_us: Ints

    def before(self, person: Ints, at_us: Ints) -> Ints:
        """Sorted position after a person's last touch at or before each moment: a binary search in each
        person's own touches, all at once.
        """
        low = np.searchsorted(self.person, person, side="left")
        high = np.searchsorted(self.person, person, side="right")
        while (open_ := np.flatnonzero(low < high)).size:
            middle = (low[open_] + high[open_]) // 2
            is_before = self.at_us[middle] <= at_us[open_]
            low[open_[is_before]] = middle[is_before] + 1
            high[open_[~is_before]] = middle[~is_before]
        return low


def assemble(
    touches: Touches, conversions: Conversions, *, channels: Sequence[str], lookback_days: float | None = 30.0
) -> Assembly:
    """Give every conversion its person's touches in (conversion - look-back, conversion].

    Touches count for each conversion whose window holds them, also for one after an earlier conversion. The
    touches in nobody's window (before it opened, after the last conversion, or of somebody who never
    converted) are journeys that did not convert: one for each run of them without a pause longer than the
    look-back, since after such a pause nothing that follows could have been credited to what came before. A
    conversion without a touch in its window keeps an empty journey. Equal times keep the order given.

    So that one person costs no more than their rows: a journey holds its last MOST_TOUCHES touches, and a
    conversion that has MOST_CONVERSIONS of the same person before it within the look-back owns none. There
    are then at most MOST_TOUCHES journey touches to a conversion, and MOST_CONVERSIONS + 1 to a touch.
    lookback_days: > 0, or None for no limit. age_days of a non-converting journey counts from its last touch.
    Raises ValueError for unequal lengths, a negative person, or a look-back <= 0.
    """
    seen = _columns(touches, ("person", "at_us", "channel"), "touches")
    bought = _columns(conversions, ("person", "at_us"), "conversions")
    _check(seen, bought, lookback_days)
    shelf = _shelve(seen["person"], seen["at_us"])
    person, at_us = bought["person"], bought["at_us"]
    last = shelf.before(person, at_us)
    first = shelf.before(person, _window_opens(at_us, lookback_days))
    crowded = _crowded(person, at_us, lookback_days)
    first = np.where(crowded, last, first)
    covered = first[~crowded], last[~crowded]
    idle_first, idle_last = _idle(shelf, covered=covered, lookback_days=lookback_days)
    firsts, lasts = np.concatenate([first, idle_first]), np.concatenate([last, idle_last])
    firsts = np.maximum(firsts, lasts - MOST_TOUCHES)
    ends = np.concatenate([at_us, shelf.at_us[idle_last - 1]])
    picked, offsets = _ranges(firsts, lasts)
    touch_index = shelf.order[picked]
    age_us = np.repeat(ends, lasts - firsts)
    age_us -= shelf.at_us[picked]
    converted = np.arange(len(firsts)) < len(person)
    journeys = Journeys(
        channels=tuple(channels),
        codes=seen["channel"].astype(np.int32)[touch_index],
        offsets=offsets,
        conversions=converted.astype(np.float64),
        value=np.concatenate([np.asarray(conversions.value, dtype=np.float64), np.zeros(len(idle_first))]),
        nulls=(~converted).astype(np.float64),
        age_days=age_us / US_PER_DAY,
    )
    return Assembly(
        journeys=journeys,
        touch_index=touch_index,
        conversion_index=np.where(converted, np.arange(len(firsts)), -1),
        person=np.concatenate([person, shelf.person[idle_first]]),
    )


def _crowded(person: Ints, at_us: Ints, lookback_days: float | None) -> NDArray[np.bool_]:
    """(n,) is the conversion beyond the MOST_CONVERSIONS of its person within the look-back?"""
    found = np.zeros(len(person), dtype=np.bool_)
    whose = np.sort(person)
    if not (whose[MOST_CONVERSIONS:] == whose[:-MOST_CONVERSIONS]).any():
        return found
    order = np.lexsort((at_us, person))
    this, before = order[MOST_CONVERSIONS:], order[:-MOST_CONVERSIONS]
    opens = _window_opens(at_us[this], lookback_days)
    found[this] = (person[this] == person[before]) & (at_us[before] > opens)
    return found


def _columns(rows: Touches | Conversions, names: tuple[str, ...], what: str) -> dict[str, Ints]:
    columns = {name: np.asarray(getattr(rows, name)) for name in names}
    size = len(columns["person"])
    for name, column in columns.items():
        if column.shape != (size,) or (size and column.dtype.kind not in "iu"):
            raise ValueError(
                f"{what}.{name} needs whole numbers of shape ({size},); got {column.dtype} {column.shape}"
            )
    return {name: column.astype(np.int64, copy=False) for name, column in columns.items()}


def _check(seen: dict[str, Ints], bought: dict[str, Ints], lookback_days: float | None) -> None:
    most = np.iinfo(np.int64).max // (len(seen["person"]) + 1) - 1
    for what, columns in (("touches", seen), ("conversions", bought)):
        wrong = (columns["person"] < 0) | (columns["person"] > most)
        if wrong.any():
            raise ValueError(f"{what}.person[{int(wrong.argmax())}] is negative or above {most}")
    if lookback_days is not None and not lookback_days > 0:
        raise ValueError(f"lookback_days must be > 0; got {lookback_days}")


def _window_opens(at_us: Ints, lookback_days: float | None) -> Ints:
    """The moment after which a touch counts; a window longer than the calendar has no limit."""
    if (window_us := _window_us(lookback_days)) is None:
        return np.full(len(at_us), np.iinfo(np.int64).min)
    return at_us - window_us


def _window_us(lookback_days: float | None) -> int | None:
    if lookback_days is None or lookback_days * US_PER_DAY >= 2**61:
        return None
    return round(lookback_days * US_PER_DAY)


def _shelve(person: Ints, at_us: Ints) -> _Shelf:
    """Sort by time (free when the log is in order), then by person with a stable counting sort; nothing where
    that order is the one given.
    """
    is_next = (person[1:] > person[:-1]) | ((person[1:] == person[:-1]) & (at_us[1:] >= at_us[:-1]))
    if is_next.all():
        return _Shelf(order=np.arange(len(person)), person=person, at_us=at_us)
    if not (at_us[1:] < at_us[:-1]).any():
        order, people = _counting_sort(person)
        return _Shelf(order=order, person=people, at_us=at_us[order])
    in_time = _time_order(at_us)
    by_person, people = _counting_sort(person[in_time])
    order = in_time[by_person]
    return _Shelf(order=order, person=people, at_us=at_us[order])


def _time_order(at_us: Ints) -> Ints:
    """Stable order by time; a log in whole seconds needs no slow sort.

    Where time and position fit 64 bits together, the packed numbers are sorted: 4M in 40 ms instead of 400.
    """
    unit = next(unit for unit in (1_000_000, 1_000, 1) if not (at_us % unit).any())
    since = (at_us - at_us.min()) // unit
    position_bits = len(at_us).bit_length()
    if int(since.max()).bit_length() + position_bits > 63:
        return np.argsort(at_us, kind="stable")
    packed = np.sort((since << position_bits) | np.arange(len(at_us)))
    return packed & ((1 << position_bits) - 1)


def _counting_sort(numbers: Ints) -> tuple[Ints, Ints]:
    """(stable order, sorted numbers) of small whole numbers in linear time: turning a sparse matrix from rows
    to columns is one.

    Measured on 4M touches of 400k people: 27 ms, against 360 ms for a stable argsort.
    """
    size, top = len(numbers), int(numbers.max(initial=0)) + 1
    if top > 4 * size + 1024 or size >= 2**31:
        order = np.argsort(numbers, kind="stable")
        return order, numbers[order]
    rows = np.arange(size + 1, dtype=np.int32)
    marks = np.empty(size, dtype=np.int8)
    table = sparse.csr_array((marks, numbers.astype(np.int32), rows), shape=(size, top)).tocsc()
    return table.indices.astype(np.int64), np.repeat(np.arange(top), np.diff(table.indptr))


def _idle(shelf: _Shelf, *, covered: tuple[Ints, Ints], lookback_days: float | None) -> tuple[Ints, Ints]:
    """The runs of touches in nobody's window, as (first, end) in sorted positions.

    covered: the ranges that conversions own. A run ends where the next touch is another person's, comes after
    a pause longer than the look-back, or has an owner.
    """
    person, at_us = shelf.person, shelf.at_us
    parted = np.ones(len(person) + 1, dtype=np.bool_)
    parted[1:-1] = person[1:] != person[:-1]
    if (window_us := _window_us(lookback_days)) is not None:
        parted[1:-1] |= at_us[1:] - at_us[:-1] > window_us
    owners = np.zeros(len(person) + 1, dtype=np.int32)
    for places, change in zip(covered, (1, -1), strict=True):
        parted[places] = True
        np.add.at(owners, places, change)
    np.cumsum(owners, out=owners)
    edges = np.flatnonzero(parted)
    free = owners[edges[:-1]] == 0
    return edges[:-1][free], edges[1:][free]


def _ranges(firsts: Ints, lasts: Ints) -> tuple[Ints, Ints]:
    """Lay the ranges [first, last) end to end: (n_total,) positions, and (n + 1,) offsets."""
    offsets = np.concatenate([[0], np.cumsum(lasts - firsts)])
    places = np.repeat(firsts - offsets[:-1], lasts - firsts)
    places += np.arange(offsets[-1])
    return places, offsets
