"""Intervals: what they are for few and many, that they cover, that errors are what resampling finds."""

from dataclasses import replace

import numpy as np
import pytest

from apps.attribution.maths.intervals import amount_interval, share_interval
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.models import MODELS, credit
from apps.attribution.maths.order_choice import choose_order
from apps.attribution.maths.sensitivity import moves, solve
from apps.attribution.maths.transitions import count_transitions

from . import market

WEIGHERS = [name for name, model in MODELS.items() if model.weigh is not None]
CHECKED = ["first_touch", "linear", "shapley", "time_decay", "markov_1", "markov_2"]


@pytest.fixture(scope="module")
def found():
    return market.market(2_000, np.random.default_rng(3))


@pytest.fixture(scope="module")
def counts(found):
    return market.counted(found)


@pytest.fixture(scope="module")
def coverages():
    found = market.coverages(CHECKED, journeys=500, runs=250, seed=11)
    return {one.model: one for one in found}


def ends(interval):
    return [float(end[0]) for end in interval]


@pytest.mark.parametrize("model", CHECKED)
def test_95_of_100_intervals_hold_the_truth(coverages, model):
    """93 to 97 %, give or take two standard errors of 250 runs of five channels (1 point)."""
    covered = coverages[model].held.mean(axis=1)

    assert coverages[model].runs == 250
    assert (covered > 0.93 - 0.01).all(), covered
    assert (covered < 0.97 + 0.01).all(), covered


def test_the_game_of_rates_covers_where_there_is_enough():
    """93 to 97 %, give or take two standard errors of 150 runs."""
    (covered,) = market.coverages(["shapley_rate"], journeys=1_500, runs=150, seed=12)

    means = covered.held.mean(axis=1)
    assert covered.runs == 150
    assert (means > 0.93 - 0.015).all(), means
    assert (means < 0.97 + 0.015).all(), means


def test_the_game_of_rates_says_nothing_on_little_data():
    (covered,) = market.coverages(["shapley_rate"], journeys=300, runs=5, seed=12)

    assert (covered.runs, covered.held) == (0, None)


@pytest.mark.parametrize("model", ["markov_1", "markov_2", "shapley", "shapley_rate"])
def test_errors_are_those_of_the_poisson_bootstrap(found, counts, model):
    rng, drawn = np.random.default_rng(0), []
    for _ in range(150):
        times = rng.poisson(found.conversions).astype(float)
        again = replace(
            found, conversions=times, nulls=rng.poisson(found.nulls).astype(float), value=found.value * times
        )
        drawn.append(credit(again, model))

    error = market.errors(counts, model)

    for spread, ours in (
        (np.std([one.conversions for one in drawn], axis=0), error.conversions),
        (np.std([one.value for one in drawn], axis=0), error.value),
        (np.std([one.shares for one in drawn], axis=0), error.shares),
        (np.std([one.value / one.value.sum() for one in drawn], axis=0), error.value_shares),
    ):
        ratio = spread / ours[: market.SIZE]
        assert (ratio < 1.25).all(), (model, ratio)
        # A channel near nothing in the game of rates is floored in many draws, which hides its spread.
        assert (ratio > 0.75).sum() >= (3 if model == "shapley_rate" else market.SIZE), (model, ratio)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("outcome", ["converts", "misses"])
def test_yields_move_as_the_derivative_says(found, order, outcome):
    step, journey = 1e-5, 17
    more = np.zeros(found.n_journeys)
    more[journey] = step
    changed = (
        replace(found, conversions=found.conversions + more)
        if outcome == "converts"
        else replace(found, nulls=found.nulls + more)
    )

    transitions = count_transitions(found, order=order)
    solved = solve(transitions)
    after = solve(count_transitions(changed, order=order))

    (run, *_) = moves(found, transitions, solved)
    told = run.missed[0][journey] + (run.at_end[journey] if outcome == "converts" else 0.0)
    assert (after.kept[0] - solved.kept[0]) / step == pytest.approx(told, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("model", WEIGHERS)
def test_the_errors_of_a_rule_are_the_root_of_its_squares(counts, model):
    error = market.errors(counts, model)

    squares = counts.credit[model].squares["channel"]
    assert error.conversions[:-1] == pytest.approx(np.sqrt(squares))
    assert error.conversions[-1] == 0


def test_whole_conversions_get_jeffreys_interval_a_little_wider():
    low, high = ends(amount_interval(np.array([10.0]), np.sqrt([10.0]), unit=1.0))

    assert low == pytest.approx(5.14, abs=0.01)  # Jeffreys: 5.14 to 17.74
    assert 17.7 < high < 18.9


def test_nothing_earned_is_not_nothing_expected():
    low, high = ends(amount_interval(np.zeros(1), np.zeros(1), unit=1.0))

    assert low == 0
    assert 2 < high < 3


def test_few_orders_are_doubted_from_above_only():
    """Where few orders came, their variance is low as well; where many, high: no doubt from below."""
    low, high = ends(amount_interval(np.array([5.0]), np.sqrt([5.0]), unit=1.0))

    assert low == pytest.approx(1.91, abs=0.01)  # Jeffreys: 1.91 to 10.96
    assert high > 11.5


@pytest.mark.parametrize("true", [0.0, 0.5, 1.0, 1.8, 2.2, 3.0, 3.7, 4.5, 8.0])
def test_an_estimate_cut_at_nothing_is_covered_at_every_distance_from_it(true):
    """95 % everywhere: an interval of both sides, cut at nothing, would hold 97.5 near it."""
    drawn = np.random.default_rng(6).normal(true, 1.0, 40_000)

    low, high = amount_interval(np.maximum(drawn, 0.0), np.ones(40_000), unit=1e-3)

    # Student's quantiles are a little wide here, since the error is known.
    assert 0.945 < ((low <= true) & (true <= high)).mean() < 0.975


def test_an_amount_above_nothing_never_reaches_below_it():
    low, high = ends(amount_interval(np.array([1.0]), np.array([20.0]), unit=1.0))

    assert low == 0
    assert high > 40


def test_refunds_may_reach_below_nothing():
    low, high = ends(amount_interval(np.array([-50.0]), np.array([30.0]), unit=10.0))

    assert low < -110
    assert high > 0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_or_all_is_as_uncertain_as_the_conversions_are_few(share):
    few, many = (share_interval(np.array([share]), np.zeros(1), events=n) for n in (10.0, 1_000.0))

    assert few[1][0] - few[0][0] > 0.1
    assert many[1][0] - many[0][0] < 0.01
    assert few[0][0] <= share <= few[1][0]


@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_shares_stay_between_nothing_and_all(share):
    low, high = ends(share_interval(np.array([share]), np.array([0.4]), events=20.0))

    assert 0 <= low <= share <= high <= 1


def test_intervals_narrow_as_the_root_of_the_data():
    widths = []
    for size in (1_000, 16_000):
        journeys = market.market(size, np.random.default_rng(1))
        error = market.errors(market.counted(journeys), "markov_1").shares[:-1]
        widths.append(error.mean())

    assert widths[0] / widths[1] == pytest.approx(4, rel=0.25)


def test_a_finer_group_is_less_sure_than_its_channel():
    journeys = market.market(3_000, np.random.default_rng(4))
    source = journeys.codes * 2 + np.arange(journeys.n_touches) % 2  # two campaigns a channel
    groups = {
        "channel": np.arange(10) // 2 * 2,
        **dict.fromkeys(("platform", "campaign", "creative"), np.arange(10)),
    }
    counts = market.count(journeys, source=source.astype(np.int64), groups=groups)

    found = market.credit_errors.errors(counts, "markov_1", groups=groups, channel_of=np.arange(10) // 2)

    channel, campaign = found["channel"].conversions[:-1:2], found["campaign"].conversions[:-1].reshape(5, 2)
    assert (campaign < channel[:, None]).all()
    assert (campaign**2).sum(axis=1) == pytest.approx(channel**2, rel=1.0)
    assert (campaign > channel[:, None] / 2).all()  # more than half the credit's share of the error


def test_the_chain_of_order_1_is_chosen_where_journeys_remember_one_channel():
    found = choose_order(market.market(20_000, np.random.default_rng(8)))

    assert found.order == 1
    assert found.behind[0] <= found.behind_errors[0]


def test_order_2_is_chosen_where_the_next_step_depends_on_the_last_two():
    rng, paths = np.random.default_rng(9), []
    for _ in range(6_000):
        path = rng.integers(0, 3, size=2).tolist()
        while rng.random() < 0.7:
            path.append((path[-1] + path[-2]) % 3 if rng.random() < 0.9 else int(rng.integers(3)))
        paths.append(["abc"[code] for code in path])
    won = rng.random(6_000) < 0.2
    journeys = Journeys.of_paths(paths, conversions=won, nulls=~won)

    found = choose_order(journeys)

    assert (found.order, found.best) == (2, 2)
    assert found.likelihoods[1] > found.likelihoods[0] + 1
    assert (found.behind[2:] > found.behind_errors[2:]).all()


def test_a_state_that_only_the_journey_itself_reached_predicts_as_the_average_does():
    alone = Journeys.of_paths([["a", "b"], ["c"]], conversions=[1, 1], nulls=[0, 1])

    found = choose_order(alone)

    # c: seen twice at the start of 3 journeys, so once in the others of each of its own.
    assert np.isfinite(found.likelihoods).all()
    assert found.order == 1


def test_the_choice_depends_on_the_journeys_and_not_on_their_order():
    journeys = market.market(3_000, np.random.default_rng(10))
    turned = journeys.select(np.arange(3_000) % 2 == 0), journeys.select(np.arange(3_000) % 2 == 1)
    joined = replace(
        journeys,
        codes=np.concatenate([turned[1].codes, turned[0].codes]),
        offsets=np.concatenate([[0], np.cumsum(np.concatenate([turned[1].lengths, turned[0].lengths]))]),
        conversions=np.concatenate([turned[1].conversions, turned[0].conversions]),
        value=np.concatenate([turned[1].value, turned[0].value]),
        nulls=np.concatenate([turned[1].nulls, turned[0].nulls]),
        age_days=None,
    )

    assert choose_order(joined).likelihoods == pytest.approx(choose_order(journeys).likelihoods)
