"""What is lost when journeys stop at a step, or after a way: removal effects of pairs and of whole paths.

Both speak of the chain of order 1, in which repeats in a row count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import linalg

from .intervals import share_interval
from .journeys import Floats, Ints, Journeys
from .removal import DENSE_STATES_ORDER_1, Chain
from .sensitivity import Solved, moves
from .transitions import TransitionCounts, count_transitions


@dataclass(frozen=True, eq=False, kw_only=True)
class Removals:
    """pairs: (n, 2) channel codes of the steps that carry most, best first. effects, low, high: (n,) the part
    of the conversions lost without the step, with its 95 % interval. path_effects, path_low, path_high: of
    the paths that were asked for.
    """

    pairs: Ints
    effects: Floats
    low: Floats
    high: Floats
    path_effects: Floats
    path_low: Floats
    path_high: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class _Solved1:
    """steps: N = (I - Q)^-1. visits: s'N. yields: N r. p: probability of conversion."""

    chain: Chain
    moves: Floats
    steps: Floats
    visits: Floats
    yields: Floats
    p: float


def removals(paths: Journeys, *, most: int, ways: Sequence[Sequence[int]] = ()) -> Removals:
    """Remove each step from one channel to another, and each of some ways from the start of a journey.

    paths: distinct paths with counts. most: how many pairs to tell. ways: channel codes, no repeats in a row.
    Raises NoConversions where no journey with a touch converted; ValueError for more than 3,000 channels.

    Pair A, B: all probability on the arrow A to B goes to null. With q its probability and b = N r,
    effect = s'N_A q b_B / (1 + q N_BA) / P(conversion): the probability that a converting journey takes the
    step at all (Sherman and Morrison 1950, so that one inverse serves all pairs). Interval: as of channels.
    Way c_1 … c_m: a journey that has gone exactly this way from its start goes to null:
    effect = s_c1 q_c1c2 … q_c(m-1)c(m) b_cm / P(conversion), the probability that a converting journey of
    the chain begins so. Interval: of that share of the conversions; the chain knows it at least as well.
    """
    seen = paths.select((paths.lengths > 0) & (paths.conversions + paths.nulls > 0))
    counts = count_transitions(seen, order=1)
    if counts.n_states > DENSE_STATES_ORDER_1:
        raise ValueError(f"{counts.n_states:,} channels are too many for steps between them")
    solved = _solve(counts)
    effects = _pair_effects(solved)
    best = np.argsort(-effects, axis=None, kind="stable")[:most]
    chosen = best[effects.ravel()[best] > 0]
    first, second = np.unravel_index(chosen, effects.shape)
    found = effects[first, second]
    events = float(counts.conversions.sum())
    low, high = share_interval(found, _pair_errors(seen, counts, solved, first, second), events=events)
    begun = np.array([_way_effect(counts, solved, way) for way in ways])
    spread = np.sqrt(np.maximum(begun * (1 - begun), 0.0) / events)
    path_low, path_high = share_interval(begun, spread, events=events)
    channel = counts.states[:, 0]
    return Removals(
        pairs=np.stack([channel[first], channel[second]], axis=1).astype(np.int64),
        effects=found,
        low=low,
        high=high,
        path_effects=begun,
        path_low=path_low,
        path_high=path_high,
    )


def _solve(counts: TransitionCounts) -> _Solved1:
    chain = Chain.of(counts)
    dense = chain.moves.toarray()
    steps = linalg.inv(np.eye(counts.n_states) - dense)
    yields = steps @ chain.reward[:, 0]
    return _Solved1(
        chain=chain,
        moves=dense,
        steps=steps,
        visits=chain.start @ steps,
        yields=yields,
        p=float(chain.start @ yields),
    )


def _pair_effects(solved: _Solved1) -> Floats:
    """(n_states, n_states) of each arrow."""
    lost = solved.visits[:, None] * solved.moves * solved.yields / (1 + solved.moves * solved.steps.T)
    return lost / solved.p


def _pair_errors(
    seen: Journeys, counts: TransitionCounts, solved: _Solved1, first: Ints, second: Ints
) -> Floats:
    """By how far each effect moves with a journey more. Column 0 is the whole chain."""
    killed = solved.moves[first, second] / (1 + solved.moves[first, second] * solved.steps[second, first])
    worth = solved.yields[:, None] - solved.steps[:, first] * (killed * solved.yields[second])
    visits = solved.visits[:, None] - solved.steps[second].T * (killed * solved.visits[first])
    worth = np.concatenate([solved.yields[:, None], worth], axis=1)
    visits = np.concatenate([solved.visits[:, None], visits], axis=1)
    kept = solved.chain.start @ worth
    nothing = np.zeros_like(worth)
    adjoint = Solved(
        worth=np.stack([worth, nothing]),
        ahead=np.stack([worth, nothing]),
        pull=visits / np.maximum(counts.departures, 1e-300)[:, None],
        kept=np.stack([kept, np.zeros_like(kept)]),
        journeys=float(counts.starts.sum()),
        killed=tuple(
            (place + 1, int(a), int(b)) for place, (a, b) in enumerate(zip(first, second, strict=True))
        ),
    )
    variance = np.zeros(len(first))
    for run in moves(seen, counts, adjoint):
        missed = run.missed[0]
        for times, moved in ((seen.nulls, missed), (seen.conversions, missed + run.at_end)):
            effect = moved[:, :1] * kept[1:] / kept[0] ** 2 - moved[:, 1:] / kept[0]
            variance += times[run.paths] @ effect**2
    errors: Floats = np.sqrt(variance)
    return errors


def _way_effect(counts: TransitionCounts, solved: _Solved1, way: Sequence[int]) -> float:
    state = {int(code): place for place, code in enumerate(counts.states[:, 0])}
    if not way or any(code not in state for code in way):
        return 0.0
    places = [state[code] for code in way]
    chance = float(solved.chain.start[places[0]])
    for a, b in pairwise(places):
        chance *= float(solved.moves[a, b])
    return chance * float(solved.yields[places[-1]]) / solved.p
