import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.experiments.calibration import LiftTest, apply, combine, multiplier

TEST = LiftTest(measured=80, measured_error=12, attributed=120, attributed_error=6)


def test_one_test_is_its_ratio_with_both_errors():
    found = multiplier([TEST])

    error = math.hypot(12 / 80, 6 / 120)
    assert found.ratio == pytest.approx(2 / 3)
    assert found.low == pytest.approx(2 / 3 * math.exp(-1.959963984540054 * error))
    assert found.high == pytest.approx(2 / 3 * math.exp(1.959963984540054 * error))
    assert (found.scale, found.tests, found.between) == ("log", 1, 0.0)


def test_a_channel_that_caused_nothing_keeps_an_interval_around_nothing():
    found = multiplier([LiftTest(measured=-5, measured_error=10, attributed=100)])

    assert found.scale == "plain"
    assert found.ratio == pytest.approx(-0.05)
    assert found.low < 0 < found.high


def test_two_alike_tests_are_surer_than_one():
    one, two = multiplier([TEST]), multiplier([TEST, TEST])

    assert two.ratio == pytest.approx(one.ratio)
    assert two.standard_error == pytest.approx(one.standard_error / math.sqrt(2))


def test_tests_that_contradict_each_other_widen_the_interval():
    low = LiftTest(measured=50, measured_error=3, attributed=100)
    high = LiftTest(measured=150, measured_error=9, attributed=100)

    found = multiplier([low, high])

    assert found.between > 0.5
    assert found.low < 0.5
    assert found.high > 1.5


def test_the_between_term_is_that_of_dersimonian_and_laird():
    """By their formulas in plain loops."""
    values, variances = [0.1, 0.5, -0.2, 0.9], [0.02, 0.05, 0.01, 0.1]
    w = [1 / v for v in variances]
    fixed = sum(a * b for a, b in zip(w, values, strict=True)) / sum(w)
    q = sum(a * (b - fixed) ** 2 for a, b in zip(w, values, strict=True))
    tau = max(0.0, (q - 3) / (sum(w) - sum(a * a for a in w) / sum(w)))
    star = [1 / (v + tau) for v in variances]
    centre = sum(a * b for a, b in zip(star, values, strict=True)) / sum(star)

    assert combine(np.array(values), np.array(variances)) == pytest.approx(
        (centre, sum(star) ** -0.5, math.sqrt(tau))
    )


tests = st.lists(
    st.builds(
        LiftTest,
        measured=st.floats(10, 500),
        measured_error=st.floats(0.5, 4),
        attributed=st.floats(20, 500),
        attributed_error=st.floats(0, 50),
    ),
    min_size=1,
    max_size=6,
)


@given(tests, st.randoms(use_true_random=False))
def test_the_order_of_the_tests_does_not_matter(several, random):
    mixed = random.sample(several, len(several))

    assert multiplier(mixed).ratio == pytest.approx(multiplier(several).ratio)


@given(tests)
def test_the_ratio_lies_between_those_of_the_tests(several):
    found = multiplier(several)
    ratios = [test.measured / test.attributed for test in several]

    assert min(ratios) - 1e-9 <= found.ratio <= max(ratios) + 1e-9
    assert found.low <= found.ratio <= found.high


@given(tests, st.floats(0.1, 10))
def test_twice_the_credit_is_half_the_factor_and_the_same_calibrated_credit(several, times):
    scaled = [
        LiftTest(
            measured=test.measured,
            measured_error=test.measured_error,
            attributed=test.attributed * times,
            attributed_error=test.attributed_error * times,
        )
        for test in several
    ]

    plain, other = apply(100, 5, multiplier(several)), apply(100 * times, 5 * times, multiplier(scaled))

    assert (other.credit, other.low, other.high) == pytest.approx((plain.credit, plain.low, plain.high))


@pytest.mark.parametrize("between", [0.0, 0.3])
def test_intervals_cover_the_truth(between):
    """Ten tests of a channel whose true factor is .6, spread or not."""
    rng, covered = np.random.default_rng(3), 0
    for _ in range(1000):
        truth = 0.6 * np.exp(rng.normal(0, between, 10))
        attributed = rng.normal(200, 8, 10)
        measured = rng.normal(truth * 200, 15)
        found = multiplier(
            [
                LiftTest(measured=m, measured_error=15, attributed=a, attributed_error=8)
                for m, a in zip(measured, attributed, strict=True)
            ]
        )
        covered += found.low <= 0.6 <= found.high

    assert 0.9 <= covered / 1000 <= 0.98


def test_a_calibrated_credit_carries_both_errors():
    found = apply(300, 30, multiplier([TEST]))

    error = math.hypot(math.hypot(12 / 80, 6 / 120), 0.1)
    assert found.credit == pytest.approx(200)
    assert found.high == pytest.approx(200 * math.exp(1.959963984540054 * error))
    assert apply(0, 0, multiplier([TEST])).high == 0


@pytest.mark.parametrize(
    "deed",
    [
        lambda: multiplier([]),
        lambda: multiplier([LiftTest(measured=5, measured_error=0, attributed=5), TEST]),
        lambda: LiftTest(measured=5, measured_error=1, attributed=0),
        lambda: LiftTest(measured=5, measured_error=-1, attributed=5),
        lambda: LiftTest(measured=math.nan, measured_error=1, attributed=5),
        lambda: apply(-1, 0, multiplier([TEST])),
    ],
)
def test_figures_that_cannot_be_are_refused(deed):
    with pytest.raises(ValueError, match=r"no lift test|without|must be"):
        deed()
