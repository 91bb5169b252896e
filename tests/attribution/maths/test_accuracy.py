"""Figures of accuracy as published, their coverage, and what each model predicts."""

import numpy as np
import pytest
from scipy.special import expit

from apps.attribution.maths import accuracy, model_predictions
from apps.attribution.maths.journeys import Journeys
from tests.attribution.maths.market import market
from tests.attribution.maths.prediction_market import CHANCE


def test_auc_is_the_share_of_pairs_in_the_right_order(rng):
    told, outcome = rng.integers(0, 9, 300) / 10, (rng.random(300) < 0.4).astype(float)
    won, missed = told[outcome > 0], told[outcome == 0]
    pairs = (won[:, None] > missed).mean() + (won[:, None] == missed).mean() / 2

    assert accuracy.auc(told, outcome).value == pytest.approx(pairs)


def test_its_intervals_hold_the_truth_as_often_as_they_say():
    rng, held, runs = np.random.default_rng(3), {"auc": 0, "slope": 0, "skill": 0}, 300
    eta = rng.normal(-2, 1, 400_000)
    truth = accuracy.judge(
        expit(eta), (rng.random(400_000) < expit(eta)).astype(float), base_rate=0.16, rng=rng
    )
    for _ in range(runs):
        eta = rng.normal(-2, 1, 1_500)
        found = accuracy.judge(
            expit(eta), (rng.random(1_500) < expit(eta)).astype(float), base_rate=0.16, rng=rng
        )
        for name in held:
            figure, true = getattr(found, name), getattr(truth, name).value
            held[name] += figure.low <= (1.0 if name == "slope" else true) <= figure.high

    assert all(0.91 <= count / runs <= 0.985 for count in held.values()), held


def test_the_base_rate_has_no_skill_and_knows_no_order(rng):
    outcome = (rng.random(500) < 0.2).astype(float)

    found = accuracy.judge(np.full(500, 0.2), outcome, base_rate=0.2, rng=rng)

    assert (found.auc.value, found.skill.value, found.slope) == (0.5, 0.0, None)


def test_over_confidence_shows_as_a_slope_below_one(rng):
    eta = rng.normal(-1, 1, 20_000)
    outcome = (rng.random(20_000) < expit(eta)).astype(float)

    found = accuracy.judge(expit(2 * eta), outcome, base_rate=0.3, rng=rng)

    assert found.slope.low < 0.5 < found.slope.high
    assert found.calibration_error.low > 2 * found.by_chance
    assert sum(one.journeys for one in found.bins) == 20_000


@pytest.mark.parametrize(
    ("told", "outcome", "base"),
    [([0.5, 2.0], [0, 1], 0.5), ([0.5, 0.5], [1, 1], 0.5), ([0.5, 0.5], [0, 1], 1.0), ([0.5], [0, 1], 0.5)],
)
def test_what_cannot_be_judged_is_refused(told, outcome, base, rng):
    with pytest.raises(ValueError, match=r"must|need"):
        accuracy.judge(np.array(told), np.array(outcome, dtype=float), base_rate=base, rng=rng)


def test_a_chain_predicts_what_the_equations_of_the_chain_say():
    journeys = market(60_000, np.random.default_rng(5))
    tell = model_predictions.predictors(journeys, journeys.select(np.arange(60_000) < 5_000))["markov_1"]
    paths = Journeys.of_paths([["a"], ["c", "d"], ["e", "b"]], conversions=[1, 0, 0], channels="abcde")

    assert tell(paths) == pytest.approx(CHANCE[[0, 3, 1]], abs=0.01)


def test_a_higher_order_knows_what_came_before_and_falls_back_where_it_was_never_seen():
    paths = [["a", "x"], ["b", "x"]]
    journeys = Journeys.of_paths(paths, conversions=[900, 100], nulls=[100, 900], channels="abxy")
    chain = model_predictions.chains(journeys)
    asked = Journeys.of_paths([["a", "x"], ["b", "x"], ["y", "x"]], conversions=[1, 0, 0], channels="abxy")

    one, two = (model_predictions._of_order(chain, order)(asked) for order in (1, 2))

    assert one == pytest.approx([0.5, 0.5, 0.5])
    assert two[:2] == pytest.approx([0.9, 0.1], abs=0.01)
    assert two[2] == pytest.approx(0.5)


def test_a_path_that_is_shorter_than_the_order_stands_for_how_journeys_went_on():
    paths = [["a"], ["a", "b"], ["a", "c"]]
    journeys = Journeys.of_paths(paths, conversions=[0, 400, 0], nulls=[400, 0, 200], channels="abc")
    asked = Journeys.of_paths([["a"]], conversions=[1], channels="abc")

    for level in model_predictions.chains(journeys):
        chance, seen = model_predictions._known(level, asked)
        assert chance == pytest.approx([0.4])
        assert seen == pytest.approx([1_000])


def test_every_model_predicts_probabilities(rng):
    journeys = market(3_000, rng)
    tellers = model_predictions.predictors(journeys, journeys)

    assert set(tellers) == {"base_rate", *model_predictions.CHAINS, "shapley_rate", *model_predictions.SCORED}
    for name, tell in tellers.items():
        told = tell(journeys)
        assert told.shape == (3_000,), name
        assert ((told > 0) & (told < 1)).all(), name


@pytest.mark.parametrize("few", [2, 8, 19])
def test_of_too_few_the_area_has_no_interval(rng, few):
    told = np.concatenate([rng.normal(1, 1, few), rng.normal(0, 1, 60)])
    outcome = np.r_[np.ones(few), np.zeros(60)]

    found = accuracy.auc(told, outcome)

    assert (found.low, found.high) == (0.0, 1.0)


def test_from_twenty_on_the_area_is_covered(rng):
    """2,000 draws: the standard error is half a point."""
    covered = 0
    for _ in range(2_000):
        told = np.concatenate([rng.normal(1, 1, 20), rng.normal(0, 1, 180)])
        found = accuracy.auc(told, np.r_[np.ones(20), np.zeros(180)])
        covered += found.low <= 0.7602 <= found.high
    assert 0.925 <= covered / 2_000 <= 0.965
