"""Shapley values of the game "conversions of the journeys whose channels lie in the coalition"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .journeys import Floats, Journeys, sums_by
from .repeats import repeats


@dataclass(frozen=True, eq=False, kw_only=True)
class OrderedShapley:
    """Ordered Shapley values: what each channel earns at each place of a journey.

    conversions, value: (n_channels, m). Column i is the touch i + 1; the last column also holds all later
    touches. A row sums to the channel's Shapley value.
    """

    channels: tuple[str, ...]
    conversions: Floats
    value: Floats


def shapley(journeys: Journeys) -> Floats:
    """Split each journey equally over its distinct channels, and a channel's share over its touches.

    Returns (n_touches,) weights that sum to 1 over each journey with a touch.

    With v(S) = conversions of journeys whose channel set is a subset of S, the game is a sum of unanimity
    games, one for each observed set T with R(T) conversions, so that phi_c = sum over T holding c of R(T) /
    |T|: exact for any number of channels. What did not convert has no say in v, and so none in the credit.
    Source: Zhao, Mahboobi, Bagheri 2018, "Shapley Value Methods for Attribution Modeling".
    """
    found = repeats(journeys)
    return 1.0 / (found.times * np.repeat(found.distinct, journeys.lengths))


def shapley_by_touch(journeys: Journeys, *, max_touches: int = 50) -> OrderedShapley:
    """Break each channel's Shapley value down by the place of the touch in its journey.

    max_touches: >= 1; touches beyond it are pooled in the last column.
    Raises ValueError for max_touches < 1.

    phi_c at touch i = sum over sets S holding c of R_i(S) / |S|, where R_i(S) counts the conversions of
    journeys with the set S and c at touch i; a channel with several touches in a journey splits its share
    equally over them.
    Source: Zhao, Mahboobi, Bagheri 2018, the ordered Shapley value.
    """
    if max_touches < 1:
        raise ValueError(f"max_touches must be >= 1; got {max_touches}")
    paid = journeys.converting
    columns = max(1, min(max_touches, int(paid.lengths.max(initial=0))))
    place = np.minimum(np.arange(paid.n_touches) - np.repeat(paid.offsets[:-1], paid.lengths), columns - 1)
    cell, weights = paid.codes * np.int64(columns) + place, shapley(paid)
    shape = (len(paid.channels), columns)

    def table(per_journey: Floats) -> Floats:
        earned = weights * np.repeat(per_journey, paid.lengths)
        return sums_by(cell, earned, groups=shape[0] * columns).reshape(shape)

    return OrderedShapley(
        channels=paid.channels, conversions=table(paid.conversions), value=table(paid.value)
    )
