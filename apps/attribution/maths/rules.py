"""The rules: each says what share of a journey's conversion each of its touches earns.

Every rule takes journeys and returns (n_touches,) weights >= 0 that sum to 1 over each journey with a touch.
Credit of a touch is its weight times the journey's conversions (or value); a channel's credit sums its
touches.
"""

from __future__ import annotations

import numpy as np

from .journeys import Flags, Floats, Ints, Journeys

HALF_LIFE_DAYS = 7.0
DIRECT_CHANNEL = "direct"
ENDS_SHARE, MIDDLE_SHARE = 0.4, 0.2


def first_touch(journeys: Journeys) -> Floats:
    """All to the first touch."""
    return _all_to(journeys, journeys.offsets[:-1][journeys.lengths > 0])


def last_touch(journeys: Journeys) -> Floats:
    """All to the last touch."""
    return _all_to(journeys, journeys.offsets[1:][journeys.lengths > 0] - 1)


def last_non_direct(journeys: Journeys, *, direct_channel: str = DIRECT_CHANNEL) -> Floats:
    """All to the last touch that is not direct; to the last touch where every touch is direct.

    direct_channel: the name that stands for typed-in and bookmarked visits; without such a channel this is
    last_touch.
    """
    if direct_channel not in journeys.channels:
        return last_touch(journeys)
    direct = journeys.codes == journeys.channels.index(direct_channel)
    touched = journeys.lengths > 0
    last = journeys.offsets[1:][touched] - 1
    if not last.size:
        return last_touch(journeys)
    named = np.maximum.reduceat(
        np.where(direct, -1, np.arange(journeys.n_touches)), journeys.offsets[:-1][touched]
    )
    return _all_to(journeys, np.where(named < 0, last, named))


def linear(journeys: Journeys) -> Floats:
    """The same to every touch: 1 / n."""
    return np.repeat(_one_over(journeys.lengths), journeys.lengths)


def time_decay(journeys: Journeys, *, half_life_days: float = HALF_LIFE_DAYS) -> Floats:
    """Halve the weight with every half-life between the touch and the conversion.

    half_life_days: days, finite, > 0. Raises ValueError for another, or for journeys without ages.

    w_i = 2 ** (-(age_i - min age) / half_life), divided by the journey's sum. Subtracting the youngest age
    cancels in the ratio and keeps old journeys from underflowing to 0 / 0.
    Source: exponential decay as in Google Ads (half-life of 7 days); see docs/models/rules.md.
    """
    if not (half_life_days > 0 and np.isfinite(half_life_days)):
        raise ValueError(f"half_life_days must be finite and > 0; got {half_life_days}")
    if journeys.age_days is None:
        raise ValueError("time_decay needs age_days: aggregated paths have no times")
    starts = journeys.offsets[:-1][journeys.lengths > 0]
    if not starts.size:
        return np.zeros(0)
    lengths = journeys.lengths[journeys.lengths > 0]
    youngest = np.minimum.reduceat(journeys.age_days, starts)
    weights: Floats = np.exp2((np.repeat(youngest, lengths) - journeys.age_days) / half_life_days)
    weights /= np.repeat(np.add.reduceat(weights, starts), lengths)
    return weights


def position_based(journeys: Journeys) -> Floats:
    """40 % to the first touch, 40 % to the last, 20 % shared by those between; .5 / .5 for two, 1 for one.

    Source: the "position based" model of Google Analytics, as in DP6 2.1.1 and google/fractribution.
    """
    lengths, starts = journeys.lengths, journeys.offsets[:-1]
    middle = MIDDLE_SHARE * _one_over(np.maximum(lengths - 2, 0))
    ends = np.where(lengths == 1, 1.0, np.where(lengths == 2, 0.5, ENDS_SHARE))
    weights = np.repeat(middle, lengths)
    touched = lengths > 0
    weights[starts[touched]] = ends[touched]
    weights[starts[touched] + lengths[touched] - 1] = ends[touched]
    return weights


def _all_to(journeys: Journeys, touches: Ints) -> Floats:
    weights = np.zeros(journeys.n_touches)
    weights[touches] = 1.0
    return weights


def _one_over(counts: Ints) -> Floats:
    """1 / count, and 0 where there is nothing to share among."""
    some: Flags = counts > 0
    return np.divide(1.0, counts, out=np.zeros(len(counts)), where=some)
