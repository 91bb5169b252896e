"""Removing steps and ways, against chains from which they were really removed."""

from dataclasses import replace

import numpy as np
import pytest

from apps.attribution.maths.aggregation import unique_paths
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.removal import Chain
from apps.attribution.maths.sequences import removals
from apps.attribution.maths.transitions import count_transitions

from . import market


@pytest.fixture(scope="module")
def paths():
    return unique_paths(market.market(1_500, np.random.default_rng(2))).journeys


def chance(chain, moves):
    return chain.start @ np.linalg.solve(np.eye(len(moves)) - moves, chain.reward[:, 0])


def test_a_pair_is_worth_what_the_chain_loses_without_its_arrow(paths):
    found = removals(paths, most=25)

    counts = count_transitions(paths, order=1)
    chain, states = Chain.of(counts), counts.states[:, 0].tolist()
    moves = chain.moves.toarray()
    for (first, second), effect in zip(found.pairs.tolist(), found.effects, strict=True):
        cut = moves.copy()
        cut[states.index(first), states.index(second)] = 0
        assert effect == pytest.approx(1 - chance(chain, cut) / chance(chain, moves), abs=1e-12)
    assert (np.diff(found.effects) <= 0).all()


def test_of_journeys_of_one_channel_a_way_is_worth_its_share_of_them():
    journeys = Journeys.of_paths([["a"], ["b"], ["a", "b"]], conversions=[3, 1, 0], nulls=[1, 5, 2])

    found = removals(journeys, most=5, ways=[(0,), (1,), (0, 1), (1, 0)])

    # b converts 1 time of 8; who starts at a goes on to b 2 times of 6, and converts at a 3 times.
    p = 4 / 12 + 8 / 12 * 0
    first = 6 / 12 * (3 / 6 + 2 / 6 * 1 / 8)
    assert found.path_effects == pytest.approx([first / p, 6 / 12 / 8 / p, 6 / 12 * 2 / 6 / 8 / p, 0])
    assert (found.path_low <= found.path_effects).all()
    assert (found.path_effects <= found.path_high).all()


def without_way(chain, moves, way):
    """The chance of the chain in which whoever has gone exactly this way from the start is lost: each step of
    the way is a state of its own, and leaving the way leads back to the plain ones.
    """
    n, m = len(moves), len(way)
    wide, start = np.zeros((n + m, n + m)), np.concatenate([chain.start, np.zeros(m)])
    wide[:n, :n] = moves
    start[n], start[way[0]] = chain.start[way[0]], 0.0
    for step, (here, onward) in enumerate(zip(way, [*way[1:], None], strict=True)):
        if onward is not None:
            wide[n + step, :n] = moves[here]
            wide[n + step, onward], wide[n + step, n + step + 1] = 0.0, moves[here, onward]
    reward = np.concatenate([chain.reward[:, 0], chain.reward[list(way), 0]])
    reward[n + m - 1] = 0.0
    return start @ np.linalg.solve(np.eye(n + m) - wide, reward)


def test_a_way_is_worth_what_is_lost_when_it_leads_nowhere(paths):
    counts = count_transitions(paths, order=1)
    chain, states = Chain.of(counts), counts.states[:, 0].tolist()
    moves = chain.moves.toarray()
    ways = [(0,), (1, 0), (2, 1, 3), (0, 1, 0, 1), (3, 2, 3)]

    found = removals(paths, most=5, ways=ways)

    for way, effect in zip(ways, found.path_effects, strict=True):
        lost = 1 - without_way(chain, moves, [states.index(code) for code in way]) / chance(chain, moves)
        assert effect == pytest.approx(lost, abs=1e-12)
    assert (found.path_effects > 0).any()


def test_intervals_of_pairs_are_as_wide_as_resampling_says(paths):
    found, rng, drawn = removals(paths, most=5), np.random.default_rng(0), []
    pairs = [tuple(pair) for pair in found.pairs.tolist()]
    for _ in range(150):
        again = removals(
            replace(
                paths,
                conversions=rng.poisson(paths.conversions).astype(float),
                nulls=rng.poisson(paths.nulls).astype(float),
                value=np.zeros(paths.n_journeys),
            ),
            most=25,
        )
        effects = dict(zip(map(tuple, again.pairs.tolist()), again.effects, strict=True))
        drawn.append([effects[pair] for pair in pairs])

    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(drawn, axis=0), rel=0.25)
