import numpy as np
import pytest
from hypothesis import given, settings

from apps.attribution.maths.aggregation import channel_sets
from apps.attribution.maths.coalition import Basis, coalition_game, shapley_values

from . import reference
from .strategies import NAMES, journeys_of, rows
from .vectors import load, synthetic


def test_the_game_of_all_channels_is_the_conversion_rate_game_of_the_10k_vectors():
    journeys, expected = synthetic(), load("synthetic_10k_expected.json")

    game = coalition_game(journeys, range(10), min_journeys=1)

    values = dict(zip(journeys.channels, game.values, strict=True))
    assert values == pytest.approx(expected["shapley_subset_rate"], abs=1e-12)
    assert game.grand_rate == pytest.approx(expected["shapley_subset_rate_grand_coalition"], abs=1e-15)
    assert game.basis == Basis.RATES_FLOORED
    assert game.shares[journeys.channels.index("organic_search")] == 0
    assert game.shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("case", load("shapley_small.json")["cases"][:3], ids=lambda case: case["name"])
def test_shapley_values_of_a_rate_game_agree_with_the_vectors(case):
    found = [
        (tuple(row["path"].split(">")), row["conversions"], row["value"], row["null"])
        for row in case["paths"]
    ]
    players = sorted({channel for path, *_ in found for channel in path})
    expected = {c: v["float"] for c, v in case["shapley"]["subset_rate"].items()}

    assert {c: float(v) for c, v in reference.rate_game(found, players).items()} == pytest.approx(expected)


@settings(max_examples=40)
@given(rows(channels=NAMES[:4], most=40))
def test_the_game_agrees_with_the_average_over_all_orders(found):
    journeys = journeys_of(found, channels=NAMES[:4])
    members = [0, 1, 2]

    game = coalition_game(journeys, members, min_journeys=1)

    if game.basis in (Basis.RATES, Basis.RATES_FLOORED):
        expected = reference.rate_game(found, list(NAMES[:3]))
        outsiders_left_out = [row for row in found if "d" not in row[0]]
        assert game.values == pytest.approx([float(expected[c]) for c in NAMES[:3]], abs=1e-12)
        assert game.grand_rate == pytest.approx(
            sum(r[1] for r in outsiders_left_out) / sum(r[1] + r[3] for r in outsiders_left_out)
        )
    assert game.shares.sum() == pytest.approx(1)
    assert (game.shares >= 0).all()


@given(rows(most=30))
def test_aggregating_to_channel_sets_changes_no_game(found):
    journeys = journeys_of(found)

    whole = coalition_game(journeys, [0, 2, 0], min_journeys=1)
    aggregated = coalition_game(channel_sets(journeys).journeys, [2, 0], min_journeys=1)

    assert whole.basis == aggregated.basis
    assert whole.shares == pytest.approx(aggregated.shares, abs=1e-12)


def test_a_coalition_with_too_little_data_gives_the_equal_split_and_says_so():
    journeys = journeys_of([(("a",), 20, 0, 80), (("b",), 1, 0, 28), (("a", "b"), 9, 0, 1)])

    game = coalition_game(journeys, [0, 1])

    assert game.basis == Basis.TOO_LITTLE_DATA
    assert game.fewest_journeys == 29
    assert game.shares.tolist() == [0.5, 0.5]
    assert coalition_game(journeys, [0, 1], min_journeys=29).basis == Basis.RATES


def test_a_hand_made_game():
    """v(a) = .1, v(b) = .2, v(ab) = 100 / 400: phi_a = (.1 + .05) / 2, phi_b = (.2 + .15) / 2."""
    journeys = journeys_of([(("a",), 10, 0, 90), (("b",), 20, 0, 80), (("b", "a"), 70, 0, 130)])

    game = coalition_game(journeys, [0, 1])

    assert game.grand_rate == pytest.approx(0.25)
    assert game.values == pytest.approx([0.075, 0.175])
    assert game.shares == pytest.approx([0.3, 0.7])
    assert game.basis == Basis.RATES


def test_without_conversions_the_split_is_equal():
    journeys = journeys_of([(("a",), 0, 0, 90), (("b",), 0, 0, 80), (("c",), 5, 5, 0)])

    assert coalition_game(journeys, [0, 1]).basis == Basis.NO_CONVERSIONS


def test_more_channels_than_can_be_played_split_equally():
    names = tuple(f"c{i}" for i in range(16))
    journeys = journeys_of([(names, 50, 0, 50)], channels=names)

    game = coalition_game(journeys, range(16))

    assert game.basis == Basis.TOO_MANY_CHANNELS
    assert game.shares == pytest.approx(np.full(16, 1 / 16))


@pytest.mark.parametrize("members", [[], [-1], [5]])
def test_members_must_be_channels(members):
    with pytest.raises(ValueError, match="members needs channel codes from 0 to 4"):
        coalition_game(journeys_of([(("a",), 1, 0, 0)]), members)


def test_shapley_values_of_the_dp6_readme_game():
    case = load("shapley_small.json")["cases"][3]
    worth = {"O": 7, "F": 6, "D": 4, "OF": 15, "OD": 7, "FD": 9, "OFD": 19}  # printed in that README

    values = shapley_values(
        np.array([0, *(worth[s] for s in ("O", "F", "OF", "D", "OD", "FD", "OFD"))], float)
    )

    assert dict(zip("OFD", values, strict=True)) == pytest.approx(
        {channel: value["float"] for channel, value in case["shapley"].items()}
    )


def test_shapley_values_of_the_glove_game():
    """Two left gloves and a right one (Shapley 1953 literature): 1/6, 1/6, 2/3."""
    worth = np.array([0, 0, 0, 0, 0, 1, 1, 1], dtype=float)

    assert shapley_values(worth) == pytest.approx([1 / 6, 1 / 6, 2 / 3])
