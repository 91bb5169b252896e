"""Tallies and booked journeys as bytes, little-endian.

A tally, version 1: "BDT1"; four u4: n_paths, n_paid (the first paths, those with a conversion), n_codes,
n_durations; u4 n_cells; then lengths u4 (n_paths), codes u2 (n_codes), conversions u4 (n_paid), minor i8
(n_paid), squares high i8 and low i8 (n_paid), nulls u4 (n_paths), keys i8, high i8, low i8 (n_cells each),
durations i8 (n_durations).

Booked journeys, version 1: "BPJ1"; u4 n_journeys, u4 n_touches; then the journeys, each person i8, ends i8,
minor i8, lengths u4, converted u1; then their touches, each at i8, source u4, times u2. Moments are
microseconds since 1970.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .exact import Exact
from .journeys import Flags, Ints
from .tally import Tally

_TALLY, _BOOKED = b"BDT1", b"BPJ1"
_TALLY_HEAD, _BOOKED_HEAD = struct.Struct("<4s5I"), struct.Struct("<4s2I")
# What the narrow columns can hold; others hold any number that there is here.
_MOST = {"<u2": np.uint64(2**16 - 1), "<u4": np.uint64(2**32 - 1)}

JOURNEY = np.dtype(
    [("person", "<i8"), ("ends_us", "<i8"), ("minor", "<i8"), ("lengths", "<u4"), ("converted", "<u1")]
)
TOUCH = np.dtype([("at_us", "<i8"), ("source", "<u4"), ("times", "<u2")])


@dataclass(frozen=True, eq=False)
class Booked:
    """Journeys as they were counted.

    journeys: (n_journeys,) JOURNEY. touches: (n_touches,) TOUCH, one journey after the other: source is a
    row's id; times says how often its channel came, where paths are told by that, else 0.
    """

    journeys: NDArray[np.void]
    touches: NDArray[np.void]

    def select(self, wanted: Flags) -> Booked:
        """Keep some journeys."""
        return Booked(self.journeys[wanted], self.touches[np.repeat(wanted, self.journeys["lengths"])])

    def column(self, name: str) -> Ints:
        found: Ints = (self.journeys if name in (JOURNEY.names or ()) else self.touches)[name].astype(
            np.int64
        )
        return found

    def ordered(self, order: Ints) -> Booked:
        """The journeys in another order."""
        lengths = self.column("lengths")
        starts = np.cumsum(lengths) - lengths
        moved = lengths[order]
        firsts = np.cumsum(moved) - moved
        picked = np.arange(len(self.touches)) + np.repeat(starts[order] - firsts, moved)
        return Booked(self.journeys[order], self.touches[picked])


def chained(parts: Sequence[Booked]) -> Booked:
    """One after the other."""
    return Booked(
        np.concatenate([np.zeros(0, dtype=JOURNEY), *(part.journeys for part in parts)]),
        np.concatenate([np.zeros(0, dtype=TOUCH), *(part.touches for part in parts)]),
    )


def pack_booked(booked: Booked, group: Ints) -> dict[int, bytes]:
    """Bytes by group. group: (n_journeys,) of each journey."""
    order = np.argsort(group, kind="stable")
    sorted_ = booked.ordered(order)
    numbers, starts = np.unique(group[order], return_index=True)
    edges = np.append(starts, len(order))
    touched = np.concatenate([[0], np.cumsum(sorted_.column("lengths"))])[edges]
    journeys, touches = sorted_.journeys.tobytes(), sorted_.touches.tobytes()
    packed = {}
    for place, number in enumerate(numbers.tolist()):
        (a, b), (c, d) = edges[place : place + 2].tolist(), touched[place : place + 2].tolist()
        head = _BOOKED_HEAD.pack(_BOOKED, b - a, d - c)
        own = journeys[a * JOURNEY.itemsize : b * JOURNEY.itemsize]
        packed[number] = head + own + touches[c * TOUCH.itemsize : d * TOUCH.itemsize]
    return packed


def pack_each(booked: Booked) -> list[bytes]:
    """Each journey by itself, without a head: for telling whether two are the same."""
    ends = np.cumsum(booked.column("lengths")) * TOUCH.itemsize
    journeys, touches = booked.journeys.tobytes(), booked.touches.tobytes()
    size = JOURNEY.itemsize
    return [
        journeys[place * size : (place + 1) * size] + touches[a:b]
        for place, (a, b) in enumerate(pairwise([0, *ends.tolist()]))
    ]


def unpack_booked(packed: Iterable[bytes]) -> Booked:
    """All of them, one after the other. Raises ValueError for bytes of another kind."""
    journeys, touches = [], []
    for one in packed:
        magic, n_journeys, _ = _BOOKED_HEAD.unpack_from(one)
        _check(magic, _BOOKED)
        middle = _BOOKED_HEAD.size + n_journeys * JOURNEY.itemsize
        journeys.append(one[_BOOKED_HEAD.size : middle])
        touches.append(one[middle:])
    return Booked(
        np.frombuffer(b"".join(journeys), dtype=JOURNEY), np.frombuffer(b"".join(touches), dtype=TOUCH)
    )


def pack_tally(tally: Tally) -> bytes:
    """Paths in a new order: those that converted first."""
    paid = tally.conversions > 0
    order = np.argsort(~paid, kind="stable")
    lengths = np.diff(tally.offsets)[order]
    n_paid = int(paid.sum())
    first = order[:n_paid]
    starts = np.cumsum(lengths) - lengths
    picked = np.arange(len(tally.codes)) + np.repeat(tally.offsets[:-1][order] - starts, lengths)
    head = _TALLY_HEAD.pack(
        _TALLY, len(order), n_paid, len(tally.codes), len(tally.durations_us), len(tally.keys)
    )
    columns: Iterable[tuple[Ints, str]] = (
        (lengths, "<u4"),
        (tally.codes[picked], "<u2"),
        (tally.conversions[first], "<u4"),
        (tally.minor[first], "<i8"),
        (tally.squares.high[first], "<i8"),
        (tally.squares.low[first], "<i8"),
        (tally.nulls[order], "<u4"),
        (tally.keys, "<i8"),
        (tally.amounts.high, "<i8"),
        (tally.amounts.low, "<i8"),
        (tally.durations_us, "<i8"),
    )
    return head + b"".join(_bytes(column, type_) for column, type_ in columns)


def unpack_tally(packed: bytes) -> Tally:
    """Raises ValueError for bytes of another kind."""
    magic, n_paths, n_paid, n_codes, n_durations, n_cells = _TALLY_HEAD.unpack_from(packed)
    _check(magic, _TALLY)
    reader = _Reader(packed, _TALLY_HEAD.size)
    lengths, codes = reader.take("<u4", n_paths), reader.take("<u2", n_codes)
    rest = n_paths - n_paid

    def of_paid(type_: str) -> Ints:
        return np.concatenate([reader.take(type_, n_paid), np.zeros(rest, dtype=np.int64)])

    conversions, minor = of_paid("<u4"), of_paid("<i8")
    squares = Exact(of_paid("<i8"), of_paid("<i8"))
    return Tally(
        codes=codes,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        conversions=conversions,
        nulls=reader.take("<u4", n_paths),
        minor=minor,
        squares=squares,
        keys=reader.take("<i8", n_cells),
        amounts=Exact(reader.take("<i8", n_cells), reader.take("<i8", n_cells)),
        durations_us=reader.take("<i8", n_durations),
    )


class _Reader:
    def __init__(self, packed: bytes, start: int) -> None:
        self.packed, self.place = packed, start

    def take(self, type_: str, size: int) -> Ints:
        found = np.frombuffer(self.packed, dtype=type_, count=size, offset=self.place)
        self.place += found.nbytes
        return found.astype(np.int64)


def _bytes(column: Ints, type_: str) -> bytes:
    """Raises ValueError for a number that the type cannot hold."""
    most = _MOST.get(type_)
    # As a number without a sign, one below 0 is larger than all that fit.
    if most is not None and len(column) and (unsigned := column.view(np.uint64)).max() > most:
        raise ValueError(f"{column[unsigned.argmax()]:,} does not fit {type_}")
    return column.astype(type_, copy=False).tobytes()


def _check(magic: bytes, wanted: bytes) -> None:
    if magic != wanted:
        raise ValueError(f"these bytes begin with {magic!r}, not {wanted!r}")
