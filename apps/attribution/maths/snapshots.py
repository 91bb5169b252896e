"""Journeys as they stood at one moment, and whether a conversion followed: what predictions learn from.

A snapshot is a person at a moment m: the touches in (m - look-back, m] are the journey so far, which is what
a conversion at m would be credited to; a conversion in [m, m + look-back) is what is to be predicted. It is
settled once that window has passed: before, nobody can say that nothing followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .journeys import Flags, Floats, Ints, Journeys

US_PER_DAY = 86_400_000_000
KEPT_SHARE = 0.5
DELAYED_SHARE = 0.5
_GOLDEN = 0x9E3779B97F4A7C15
_COIN, _WAITS, _HOW_LONG, _GROUP = 1, 2, 3, 4


@dataclass(frozen=True, eq=False, kw_only=True)
class History:
    """Touches, and conversions, each sorted by person and then time.

    person, at_us, channel, platform: (n_touches,) whole numbers; channel and platform are codes.
    won_person, won_at_us: (n_conversions,). is_once: only a person's first conversion counts, and nobody is
    looked at after it.
    """

    person: Ints
    at_us: Ints
    channel: Ints
    platform: Ints
    won_person: Ints
    won_at_us: Ints
    is_once: bool = False

    @classmethod
    def of(
        cls,
        *,
        person: NDArray[Any],
        at_us: NDArray[Any],
        channel: NDArray[Any],
        platform: NDArray[Any],
        won_person: NDArray[Any],
        won_at_us: NDArray[Any],
        is_once: bool = False,
    ) -> History:
        """Sort what came in any order; equal times keep it."""
        order, won = np.lexsort((at_us, person)), np.lexsort((won_at_us, won_person))
        if is_once:
            first = np.ones(len(won), dtype=np.bool_)
            first[1:] = won_person[won][1:] != won_person[won][:-1]
            won = won[first]
        return cls(
            person=person[order].astype(np.int64),
            at_us=at_us[order].astype(np.int64),
            channel=channel[order].astype(np.int64),
            platform=platform[order].astype(np.int64),
            won_person=won_person[won].astype(np.int64),
            won_at_us=won_at_us[won].astype(np.int64),
            is_once=is_once,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Snapshots:
    """person, at_us: (n,) whose, and the moment; first, last: (n,) the journey so far is history's touches
    first up to last. has_converted: (n,) a conversion followed within the look-back, as far as is known.
    """

    history: History
    lookback_us: int
    person: Ints
    at_us: Ints
    first: Ints
    last: Ints
    has_converted: Flags

    def __len__(self) -> int:
        return len(self.person)

    @property
    def outcome(self) -> Floats:
        return self.has_converted.astype(np.float64)

    @property
    def lengths(self) -> Ints:
        return self.last - self.first

    @property
    def owner(self) -> Ints:
        """(n_touches,) the snapshot of each touch of `touches`."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def touches(self) -> Ints:
        """(n_touches,) places in the history of all touches, one snapshot after the other."""
        starts = np.cumsum(self.lengths) - self.lengths
        return np.arange(int(self.lengths.sum())) + np.repeat(self.first - starts, self.lengths)

    def settled(self, until_us: int) -> Flags:
        """(n,) had the window passed by then?"""
        passed: Flags = self.at_us + self.lookback_us <= until_us
        return passed

    def select(self, wanted: Flags) -> Snapshots:
        """Keep some. wanted: (n,) bool."""
        names = ("person", "at_us", "first", "last", "has_converted")
        return replace(self, **{name: getattr(self, name)[wanted] for name in names})

    def paths(self, channels: Sequence[str]) -> Journeys:
        """The journeys so far, as journeys that converted or did not."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        touches = self.touches
        age_us = np.repeat(self.at_us, self.lengths) - self.history.at_us[touches]
        return Journeys(
            channels=tuple(channels),
            codes=self.history.channel[touches].astype(np.int32),
            offsets=offsets,
            conversions=self.outcome,
            value=np.zeros(len(self)),
            nulls=1.0 - self.outcome,
            age_days=age_us / US_PER_DAY,
        )


def at_moments(history: History, person: Ints, at_us: Ints, *, lookback_days: float) -> Snapshots:
    """Look at people at given moments; those without a touch in the look-back have an empty journey.

    person, at_us: (n,) any order. Raises ValueError for a look-back <= 0.
    """
    if not lookback_days > 0:
        raise ValueError(f"lookback_days must be > 0; got {lookback_days}")
    window = round(lookback_days * US_PER_DAY)
    shelf = (history.person, history.at_us)
    won = (history.won_person, history.won_at_us)
    return Snapshots(
        history=history,
        lookback_us=window,
        person=person,
        at_us=at_us,
        first=places(*shelf, person, at_us - window),
        last=places(*shelf, person, at_us),
        has_converted=places(*won, person, at_us + window - 1) > places(*won, person, at_us - 1),
    )


def sample(history: History, *, lookback_days: float, is_delayed: bool, is_spaced: bool = True) -> Snapshots:
    """Look at each person now and then: at most once per look-back, so that outcomes do not overlap.

    A coin (KEPT_SHARE) is tossed for every touch; the first that shows heads is looked at, and the next one
    at least a look-back later. is_spaced: False looks at all heads, which tells more to learn from, but not
    independently. is_delayed: half of them not at once but some time after, up to the look-back
    and more often soon (look-back * u ** 2). Whether and when somebody is looked at depends on what had
    happened by then and on luck alone, never on what follows: rates among the sampled are the true ones.
    The luck is a hash of the person and the moment, so the same history gives the same sample.
    """
    window = round(lookback_days * US_PER_DAY)
    lot = _mixed(history.person, _COIN) ^ history.at_us.astype(np.uint64)
    kept = np.flatnonzero(_lots(lot, _COIN) < KEPT_SHARE)
    at_us = history.at_us[kept]
    if is_delayed:
        waits = _lots(lot[kept], _WAITS) < DELAYED_SHARE
        wait = np.floor(window * _lots(lot[kept], _HOW_LONG) ** 2).astype(np.int64)
        at_us = at_us + np.where(waits, wait, 0)
    chosen = _renewed(history.person[kept], at_us, window) if is_spaced else np.arange(kept.size)
    found = at_moments(history, history.person[kept][chosen], at_us[chosen], lookback_days=lookback_days)
    if not history.is_once:
        return found
    before = places(history.won_person, history.won_at_us, found.person, found.at_us - 1)
    return found.select(before == np.searchsorted(history.won_person, found.person))


def groups(person: Ints) -> Floats:
    """(n,) in [0, 1), the same for a person for ever: who is learnt from, and who is held out."""
    return _lots(person.astype(np.uint64), _GROUP)


def places(person: Ints, at_us: Ints, of: Ints, moments: Ints) -> Ints:
    """(n,) the place after the last row of each person `of` at or before each moment.

    person, at_us: rows sorted by person and then time. A binary search in each person's own rows, all at
    once.
    """
    low, high = np.searchsorted(person, of, side="left"), np.searchsorted(person, of, side="right")
    while (open_ := np.flatnonzero(low < high)).size:
        middle = (low[open_] + high[open_]) // 2
        is_before = at_us[middle] <= moments[open_]
        low[open_[is_before]] = middle[is_before] + 1
        high[open_[~is_before]] = middle[~is_before]
    return low.astype(np.int64)


def _renewed(person: Ints, at_us: Ints, window: int) -> Ints:
    """Places of each person's first moment, the first one at least a window after that, and so on."""
    left = np.lexsort((at_us, person))
    number = np.unique(person, return_inverse=True)[1]
    free_at = np.zeros(len(person), dtype=np.int64)
    chosen = []
    while left.size:
        opens = np.ones(left.size, dtype=np.bool_)
        opens[1:] = person[left][1:] != person[left][:-1]
        chosen.append(left[opens])
        free_at[number[left[opens]]] = at_us[left[opens]] + window
        left = left[at_us[left] >= free_at[number[left]]]
    return np.sort(np.concatenate(chosen)) if chosen else left


def _mixed(numbers: NDArray[Any], salt: int) -> NDArray[np.uint64]:
    """splitmix64: Steele, Lea, Flood 2014."""
    mixed = numbers.astype(np.uint64) + np.uint64((salt + 1) * _GOLDEN % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _lots(numbers: NDArray[Any], salt: int) -> Floats:
    lots: Floats = (_mixed(numbers, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return lots
