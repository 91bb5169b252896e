"""The game of conversion rates, against exact vectors, by sampling, and its derivative."""

from dataclasses import replace

import numpy as np
import pytest

from apps.attribution.maths import shapley_rate
from apps.attribution.maths.journeys import Journeys, NoConversions
from apps.attribution.maths.models import credit
from apps.attribution.maths.shapley_rate import game_moves, rate_game

from .vectors import journeys_of, load, synthetic

CASES = [case for case in load("shapley_small.json")["cases"] if "subset_rate" in case.get("shapley", {})]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_values_are_the_exact_fractions_of_the_vectors(case):
    game = rate_game(journeys_of(case["paths"]))

    exact = {channel: value["float"] for channel, value in case["shapley"]["subset_rate"].items()}
    assert dict(zip(game.channels, game.values, strict=True)) == pytest.approx(exact, abs=1e-12)
    assert game.values.sum() == pytest.approx(game.rate)


def test_values_are_those_of_the_10k_vectors():
    game, expected = rate_game(synthetic()), load("synthetic_10k_expected.json")

    values = dict(zip(game.channels, game.values, strict=True))
    assert values == pytest.approx(expected["shapley_subset_rate"], abs=1e-12)
    assert game.rate == pytest.approx(expected["shapley_subset_rate_grand_coalition"], abs=1e-15)
    lowering = {channel for channel, value in expected["shapley_subset_rate"].items() if value < 0}
    assert {game.channels[code] for code in np.flatnonzero(game.floored)} == lowering != set()


def test_a_channel_that_lowers_the_rate_earns_nothing_and_the_rest_is_scaled():
    earned = credit(synthetic(), "shapley_rate")
    game = rate_game(synthetic())

    floored = np.maximum(game.values, 0)
    assert earned.conversions == pytest.approx(floored / floored.sum() * 1949)
    assert earned.conversions[earned.channels.index("organic_search")] == 0
    assert earned.value.sum() == pytest.approx(87158.75)


def many_channels(players: int, journeys: int = 3_000) -> Journeys:
    rng = np.random.default_rng(players)
    lengths = rng.integers(1, 5, journeys)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    codes = rng.integers(0, players, offsets[-1]).astype(np.int32)
    won = (rng.random(journeys) < 0.05 + 0.02 * np.maximum.reduceat(codes, offsets[:-1]) / players).astype(
        float
    )
    return Journeys(
        channels=tuple(map(str, range(players))),
        codes=codes,
        offsets=offsets,
        conversions=won,
        value=won * 10,
        nulls=1 - won,
    )


def test_sampled_values_lie_within_their_stated_error_of_the_exact_ones(monkeypatch):
    journeys = many_channels(9)
    exact = rate_game(journeys)
    monkeypatch.setattr(shapley_rate, "MOST_EXACT", 5)

    sampled = rate_game(journeys, permutations=2_000)

    assert (exact.permutations, sampled.permutations) == (0, 2_000)
    off = np.abs(sampled.values - exact.values) / sampled.sampling_errors[0]
    assert (off < 4).all()
    assert np.sqrt((off**2).mean()) < 2
    assert sampled.values.sum() == pytest.approx(exact.rate)


def test_above_20_channels_orders_are_sampled_and_the_answer_stays_the_same():
    journeys = many_channels(22, journeys=500)

    first, second = rate_game(journeys), rate_game(journeys)

    assert first.permutations > 0
    assert (first.values == second.values).all()
    assert (first.sampling_errors[0] > 0).all()


@pytest.mark.parametrize("is_sampled", [False, True])
def test_values_move_as_the_derivative_says(monkeypatch, is_sampled):
    journeys, step = many_channels(5), 1e-5
    found = game_moves(journeys)
    if is_sampled:
        monkeypatch.setattr(shapley_rate, "MOST_EXACT", 3)
        sampled = game_moves(journeys)
        assert sampled.outcome == pytest.approx(found.outcome, abs=0.25 * np.abs(found.outcome).max())
        return
    before, row = rate_game(journeys), found.set_of_path[7]
    more = np.zeros(journeys.n_journeys)
    more[7] = step
    won = rate_game(
        replace(journeys, conversions=journeys.conversions + more, value=journeys.value + 3 * more)
    )
    lost = rate_game(replace(journeys, nulls=journeys.nulls + more))

    assert (won.values - before.values) / step == pytest.approx(
        found.outcome[row] - found.level[row], abs=1e-7
    )
    assert (lost.values - before.values) / step == pytest.approx(-found.level[row], abs=1e-7)
    assert (won.value_values - before.value_values) / step == pytest.approx(
        3 * found.outcome[row] - found.value_level[row], abs=1e-6
    )


def test_value_follows_conversions_where_refunds_leave_none():
    journeys = many_channels(4)

    game = rate_game(replace(journeys, value=-journeys.value))

    assert game.follows_conversions
    assert game.value_shares == pytest.approx(game.shares)


def test_journeys_without_a_touch_have_no_say():
    journeys = Journeys.of_paths([["a"], []], conversions=[1, 5], nulls=[1, 7])

    assert rate_game(journeys).values == pytest.approx([0.5])
    with pytest.raises(NoConversions):
        rate_game(Journeys.of_paths([["a"], []], conversions=[0, 5], nulls=[1, 7]))
