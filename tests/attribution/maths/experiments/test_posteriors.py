import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.attribution.maths.experiments import differences, proportions
from apps.attribution.maths.experiments.chances import chance
from apps.attribution.maths.experiments.differences import Difference
from apps.attribution.maths.experiments.posteriors import BetaPosterior, NormalPosterior, odds
from tests.attribution.maths.vectors import load

EXACT = load("ab_bayes_exact.json")["cases"]
GB = load("ab_gbstats.json")["proportion"]


def beta(case):
    x, n, (a, b) = np.array(case["x"], float), np.array(case["n"], float), case["prior"]
    return BetaPosterior(x + a, n - x + b)


@pytest.mark.parametrize("case", EXACT, ids=lambda case: f"{case['x']}-{case['prior'][0]}")
def test_odds_agree_with_the_vectors(case):
    posterior = beta(case)

    found = odds(posterior)

    assert found.p_best == pytest.approx(case["prob_best"], abs=1e-9)
    assert found.expected_loss == pytest.approx(case["expected_loss"], abs=1e-9)
    assert float(found.expected_best) == pytest.approx(case["E_max"], abs=1e-9)
    assert posterior.mean() == pytest.approx(case["post_mean"], abs=1e-12)
    ends = np.stack([posterior.quantile(0.025), posterior.upper_quantile(0.025)], axis=1)
    assert ends == pytest.approx(np.array(case["ci95"]), abs=1e-9)


@pytest.mark.parametrize("case", EXACT, ids=lambda case: f"{case['x']}-{case['prior'][0]}")
def test_odds_against_the_control_agree_with_the_vectors(case):
    posterior = beta(case)
    pairs = [[0, number] for number in range(1, len(case["x"]))]

    found = odds(BetaPosterior(posterior.a[pairs], posterior.b[pairs]))

    assert found.p_best[:, 1] == pytest.approx(case["prob_beats_control"][1:], abs=1e-9)
    assert found.expected_loss[:, 1] == pytest.approx(case["pair_loss_choose_variant"][1:], abs=1e-9)


arms = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 20_000)), min_size=2, max_size=6)


def of(pairs):
    return BetaPosterior(*np.array(pairs, float).T)


@settings(max_examples=60)
@given(arms, st.randoms(use_true_random=False))
def test_odds_do_not_depend_on_the_order_of_the_arms(pairs, random):
    order = random.sample(range(len(pairs)), len(pairs))

    plain, mixed = odds(of(pairs)), odds(of([pairs[place] for place in order]))

    assert mixed.p_best == pytest.approx(plain.p_best[order], abs=1e-11)
    assert mixed.expected_loss == pytest.approx(plain.expected_loss[order], abs=1e-12)


@settings(max_examples=60)
@given(arms)
def test_odds_are_odds_and_the_likeliest_winner_of_two_loses_least(pairs):
    found = odds(of(pairs))

    assert found.p_best.sum() == pytest.approx(1, abs=1e-12)
    assert (found.expected_loss >= 0).all()
    assert found.expected_best >= of(pairs).mean().max() - 1e-12


@settings(max_examples=40)
@given(arms)
def test_p_best_before_normalising_already_adds_up_to_one(pairs):
    """So that dividing by the sum hides no missing mass: the expected best is found by another integral."""
    posterior = of(pairs)
    rng = np.random.default_rng(0)
    draws = rng.beta(posterior.a, posterior.b, (40_000, len(pairs)))

    found = odds(posterior)

    assert found.p_best == pytest.approx(
        np.bincount(draws.argmax(axis=1), minlength=len(pairs)) / 40_000, abs=0.012
    )
    spread = draws.max(axis=1).std() / 200
    assert found.expected_best == pytest.approx(draws.max(axis=1).mean(), abs=5 * spread + 1e-9)


@given(st.floats(-3, 3), st.floats(0.01, 5), st.floats(0.01, 5))
def test_two_normal_arms_have_a_closed_form(gap, first, second):
    found = odds(NormalPosterior(np.array([10.0, 10.0 + gap]), np.array([first, second])))
    exact = chance(Difference(value=gap, standard_error=float(np.hypot(first, second))))

    assert found.p_best[1] == pytest.approx(exact.to_win, abs=1e-10)
    assert found.expected_loss == pytest.approx([exact.risk_of_control, exact.risk_of_variant], abs=1e-10)


@settings(max_examples=40)
@given(arms, st.integers(2, 50))
def test_the_least_expected_loss_falls_as_everything_is_seen_more_often(pairs, times):
    posterior = of(pairs)

    once, often = odds(posterior), odds(BetaPosterior(posterior.a * times, posterior.b * times))

    assert often.expected_loss.min() <= once.expected_loss.min() + 1e-12


def test_the_best_of_reversed_beliefs_is_the_worst():
    case = beta(EXACT[0])

    assert odds(case.reversed()).p_best == pytest.approx(odds(case).p_best[::-1], abs=1e-11)


def test_an_arm_that_nobody_has_seen_stands_beside_one_seen_a_hundred_million_times():
    found = odds(BetaPosterior(np.array([3e6, 1.0]), np.array([97e6, 1.0])))

    assert found.p_best == pytest.approx([0.03, 0.97], abs=1e-6)


def test_many_experiments_at_once_are_each_as_if_alone():
    rng = np.random.default_rng(2)
    a, b = rng.integers(1, 300, (7, 4)).astype(float), rng.integers(500, 9000, (7, 4)).astype(float)

    together = odds(BetaPosterior(a, b))

    for row in range(7):
        alone = odds(BetaPosterior(a[row], b[row]))
        assert together.p_best[row] == pytest.approx(alone.p_best, abs=1e-12)


@pytest.mark.parametrize("prior", ["bayes_flat", "bayes_prior_n0_0.3"])
@pytest.mark.parametrize("case", GB, ids=lambda case: f"{case['x_a']}-{case['difference_type']}")
def test_chances_to_win_agree_with_the_vectors(case, prior):
    a, b = (proportions.estimate(case["x_" + side], case["n_" + side]) for side in "ab")
    is_absolute = case["difference_type"] == "absolute"
    found = differences.absolute(a, b) if is_absolute else differences.relative(a, b)
    if not a.mean:
        found = Difference(value=0.0, standard_error=0.0)
    width = 0.3 * (a.mean if is_absolute else 1.0) or 0.3

    answer = chance(found, prior_deviation=width if "prior" in prior else np.inf)

    expected = case[prior]
    told = (
        answer.to_win,
        answer.effect,
        answer.low,
        answer.high,
        answer.risk_of_control,
        answer.risk_of_variant,
    )
    assert told == pytest.approx(
        (expected["chance_to_win"], expected["expected"], *expected["ci"], *expected["risk"]), abs=1e-9
    )


@pytest.mark.parametrize(("a", "b"), [(0.5, 3.0), (3.0, 0.0), (np.inf, 3.0)])
def test_beliefs_that_cannot_be_integrated_are_refused(a, b):
    with pytest.raises(ValueError, match=">= 1"):
        BetaPosterior(np.array([a, 2.0]), np.array([b, 2.0]))


def test_normal_beliefs_need_an_error():
    with pytest.raises(ValueError, match="errors > 0"):
        NormalPosterior(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
