"""What attribution models predict: the probability that a journey converts, from its path so far.

A Markov chain is a model of how journeys end and says it by itself. The others divide conversions that have
happened; they predict nothing until their credit is turned into a score and the score is calibrated on the
journeys they learnt from. What is judged then is that reading of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import expit, logit

from .aggregation import channel_sets, unique_paths
from .journeys import Floats, Ints, Journeys, sums_by
from .models import MODELS, credit
from .prediction import SURELY, calibration
from .removal import Chain, DidNotConverge
from .shapley_rate import rate_game
from .transitions import MOST_ORDER, TransitionCounts, count_transitions

BASE = "base_rate"
# shapley_ordered credits channels as shapley does; markov_auto is one of the four orders.
SCORED = tuple(name for name, model in MODELS.items() if model.weigh and name != "shapley_ordered")
CHAINS = tuple(f"markov_{order}" for order in range(1, MOST_ORDER + 1))
RATES = "shapley_rate"
DOUBT = 10.0  # journeys' worth of the less specific guess that every state, or set, is given
SWEEPS = 5_000
_SETTLED = 1e-10

Predict = Callable[[Journeys], Floats]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Level:
    """One order of the chain: probability of converting from each state."""

    counts: TransitionCounts
    chance: Floats
    numbers: Ints
    by_number: Ints


def predictors(journeys: Journeys, so_far: Journeys) -> dict[str, Predict]:
    """By name of the model, what it predicts of paths so far.

    journeys: whole journeys to learn from, with age_days. so_far: earlier journeys as they stood at a moment,
    with what followed, to calibrate scores on. Raises NoConversions where nothing converted; ValueError or
    ArithmeticError for a chain that cannot be solved.
    """
    found: dict[str, Predict] = {BASE: _always(_rate(so_far))}
    chain = chains(journeys)
    for order, name in enumerate(CHAINS, start=1):
        found[name] = _of_order(chain, order)
    found[RATES] = _calibrated(_set_rates(journeys), so_far)
    for name in SCORED:
        found[name] = _calibrated(_added_credit(journeys, name), so_far)
    return found


def chains(journeys: Journeys) -> list[_Level]:
    """Orders 1 to 4, each with the probability of ending in a conversion from every state.

    h = Q h + r, by sweeps. Raises NoConversions, DidNotConverge.
    """
    merged = unique_paths(journeys).journeys
    return [_level(merged, order) for order in range(1, MOST_ORDER + 1)]


def _level(merged: Journeys, order: int) -> _Level:
    return _solved(count_transitions(merged, order=order))


def _solved(counts: TransitionCounts) -> _Level:
    chain = Chain.of(counts)
    reward = chain.reward[:, 0]
    chance, change = reward, np.inf
    for _ in range(SWEEPS):
        after = chain.moves @ chance + reward
        change = float(np.abs(after - chance).max(initial=0.0))
        chance = after
        if change < _SETTLED:
            break
    else:
        raise DidNotConverge(SWEEPS, change)
    base = len(counts.channels) + 1
    powers = base ** np.arange(counts.order - 1, -1, -1, dtype=np.int64)
    numbers = (counts.states.astype(np.int64) + 1) @ powers
    order = np.argsort(numbers)
    return _Level(counts=counts, chance=chance, numbers=numbers[order], by_number=order)


def _of_order(levels: list[_Level], order: int) -> Predict:
    """The last k touches decide; where they were seen rarely, the last k - 1, and so on to all."""

    def predict(paths: Journeys) -> Floats:
        told = np.full(paths.n_journeys, _mean_chance(levels[0]))
        for level in levels[:order]:
            chance, seen = _known(level, paths)
            told = (seen * chance + DOUBT * told) / (seen + DOUBT)
        return np.clip(told, SURELY, 1 - SURELY)

    return predict


def _mean_chance(level: _Level) -> float:
    starts = level.counts.starts
    return float(starts @ level.chance / starts.sum())


def _known(level: _Level, paths: Journeys) -> tuple[Floats, Floats]:
    """(n,) chance in the state that each path is in, and how often it was seen; 0 times where it is none.

    A path shorter than the order is in no state yet: it may still go on. The states in which journeys began
    like that stand for it, as often as they began there.
    """
    order, base = level.counts.order, len(level.counts.channels) + 1
    chance, seen = np.zeros(paths.n_journeys), np.zeros(paths.n_journeys)
    digits = paths.codes.astype(np.int64) + 1
    for length in range(1, order + 1):
        rows = np.flatnonzero(paths.lengths == length if length < order else paths.lengths >= order)
        if not rows.size:
            continue
        ends = paths.offsets[1:][rows]
        number = np.zeros(rows.size, dtype=np.int64)
        for back in range(length, 0, -1):
            number = number * base + digits[ends - back]
        chance[rows], seen[rows] = _looked_up(level, number, base ** (order - length))
    return chance, seen


def _looked_up(level: _Level, number: Ints, wide: int) -> tuple[Floats, Floats]:
    """Over the states whose first digits are `number`; wide: how many numbers share those."""
    weight = level.counts.departures if wide == 1 else level.counts.starts
    weight = weight[level.by_number]
    seen = np.concatenate([[0.0], np.cumsum(weight)])
    won = np.concatenate([[0.0], np.cumsum(weight * level.chance[level.by_number])])
    low = np.searchsorted(level.numbers, number * wide)
    high = np.searchsorted(level.numbers, (number + 1) * wide)
    times = seen[high] - seen[low]
    return np.divide(won[high] - won[low], times, out=np.zeros(len(times)), where=times > 0), times


def _set_rates(journeys: Journeys) -> Predict:
    """Rate of the journeys that touched just these channels; of a set that few took, nearer to the rate of
    all. rate_game plays with the same rates.
    """
    rate = rate_game(journeys).rate
    sets = channel_sets(journeys.touched).journeys
    times = sets.conversions + sets.nulls
    rates = (sets.conversions + DOUBT * rate) / (times + DOUBT)
    known = dict(zip(_keys(sets), rates.tolist(), strict=True))

    def predict(paths: Journeys) -> Floats:
        merged = channel_sets(paths)
        found = np.array([known.get(key, rate) for key in _keys(merged.journeys)])
        told: Floats = found[merged.path_of_journey]
        return told

    return predict


def _keys(sets: Journeys) -> list[tuple[int, ...]]:
    codes = sets.codes.tolist()
    ends = sets.offsets.tolist()
    return [tuple(sorted(codes[start:stop])) for start, stop in pairwise(ends)]


def _added_credit(journeys: Journeys, name: str) -> Predict:
    """Conversions that the model credits to a touch of each channel, added up over the path."""
    size = len(journeys.channels)
    credited = credit(journeys, name).conversions[:size]
    times = np.repeat(journeys.conversions + journeys.nulls, journeys.lengths)
    touches = sums_by(journeys.codes, times, groups=size)
    each = np.divide(credited, touches, out=np.zeros(size), where=touches > 0)

    def predict(paths: Journeys) -> Floats:
        added = sums_by(paths.journey_of_touch, each[paths.codes], groups=paths.n_journeys)
        told: Floats = np.clip(-np.expm1(-added), 1e-6, 1 - 1e-6)
        return told

    return predict


def _calibrated(score: Predict, so_far: Journeys) -> Predict:
    slope, shift = calibration(logit(np.clip(score(so_far), SURELY, 1 - SURELY)), so_far.conversions)

    def predict(paths: Journeys) -> Floats:
        told: Floats = expit(shift + slope * logit(np.clip(score(paths), SURELY, 1 - SURELY)))
        return told

    return predict


def _always(rate: float) -> Predict:
    return lambda paths: np.full(paths.n_journeys, rate)


def _rate(so_far: Journeys) -> float:
    return float(so_far.conversions.mean())
