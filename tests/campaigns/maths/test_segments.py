import numpy as np
import pytest
from scipy.stats import binom

from apps.campaigns.maths.segments import ALPHA, Segment, judge


def campaign(rng, rates, *, spend=4000.0):
    """Segments of three dimensions; the rate of conversions per unit of spend is that of the name."""
    found = []
    for dimension, names in rates.items():
        shares = rng.dirichlet(np.full(len(names), 5.0)) * spend
        found += [
            Segment(
                dimension=dimension, name=str(i), spend=float(s), conversions=float(rng.poisson(s * rate))
            )
            for i, (s, rate) in enumerate(zip(shares, names, strict=True))
        ]
    return found


def test_no_segment_is_called_worse_by_chance():
    """At the border itself: the segment is worth just what its money would bring elsewhere."""
    alike = {"device": [0.05] * 3, "hour": [0.05] * 24, "region": [0.05] * 10}
    families = [
        any(cost.is_worse for cost in judge(campaign(rng, alike), marginal_return=1.0))
        for rng in np.random.default_rng(1).spawn(300)
    ]
    assert np.mean(families) <= ALPHA + 3 * (ALPHA / 300) ** 0.5


def test_a_segment_that_costs_three_times_as_much_is_found():
    found = []
    for rng in np.random.default_rng(2).spawn(30):
        costs = judge(campaign(rng, {"device": [0.06, 0.06, 0.02], "hour": [0.05] * 12}))
        found.append(costs[2].is_worse)
        assert not any(cost.is_worse for cost in costs[3:])
        assert costs[2].gain_low <= costs[2].gain <= costs[2].gain_high
    assert np.mean(found) > 0.7


def test_intervals_hold_the_truth():
    ratio, gain = [], []
    for rng in np.random.default_rng(3).spawn(200):
        one = campaign(rng, {"device": [0.04, 0.06]})
        cost = judge(one)[0]
        ratio.append(cost.low <= 0.06 / 0.04 <= cost.high)
        gain.append(cost.gain_low <= one[0].spend * (0.8 * 0.06 - 0.04) <= cost.gain_high)
    assert np.mean(ratio) == pytest.approx(0.95, abs=0.04)
    assert np.mean(gain) == pytest.approx(0.95, abs=0.04)


def test_the_p_value_is_the_binomial_one():
    pair = [
        Segment(dimension="device", name="phone", spend=200, conversions=4),
        Segment(dimension="device", name="desk", spend=600, conversions=60),
    ]
    part = 0.8 * 200 / (0.8 * 200 + 600)
    assert judge(pair)[0].p_value == pytest.approx(binom.cdf(4, 64, part), rel=1e-10)


def test_a_segment_a_little_worse_is_left_where_the_next_unit_elsewhere_brings_less():
    pair = [
        Segment(dimension="device", name="phone", spend=50_000, conversions=4500),
        Segment(dimension="device", name="desk", spend=60_000, conversions=6000),
    ]
    assert judge(pair, marginal_return=1.0)[0].is_worse
    assert not judge(pair, marginal_return=0.8)[0].is_worse


def test_dispersed_days_count_for_less():
    pair = [
        Segment(dimension="device", name="phone", spend=200, conversions=4),
        Segment(dimension="device", name="desk", spend=600, conversions=60),
    ]
    assert judge(pair, dispersion=3)[0].p_value > judge(pair)[0].p_value


def test_too_little_says_nothing():
    small = [
        Segment(dimension="age", name="18", spend=10, conversions=0),
        Segment(dimension="age", name="25", spend=600, conversions=60),
        Segment(dimension="age", name="65", spend=0, conversions=0),
    ]
    costs = judge(small)
    assert [cost.enough for cost in costs] == [False, False, False]
    assert costs[0].cpa == np.inf
    assert not any(cost.is_worse for cost in costs)


def test_a_segment_alone_has_no_elsewhere():
    (only,) = judge([Segment(dimension="device", name="phone", spend=100, conversions=0)])
    assert not only.enough


def test_no_segments_no_costs():
    assert judge([]) == ()


@pytest.mark.parametrize(
    ("given", "spend"),
    [({"dispersion": 0.5}, 1), ({"marginal_return": 0}, 1), ({}, -1), ({}, float("nan"))],
)
def test_figures_that_cannot_be_are_refused(given, spend):
    with pytest.raises(ValueError, match="need"):
        judge([Segment(dimension="device", name="phone", spend=spend, conversions=0)], **given)
