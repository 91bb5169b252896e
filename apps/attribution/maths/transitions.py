"""Counting how journeys move from state to state: all that a Markov model learns, and additive over days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from .journeys import Codes, Flags, Floats, Ints, Journeys, NoConversions, runs_of, sums_by

MOST_ORDER = 4
ABSENT = -1
BLOCK = 1 << 19  # touches counted at once
_MOVES = ("source", "target", "count")


@dataclass(frozen=True, eq=False, kw_only=True)
class TransitionCounts:
    """Observed moves of an order-k chain. Counts may be fractions (weights); every visit enters and leaves.

    channels: names. order: k, 1 to 4.
    states: (n_states, k) channel codes of each state's k-gram, oldest first; a shorter journey ends in -1.
    starts, conversions, nulls: (n_states,) >= 0; journeys that began in the state, or ended in it with,
    without.
    value: (n_states,) money of the conversions after this last state.
    source, target: (n_moves,) states; count: (n_moves,) >= 0 moves between them.
    Raises ValueError where shapes disagree, a number is negative or not finite, a code or state is unknown,
    or more journeys enter a state than leave it; NoConversions where nothing converted.
    """

    channels: tuple[str, ...]
    order: int
    states: Codes
    starts: Floats
    conversions: Floats
    value: Floats
    nulls: Floats
    source: Ints
    target: Ints
    count: Floats

    def __post_init__(self) -> None:
        _check_order(self.order)
        _check_shapes(self)
        _check_codes(self)
        _check_flow(self)
        if not self.conversions.sum() > 0:
            raise NoConversions("no journey with a touch converted: a chain has nothing to credit")

    @property
    def n_states(self) -> int:
        return len(self.states)

    @property
    def departures(self) -> Floats:
        """(n_states,) visits of each state, counted where they leave."""
        return (
            self.conversions
            + self.nulls
            + np.bincount(self.source, weights=self.count, minlength=self.n_states)
        )

    def holds(self, channel: int) -> Flags:
        """(n_states,) does the state hold the channel?"""
        held: Flags = (self.states == channel).any(axis=1)
        return held


def count_transitions(journeys: Journeys, *, order: int = 1) -> TransitionCounts:
    """Count the states and moves of journeys; those without a touch, or that happened 0 times, are left out.

    order: k, 1 to 4. A state is the window of k touches sliding along the journey; a journey shorter than k
    is one state; equal neighbours are collapsed, which changes no removal effect.
    Raises ValueError for another order or more channels than 64-bit windows can hold (55,108 at order 4);
    NoConversions where no journey with a touch converted.
    """
    _check_order(order)
    seen = journeys.select((journeys.conversions + journeys.nulls > 0) & (journeys.lengths > 0))
    base = len(seen.channels) + 1
    if base**order >= 2**63:
        raise ValueError(f"{base - 1:,} channels are too many for order {order}: group the rare ones")
    runs = list(runs_of(seen.offsets, most=BLOCK)) or [(0, 0)]
    parts = [_count(seen.run(*ends), order=order, base=base) for ends in runs]
    found = parts[0] if len(parts) == 1 else _merged(parts)
    states = _channels_of(found.pop("windows"), order=order, base=base)
    return TransitionCounts(channels=seen.channels, order=order, states=states, **found)


def _count(seen: Journeys, *, order: int, base: int) -> dict[str, Any]:
    """The columns of TransitionCounts, with windows, as numbers, in place of states."""
    windows, first, last = _windows(seen, order=order, base=base)
    state, window = dense(windows, size=base**order)
    n_states = len(window)
    happened = seen.conversions + seen.nulls
    times = np.repeat(happened, _windows_per_journey(seen, order))
    moves = _moves(state, last, times, n_states)

    def per_state(where: Flags, weights: Floats) -> Floats:
        return sums_by(state[where], weights, groups=n_states)

    return {
        "windows": window,
        "starts": per_state(first, happened),
        "conversions": per_state(last, seen.conversions),
        "value": per_state(last, seen.value),
        "nulls": per_state(last, seen.nulls),
        **dict(zip(_MOVES, moves, strict=True)),
    }


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts of several runs of journeys, added up."""
    window, place = np.unique(np.concatenate([part["windows"] for part in parts]), return_inverse=True)
    places = np.split(place, np.cumsum([len(part["windows"]) for part in parts])[:-1])
    found = {
        name: sums_by(place, np.concatenate([part[name] for part in parts]), groups=len(window))
        for name in ("starts", "conversions", "value", "nulls")
    }
    ends = (
        np.concatenate([where[part[name]] for where, part in zip(places, parts, strict=True)])
        for name in ("source", "target")
    )
    moves = _summed(tuple(ends), np.concatenate([part["count"] for part in parts]), len(window))
    return {"windows": window, **found, **dict(zip(_MOVES, moves, strict=True))}


def windows_of(journeys: Journeys, counts: TransitionCounts) -> tuple[Ints, Flags]:
    """(n_windows,) the state of every window of journeys, one journey after the other, and whether it is the
    first of its journey. journeys: some of those that were counted, each with a touch.
    """
    base = len(counts.channels) + 1
    windows, first, _ = _windows(journeys, order=counts.order, base=base)
    places = base ** np.arange(counts.order - 1, -1, -1, dtype=np.int64)
    numbers = (counts.states.astype(np.int64) + 1) @ places
    which, found = dense(windows, size=base**counts.order)
    order = np.argsort(numbers)
    state: Ints = order[np.searchsorted(numbers, found, sorter=order)][which]
    return state, first


def _windows_per_journey(journeys: Journeys, order: int) -> Ints:
    return np.maximum(journeys.lengths - order + 1, 1)


def _windows(journeys: Journeys, *, order: int, base: int) -> tuple[Codes | Ints, Flags, Flags]:
    """Every window as a number in base (channels + 1), oldest touch first, 0 for "no touch"; first and last
    of each.

    The windows of all touches are built at once, across journeys too; those that would run over the end of a
    journey are then dropped, and the single window of a short journey has its foreign digits cleared.
    """
    codes: Codes | Ints = journeys.codes
    digits = (codes if base**order < 2**31 else codes.astype(np.int64)) + 1
    numbers = digits * base ** (order - 1)
    for step in range(1, order):
        numbers[: max(0, len(digits) - step)] += digits[step:] * base ** (order - 1 - step)
    whole = np.ones(len(digits), dtype=np.bool_)
    for length in range(1, order):
        whole[journeys.offsets[1:][journeys.lengths > length] - length] = False
        short = journeys.offsets[:-1][journeys.lengths == length]
        numbers[short] -= numbers[short] % base ** (order - length)
    ends = np.cumsum(_windows_per_journey(journeys, order))
    first = np.zeros(int(whole.sum()), dtype=np.bool_)
    last = np.zeros_like(first)
    last[ends - 1] = True
    first[0:1] = True
    first[ends[:-1]] = True
    return numbers[whole], first, last


def dense(numbers: Codes | Ints, *, size: int) -> tuple[Codes | Ints, Ints]:
    """(place of each number among those that differ, which these are, ascending); by a table of all numbers
    where that is small.
    """
    if size > max(1 << 16, numbers.size):
        window, state = np.unique(numbers, return_inverse=True)
        return state, window.astype(np.int64)
    seen = np.zeros(size, dtype=np.bool_)
    seen[numbers] = True
    return (np.cumsum(seen, dtype=np.int32) - 1)[numbers], np.flatnonzero(seen)


def _moves(state: Codes | Ints, last: Flags, happened: Floats, n_states: int) -> tuple[Ints, Ints, Floats]:
    """Moves between unlike neighbours of the same journey, summed."""
    moved = (state[1:] != state[:-1]) & ~last[:-1]
    pairs = (state[:-1][moved], state[1:][moved])
    if n_states**2 <= max(1 << 12, len(state)):
        cells = sums_by(pairs[0] * n_states + pairs[1], happened[:-1][moved], groups=n_states**2)
        cell = np.flatnonzero(cells)
        return cell // n_states, cell % n_states, cells[cell]
    return _summed(pairs, happened[:-1][moved], n_states)


def _summed(pairs: tuple[Codes | Ints, ...], times: Floats, n_states: int) -> tuple[Ints, Ints, Floats]:
    """Each pair of states once."""
    table = sparse.coo_array((times, pairs), shape=(n_states, n_states)).tocsr()
    table.sum_duplicates()
    found = table.tocoo()
    return found.row.astype(np.int64), found.col.astype(np.int64), found.data


def _channels_of(window: Ints, *, order: int, base: int) -> Codes:
    places = [(window // base ** (order - 1 - step)) % base - 1 for step in range(order)]
    return np.stack(places, axis=1).astype(np.int32)


def _check_order(order: int) -> None:
    if order not in range(1, MOST_ORDER + 1):
        raise ValueError(f"order must be 1 to {MOST_ORDER}; got {order}")


def _check_shapes(counts: TransitionCounts) -> None:
    if counts.states.shape != (counts.n_states, counts.order):
        raise ValueError(f"states needs shape (n_states, {counts.order}); got {counts.states.shape}")
    sizes = dict.fromkeys(("starts", "conversions", "value", "nulls"), counts.n_states)
    sizes |= dict.fromkeys(("source", "target", "count"), len(counts.count))
    for name, size in sizes.items():
        array = getattr(counts, name)
        if array.shape != (size,) or not np.isfinite(array).all():
            raise ValueError(f"{name} needs finite numbers of shape ({size},); got shape {array.shape}")
        if name != "value" and (array < 0).any():
            raise ValueError(f"{name}[{int((array < 0).argmax())}] is negative")


def _check_codes(counts: TransitionCounts) -> None:
    unknown = (counts.states < ABSENT) | (counts.states >= len(counts.channels))
    unknown[:, 0] |= counts.states[:, 0] == ABSENT
    if unknown.any():
        raise ValueError(f"states[{int(unknown.any(axis=1).argmax())}] holds an unknown channel")
    base = len(counts.channels) + 1
    places = base ** np.arange(counts.order, dtype=np.int64)
    if len(np.unique((counts.states + 1) @ places)) < counts.n_states:
        raise ValueError("states holds a state twice")
    for name in ("source", "target"):
        outside = getattr(counts, name) >= counts.n_states
        if outside.any():
            raise ValueError(f"{name}[{int(outside.argmax())}] is no state")


def _check_flow(counts: TransitionCounts) -> None:
    entered = counts.starts + np.bincount(counts.target, weights=counts.count, minlength=counts.n_states)
    left = counts.departures
    astray = np.abs(entered - left) > 1e-9 * np.maximum(1.0, entered)
    if astray.any():
        state = int(astray.argmax())
        raise ValueError(f"state {state} is entered {entered[state]:g} times and left {left[state]:g} times")
