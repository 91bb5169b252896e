"""Ways to simplify paths before crediting them, vectorised over all journeys.

Source: the path transforms of google/fractribution (Apache-2.0).
"""

from __future__ import annotations

import numpy as np

from .journeys import Flags, Journeys
from .repeats import repeats


def unique(journeys: Journeys) -> Journeys:
    """The path as it is."""
    return journeys


def exposure(journeys: Journeys) -> Journeys:
    """Collapse neighbours of the same channel into the first of them."""
    return journeys.keep(changes(journeys))


def changes(journeys: Journeys) -> Flags:
    """(n_touches,) is the touch the first of its journey, or of another channel than the one before?"""
    found = np.ones(journeys.n_touches, dtype=np.bool_)
    found[1:] = journeys.codes[1:] != journeys.codes[:-1]
    found[journeys.offsets[:-1][journeys.lengths > 0]] = True
    return found


def first(journeys: Journeys) -> Journeys:
    """Keep the first touch of each channel."""
    return journeys.keep(repeats(journeys).is_first)


def frequency(journeys: Journeys) -> Journeys:
    """Keep the first touch of each channel, renamed to say how often it came: email(3)."""
    found = repeats(journeys)
    kept = journeys.keep(found.is_first)
    times = found.times[found.is_first]
    most = int(times.max(initial=0)) + 1
    pairs, codes = np.unique(kept.codes * np.int64(most) + times, return_inverse=True)
    names = tuple(f"{journeys.channels[pair // most]}({pair % most})" for pair in pairs.tolist())
    return Journeys(
        channels=names,
        codes=codes,
        offsets=kept.offsets,
        conversions=kept.conversions,
        value=kept.value,
        nulls=kept.nulls,
        age_days=kept.age_days,
    )


def trim(journeys: Journeys, *, touches: int) -> Journeys:
    """Keep the last touches of each journey. touches: >= 1; ValueError for less."""
    return journeys.keep(among_last(journeys, touches=touches))


def among_last(journeys: Journeys, *, touches: int) -> Flags:
    """(n_touches,) is the touch among the last of its journey?"""
    if touches < 1:
        raise ValueError(f"touches must be >= 1; got {touches}")
    to_the_end = np.repeat(journeys.offsets[1:], journeys.lengths) - np.arange(journeys.n_touches)
    kept: Flags = to_the_end <= touches
    return kept


def remove_if_not_all(journeys: Journeys, *, channel: str) -> Journeys:
    """Drop a channel from every journey that has another one too."""
    return journeys.keep(not_beside_others(journeys, channel=channel))


def not_beside_others(journeys: Journeys, *, channel: str) -> Flags:
    """(n_touches,) is the touch of another channel, or of a journey that has no other?"""
    drop = _of(journeys, channel)
    return ~drop | _only(journeys, drop)


def remove_if_last_and_not_all(journeys: Journeys, *, channel: str) -> Journeys:
    """Drop a channel from the end of every journey that has another one too."""
    drop = _of(journeys, channel)
    touched = journeys.lengths > 0
    others = np.where(drop, -1, np.arange(journeys.n_touches))
    last_other = np.full(journeys.n_journeys, -1)
    if touched.any():
        last_other[touched] = np.maximum.reduceat(others, journeys.offsets[:-1][touched])
    ends = np.repeat(last_other, journeys.lengths)
    return journeys.keep((np.arange(journeys.n_touches) <= ends) | (ends < 0))


def _of(journeys: Journeys, channel: str) -> Flags:
    if channel not in journeys.channels:
        return np.zeros(journeys.n_touches, dtype=np.bool_)
    return np.equal(journeys.codes, journeys.channels.index(channel))


def _only(journeys: Journeys, drop: Flags) -> Flags:
    """(n_touches,) does the touch's journey hold nothing but what would be dropped?"""
    dropped = np.bincount(journeys.journey_of_touch[drop], minlength=journeys.n_journeys)
    return np.repeat(dropped == journeys.lengths, journeys.lengths)
