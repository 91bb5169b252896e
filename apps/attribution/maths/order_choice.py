"""How much of the way a chain should remember: the order that predicts journeys it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from .aggregation import unique_paths
from .journeys import Floats, Ints, Journeys, NoConversions, sums_by
from .transitions import MOST_ORDER

DOUBT = 1.0  # journeys' worth of the average step that every state is given before it has seen any
_SAME = 1e-9  # nats: nearer than this is rounding


@dataclass(frozen=True, eq=False, kw_only=True)
class OrderChoice:
    """order: the smallest within one standard error of the best.

    likelihoods: (4,) mean log-likelihood of a held-out journey under orders 1 to 4, in nats. behind,
    behind_errors: (4,) how far each is behind the best, and the standard error of that, over journeys.
    """

    order: int
    best: int
    journeys: int
    likelihoods: Floats
    behind: Floats
    behind_errors: Floats


def choose_order(journeys: Journeys, *, merged: Journeys | None = None) -> OrderChoice:
    """Predict each journey from all the others, under orders 1 to 4.

    merged: unique_paths(journeys).journeys, where the caller has it. Raises NoConversions where no journey
    with a touch converted.

    A journey's likelihood is that of each next channel given the last k (fewer at its start, which is told
    apart), and of how it ends. It is held out: what it did itself is taken from the counts first, exactly, so
    that there is no dealing by chance and the same journeys always give the same choice. A state is given
    DOUBT journeys of the average step: one that nobody else reached predicts as the average does, and a rare
    one hardly better. Of the orders within one standard error of the best, over journeys and pairwise, the
    smallest.
    Source: Hastie, Tibshirani, Friedman 2009, section 7.10 (leave-one-out, the one-standard-error rule).
    """
    if merged is not None and merged in _chosen:
        return _chosen[merged]
    found = _choose(merged or unique_paths(journeys).journeys)
    if merged is not None:
        _chosen[merged] = found
    return found


# Credit, its errors and what is said of them ask of the same paths one after the other.
_chosen: WeakKeyDictionary[Journeys, OrderChoice] = WeakKeyDictionary()


def _choose(paths: Journeys) -> OrderChoice:
    paths = paths.select((paths.lengths > 0) & (paths.conversions + paths.nulls > 0))
    if not paths.conversions.sum() > 0:
        raise NoConversions("no journey with a touch converted: a chain has nothing to credit")
    found = np.stack([_held_out(paths, order=order) for order in range(1, MOST_ORDER + 1)])
    times = np.concatenate([paths.conversions, paths.nulls])
    total = times.sum()
    likelihoods = found @ times / total
    best = int((likelihoods >= likelihoods.max() - _SAME).argmax())
    apart = found[best] - found
    behind = apart @ times / total
    errors = np.sqrt(np.maximum(apart**2 @ times / total - behind**2, 0.0) / total)
    order = int((behind <= errors + _SAME).argmax())
    return OrderChoice(
        order=order + 1,
        best=best + 1,
        journeys=round(float(total)),
        likelihoods=likelihoods,
        behind=behind,
        behind_errors=errors,
    )


def _held_out(paths: Journeys, *, order: int) -> Floats:
    """(2 * n_paths,) log-likelihood of a journey of each path that converts, and of each that does not."""
    steps, ends = _states(paths, order=order)
    outcomes = len(paths.channels) + 2
    events = [
        steps * outcomes + paths.codes,
        ends * outcomes + len(paths.channels),
        ends * outcomes + len(paths.channels) + 1,
    ]
    cell, place = np.unique(np.concatenate(events), return_inverse=True)
    of_step, of_win, of_miss = np.split(place, [len(steps), len(steps) + len(ends)])
    state_of_cell = np.unique(cell // outcomes, return_inverse=True)[1]
    happened = np.repeat(paths.conversions + paths.nulls, paths.lengths)
    times = np.concatenate([happened, paths.conversions, paths.nulls])
    counts = sums_by(place, times, groups=len(cell))
    seen = sums_by(state_of_cell, counts, groups=int(state_of_cell.max()) + 1)
    average = sums_by(cell % outcomes, counts, groups=outcomes) + 1.0
    average /= average.sum()

    def chance(event: Ints, own: Floats, own_visits: Floats) -> Floats:
        """Of each event, without what its own journey added to the counts."""
        others = np.maximum(counts[event] - own, 0.0)
        visits = np.maximum(seen[state_of_cell[event]] - own_visits, 0.0)
        logs: Floats = np.log((others + DOUBT * average[cell[event] % outcomes]) / (visits + DOUBT))
        return logs

    owner = paths.journey_of_touch
    visits, end_visits = _own(paths, owner, state_of_cell[of_step], state_of_cell[of_win])
    own, _ = _own(paths, owner, of_step, of_win)
    way = np.add.reduceat(chance(of_step, own, visits), paths.offsets[:-1])
    once = np.ones(paths.n_journeys)
    return np.concatenate([way + chance(event, once, end_visits) for event in (of_win, of_miss)])


def _own(paths: Journeys, owner: Ints, of_step: Ints, of_end: Ints) -> tuple[Floats, Floats]:
    """How often the journey of each step, and of each end, went through the same place."""
    size = int(max(of_step.max(), of_end.max())) + 1
    keys = np.concatenate([owner * size + of_step, np.arange(paths.n_journeys) * size + of_end])
    _, place, times = np.unique(keys, return_inverse=True, return_counts=True)
    own = times[place].astype(np.float64)
    return own[: len(of_step)], own[len(of_step) :]


def _states(paths: Journeys, *, order: int) -> tuple[Ints, Ints]:
    """What is remembered before each touch, and at the end of each path: the last channels as digits."""
    base = len(paths.channels) + 1
    digits = paths.codes.astype(np.int64) + 1
    place = np.arange(paths.n_touches) - np.repeat(paths.offsets[:-1], paths.lengths)
    before = np.zeros(paths.n_touches, dtype=np.int64)
    for back in range(1, order + 1):
        known = np.flatnonzero(place >= back)
        before[known] += digits[known - back] * base ** (back - 1)
    last = paths.offsets[1:] - 1
    ends = digits[last] + base * (before[last] % base ** (order - 1))
    return before, ends
