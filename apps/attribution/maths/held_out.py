"""How well each order predicts a journey from all the others, a block of paths at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .journeys import Codes, Floats, Ints, Journeys, runs_of, sums_by
from .transitions import MOST_ORDER

DOUBT = 1.0  # journeys' worth of the average step that every state is given before it has seen any
ORDERS = range(1, MOST_ORDER + 1)
BLOCK = 1 << 18  # touches looked at together
MOST_CELLS = 1 << 22  # up to here each thinkable event has a place of its own
_SPARSEST = 8  # numbers a kind that are counted in a table rather than sorted


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOut:
    """Log-likelihoods of a run of paths under orders 1 to 4. converted, missed: (4, n_paths) of a journey
    that goes the path and converts, or does not.
    """

    paths: slice
    converted: Floats
    missed: Floats


def held_out(paths: Journeys) -> Iterator[HeldOut]:
    """Each journey's likelihood under the counts of all but itself. paths: each with a touch, and known.

    A state is what a journey remembers; an event is the next channel, or one of two ends, after a state.
    Raises ValueError for more channels than 64-bit events can hold.
    """
    blocks = [_Block.of(paths, first, last) for first, last in runs_of(paths.offsets, most=BLOCK)]
    tables = [_Table.of(paths, blocks, order=order) for order in ORDERS]
    for block in blocks:
        found = np.stack([_likelihoods(block, *told) for told in zip(tables, _repeated(block), strict=True)])
        yield HeldOut(paths=block.paths, converted=found[:, 0], missed=found[:, 1])


@dataclass(frozen=True, eq=False, kw_only=True)
class _Block:
    """A run of paths. codes: of its touches. offsets: where each path starts among them, and the end."""

    paths: slice
    codes: Codes
    offsets: Ints
    channels: int

    @classmethod
    def of(cls, paths: Journeys, first: int, last: int) -> _Block:
        offsets = paths.offsets[first : last + 1]
        return cls(
            paths=slice(first, last),
            codes=paths.codes[offsets[0] : offsets[-1]],
            offsets=offsets - offsets[0],
            channels=len(paths.channels),
        )

    @property
    def owner(self) -> Ints:
        """(n_touches,) the path of each."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def events(self, order: int) -> tuple[Ints, Ints]:
        """(n_touches,) each touch after the channels before it, and (n_paths,) a conversion at the end of
        each path, as numbers: the last channels as digits, then what came next. Not converting is one more.
        """
        base, outcomes = self.channels + 1, self.channels + 2
        digits = self.codes.astype(np.int64) + 1
        place = np.arange(len(digits)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        before = np.zeros(len(digits), dtype=np.int64)
        for back in range(1, order + 1):
            before[back:] += np.where(place[back:] >= back, digits[:-back] * base ** (back - 1), 0)
        last = self.offsets[1:] - 1
        ends = digits[last] + base * (before[last] % base ** (order - 1))
        return before * outcomes + self.codes, ends * outcomes + self.channels


@dataclass(frozen=True, eq=False, kw_only=True)
class _Table:
    """What all journeys did under one order. cells: events that happened, ascending; None where each
    thinkable one has its place. counts, visits: (n_cells,) of the event, and of the state before it.
    expected: (n_cells,) what the average state would lead to, DOUBT times. alone: (n_cells,) log-likelihood
    for a journey that was in the state once.
    """

    order: int
    cells: Ints | None
    counts: Floats
    visits: Floats
    expected: Floats
    alone: Floats

    @classmethod
    def of(cls, paths: Journeys, blocks: list[_Block], *, order: int) -> _Table:
        outcomes = len(paths.channels) + 2
        size = (len(paths.channels) + 1) ** order * outcomes
        if size >= 2**63:
            raise ValueError(f"{len(paths.channels):,} channels are too many to choose an order")
        cells = None if size <= MOST_CELLS else _distinct(blocks, order)
        numbers = np.arange(size) if cells is None else cells
        counts = np.zeros(len(numbers))
        for block in blocks:
            counts += _counts(paths, block, cells, order=order, size=len(numbers))
        state, outcome = np.divmod(numbers, outcomes)
        place = state if cells is None else np.unique(state, return_inverse=True)[1]
        visits = sums_by(place, counts, groups=int(place[-1]) + 1)[place]
        average = sums_by(outcome, counts, groups=outcomes) + 1.0
        expected = DOUBT * (average / average.sum())[outcome]
        return cls(
            order=order,
            cells=cells,
            counts=counts,
            visits=visits,
            expected=expected,
            alone=_log_chance(counts, visits, expected, own=1.0, own_visits=1.0),
        )

    def events(self, block: _Block) -> tuple[Ints, Ints, Ints]:
        """Places of a block's steps, and of converting or not at the end of each path."""
        return _placed(self.cells, block, self.order)

    def log_chance(self, event: Ints, own: Ints | float, own_visits: Floats) -> Floats:
        """Of each event, without what its own journey added to the counts."""
        return _log_chance(
            self.counts[event], self.visits[event], self.expected[event], own=own, own_visits=own_visits
        )


def _log_chance(
    counts: Floats, visits: Floats, expected: Floats, *, own: Ints | float, own_visits: Floats | float
) -> Floats:
    others, there = np.maximum(counts - own, 0.0), np.maximum(visits - own_visits, 0.0)
    chance: Floats = np.log((others + expected) / (there + DOUBT))
    return chance


def _placed(cells: Ints | None, block: _Block, order: int) -> tuple[Ints, Ints, Ints]:
    steps, ends = block.events(order)
    found = steps, ends, ends + 1
    if cells is None:
        return found
    return tuple(np.searchsorted(cells, numbers) for numbers in found)  # type: ignore[return-value]


def _distinct(blocks: list[_Block], order: int) -> Ints:
    found = np.zeros(0, dtype=np.int64)
    for block in blocks:
        found = np.union1d(found, np.concatenate(_placed(None, block, order)))
    return found


def _counts(paths: Journeys, block: _Block, cells: Ints | None, *, order: int, size: int) -> Floats:
    conversions, nulls = paths.conversions[block.paths], paths.nulls[block.paths]
    happened = np.repeat(conversions + nulls, np.diff(block.offsets))
    counts = np.zeros(size)
    for place, times in zip(_placed(cells, block, order), (happened, conversions, nulls), strict=True):
        counts += sums_by(place, times, groups=size)
    return counts


@dataclass(frozen=True, eq=False, kw_only=True)
class _Repeated:
    """The places of paths, ends included, at which the path was in the same state before or after. spot: of
    the place. visits: how often the path was in its state; events: how often what came next came there.
    """

    spot: Ints
    visits: Ints
    events: Ints


def _repeated(block: _Block) -> Iterator[_Repeated]:
    """By order. Spots are touches with the end of each path after its last.

    Two spots share a state of order k + 1 where the spots before them shared one of order k and the channel
    there: what is alone once is alone under every higher order, so that ever less is looked at.
    """
    owner = block.owner
    spots = np.arange(len(owner)) + owner
    codes = np.full(len(owner) + len(block.offsets) - 1, block.channels)
    codes[spots] = block.codes
    kind, times = _alike(owner * (block.channels + 1) + block.codes)
    for _ in ORDERS:
        again = np.flatnonzero(times > 1)
        spots, visits = spots[again] + 1, times[again]
        kind, times = _alike(kind[again] * (block.channels + 1) + codes[spots])
        yield _Repeated(spot=spots, visits=visits, events=times)


def _alike(kind: Ints) -> tuple[Ints, Ints]:
    """Kinds told apart by small numbers, and how many there are of the kind of each."""
    if kind.max(initial=0) < _SPARSEST * len(kind):
        return kind, np.bincount(kind)[kind]
    _, dense, times = np.unique(kind, return_inverse=True, return_counts=True)
    return dense, times[dense]


def _likelihoods(block: _Block, table: _Table, repeated: _Repeated) -> Floats:
    """(2, n_paths) of a journey that converts at the end of each path, and of one that does not."""
    steps, won, lost = table.events(block)
    owner = block.owner
    spots, end_spots = np.arange(len(steps)) + owner, block.offsets[1:] + np.arange(len(won))
    chance, visits = np.zeros(len(steps) + len(won)), np.ones(len(steps) + len(won))
    visits[repeated.spot] = repeated.visits
    chance[spots] = table.alone[steps]
    event = np.zeros(len(chance), dtype=np.int64)
    event[spots] = steps
    chance[repeated.spot] = table.log_chance(event[repeated.spot], repeated.events, visits[repeated.spot])
    chance[end_spots] = 0.0
    way = np.add.reduceat(chance, block.offsets[:-1] + np.arange(len(won)))
    return np.stack([way + table.log_chance(end, 1.0, visits[end_spots]) for end in (won, lost)])
