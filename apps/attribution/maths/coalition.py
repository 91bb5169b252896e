"""The Shapley game of one journey: what its own channels achieve together and apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import factorial

import numpy as np

from .journeys import Floats, Ints, Journeys, sums_by

MOST_MEMBERS = 15  # 2 ** 15 coalitions: about 5 ms


class Basis(StrEnum):
    """What the shares rest on. Every basis but the first two is the equal split, and says why."""

    RATES = "coalition_rates"
    RATES_FLOORED = "coalition_rates_floored"  # a channel that lowered the rate earns nothing
    TOO_LITTLE_DATA = "equal_too_little_data"
    NO_CONVERSIONS = "equal_no_conversions"
    TOO_MANY_CHANNELS = "equal_too_many_channels"


@dataclass(frozen=True, eq=False, kw_only=True)
class Coalition:
    """members: (k,) distinct channel codes, ascending. shares: (k,) in [0, 1], summing to 1.

    values: (k,) Shapley values of the conversion rate, before flooring and scaling; they sum to grand_rate.
    None when the shares are the equal split. fewest_journeys: journeys behind the thinnest coalition.
    """

    members: tuple[int, ...]
    shares: Floats
    values: Floats | None
    grand_rate: float | None
    fewest_journeys: float
    basis: Basis


def coalition_game(journeys: Journeys, members: Sequence[int], *, min_journeys: float = 30) -> Coalition:
    """Play the game among a journey's channels on the journeys of everyone.

    journeys: all journeys with conversions and nulls; channel_sets(...).journeys makes repeated games fast.
    members: channel codes of the journey, at least one, repeats allowed.
    min_journeys: fewest journeys behind each non-empty coalition; below it the shares are the equal split. 30
    keeps the standard error of a rate under 0.5 / sqrt(30) = 9 points.
    Raises ValueError for no members or an unknown code.

    v(S) = conversions / journeys over the journeys whose channel set is a subset of S, v(nothing) = 0;
    phi_c = sum over S without c of |S|! (k - |S| - 1)! / k! * (v(S + c) - v(S)).
    Negative phi (the channel lowers the rate) count as 0, then shares = phi / sum(phi).
    Source: Shapley 1953; the subset sums are Yates' 1937 transform.
    """
    distinct = tuple(sorted({int(code) for code in members}))
    if not distinct or distinct[0] < 0 or distinct[-1] >= len(journeys.channels):
        raise ValueError(
            f"members needs channel codes from 0 to {len(journeys.channels) - 1}; got {list(members)}"
        )
    if len(distinct) > MOST_MEMBERS:
        return _equal(distinct, Basis.TOO_MANY_CHANNELS, fewest=0.0)
    converted, total = _coalition_counts(journeys, distinct)
    fewest = float(total[1:].min())
    if fewest < min_journeys or fewest == 0:
        return _equal(distinct, Basis.TOO_LITTLE_DATA, fewest=fewest)
    rates = np.concatenate([[0.0], converted[1:] / total[1:]])
    values = shapley_values(rates)
    floored = np.maximum(values, 0.0)
    if not floored.any():
        return _equal(distinct, Basis.NO_CONVERSIONS, fewest=fewest)
    return Coalition(
        members=distinct,
        shares=floored / floored.sum(),
        values=values,
        grand_rate=float(rates[-1]),
        fewest_journeys=fewest,
        basis=Basis.RATES_FLOORED if (values < 0).any() else Basis.RATES,
    )


def shapley_values(worth: Floats) -> Floats:
    """Shapley values of any game. worth: (2 ** k,) v(S), bit i of the index says whether player i is in S."""
    players = (len(worth) - 1).bit_length()
    coalitions = np.arange(len(worth))
    sizes = np.bitwise_count(coalitions)
    weight = np.array(
        [factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)]
    )
    values = np.empty(players)
    for player in range(players):
        without = coalitions[(coalitions >> player) & 1 == 0]
        values[player] = (weight[sizes[without]] * (worth[without | 1 << player] - worth[without])).sum()
    return values


def _coalition_counts(journeys: Journeys, members: tuple[int, ...]) -> tuple[Floats, Floats]:
    """(2 ** k,) conversions and (2 ** k,) journeys whose channels lie in each coalition."""
    bit = np.full(len(journeys.channels), -1, dtype=np.int64)
    bit[list(members)] = 1 << np.arange(len(members))
    touched = journeys.touched
    masks = _or_over_touches(bit[touched.codes], touched)
    inside = masks >= 0  # -1 has every bit set and swallows the rest: an outsider marks its journey
    size = 1 << len(members)
    converted = sums_by(masks[inside], touched.conversions[inside], groups=size)
    missed = sums_by(masks[inside], touched.nulls[inside], groups=size)
    return sum_subsets(converted), sum_subsets(converted + missed)


def _or_over_touches(bits: Ints, journeys: Journeys) -> Ints:
    if not journeys.n_journeys:
        return np.zeros(0, dtype=np.int64)
    return np.bitwise_or.reduceat(bits, journeys.offsets[:-1])


def sum_subsets(counts: Floats) -> Floats:
    """(2 ** k,) sum of counts over all subsets of each coalition, one player at a time."""
    summed = counts.copy()
    players = (len(counts) - 1).bit_length()
    for player in range(players):
        halves = summed.reshape(-1, 2, 1 << player)
        halves[:, 1] += halves[:, 0]
    return summed


def _equal(members: tuple[int, ...], basis: Basis, *, fewest: float) -> Coalition:
    return Coalition(
        members=members,
        shares=np.full(len(members), 1.0 / len(members)),
        values=None,
        grand_rate=None,
        fewest_journeys=fewest,
        basis=basis,
    )
