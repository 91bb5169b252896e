import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import betaln

from apps.campaigns.maths.rates import shrunk_rates
from tests.campaigns.maths.vectors import load

CASES = load("bids.json")["eb_beta_binomial"]


@pytest.mark.parametrize("case", CASES)
def test_the_maximum_is_that_of_the_vectors(case):
    """The vectors' optimiser stopped where the likelihood is flat, 3e-5 beside the maximum in beta."""
    found = shrunk_rates(case["x"], case["n"])
    assert found.log_likelihood == pytest.approx(case["loglik"], abs=1e-9)
    assert found.alpha == pytest.approx(case["alpha"], rel=1e-6)
    assert found.beta == pytest.approx(case["beta"], rel=1e-6)
    assert found.mean == pytest.approx(case["posterior_mean"], abs=5e-9)


@pytest.mark.parametrize("case", CASES)
def test_means_follow_from_the_parameters_of_the_vectors(case):
    x, n = np.array(case["x"]), np.array(case["n"])
    a, b = case["alpha"], case["beta"]
    assert (x + a) / (n + a + b) == pytest.approx(case["posterior_mean"], rel=1e-12)


def test_no_point_beside_the_maximum_is_likelier():
    rng = np.random.default_rng(3)
    n = rng.integers(50, 3000, 30)
    x = rng.binomial(n, rng.beta(3, 80, 30))
    found = shrunk_rates(x, n)

    def loss(at):
        a, b = np.exp(at)
        return -(betaln(x + a, n - x + b) - betaln(a, b)).sum()

    slow = minimize(loss, np.log([1.0, 10.0]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert found.log_likelihood >= -slow.fun - 1e-9
    assert [found.alpha, found.beta] == pytest.approx(np.exp(slow.x), rel=1e-5)


def test_shrunk_rates_are_nearer_the_truth_than_raw_ones():
    """As in the two accounts of the vectors, where 16 to 32 % of the error went."""
    raw, shrunk = [], []
    for rng in np.random.default_rng(4).spawn(200):
        n = rng.integers(100, 2000, 20)
        truth = rng.beta(4, 196, 20)
        x = rng.binomial(n, truth)
        raw.append(((x / n - truth) ** 2).mean())
        shrunk.append(((shrunk_rates(x, n).mean - truth) ** 2).mean())
    assert 1 - np.sqrt(np.mean(shrunk) / np.mean(raw)) > 0.16


def test_intervals_hold_the_truth():
    held = []
    for rng in np.random.default_rng(5).spawn(200):
        n = rng.integers(100, 4000, 20)
        truth = rng.beta(3, 120, 20)
        found = shrunk_rates(rng.binomial(n, truth), n)
        held.append(((found.low <= truth) & (truth <= found.high)).mean())
    assert np.mean(held) == pytest.approx(0.945, abs=0.015)


def test_rates_that_do_not_differ_are_pooled():
    found = shrunk_rates([10, 10, 10], [100, 100, 100])
    assert found.mean == pytest.approx([0.1, 0.1, 0.1])


def test_one_campaign_alone_keeps_its_own_doubt():
    found = shrunk_rates([10], [100])
    assert found.mean == pytest.approx([0.1])
    assert found.low[0] < 0.06
    assert found.high[0] > 0.15


def test_a_campaign_without_clicks_gets_the_mean_of_the_others():
    found = shrunk_rates([20, 60, 0], [1000, 1000, 0])
    assert found.mean[2] == pytest.approx(found.alpha / (found.alpha + found.beta))
    assert found.high[2] - found.low[2] > found.high[0] - found.low[0]


def test_no_conversion_at_all_is_a_small_rate():
    found = shrunk_rates([0, 0], [100, 50])
    assert (found.mean > 0).all()
    assert (found.mean < 0.005).all()


def test_every_click_converting_is_a_rate_below_one():
    assert (shrunk_rates([5, 7], [5, 7]).mean < 1).all()


@pytest.mark.parametrize(
    ("x", "n", "said"),
    [
        ([1, 2], [1], "one count"),
        ([2], [1], "campaign 0"),
        ([-1], [1], "campaign 0"),
        ([float("nan")], [1], "campaign 0"),
        ([0], [0], "no campaign has a click"),
    ],
)
def test_counts_that_cannot_be_are_refused(x, n, said):
    with pytest.raises(ValueError, match=said):
        shrunk_rates(x, n)
