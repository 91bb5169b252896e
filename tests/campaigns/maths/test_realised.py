"""What a change came to: known cases, and intervals that hold the truth as often as they say."""

import numpy as np
import pytest

from apps.campaigns.maths.realised import realised


def test_a_rise_beyond_that_of_the_others_less_what_it_cost():
    """100 a day became 150 while the others rose by a tenth: 40 of revenue, 20 of profit, less 8."""
    found = realised([100.0] * 28, [150.0] * 7, [500.0] * 28, [550.0] * 7, extra_spend=8, margin=0.5)

    assert (found.gain, found.low, found.high) == pytest.approx((12, 12, 12))
    assert found.probability == 1


def test_without_others_it_is_held_against_itself():
    found = realised([100.0] * 28, [90.0] * 7, [], [], extra_spend=-20, margin=1)

    assert found.gain == pytest.approx(10)


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_the_interval_holds_the_truth(memory):
    """600 accounts with noise, some of it lasting; the change truly brings 20 of revenue for 10 of money."""
    rng, held = np.random.default_rng(7), 0
    for _ in range(600):
        noise = _noise(rng, 42, memory)
        others = 400 * (1 + 0.1 * _noise(rng, 42, memory))
        demand = np.linspace(1, 1.2, 42)
        mine = (100 + 20 * (np.arange(42) >= 28)) * demand * (1 + 0.15 * noise)
        truth = 20 * demand[28:].mean() - 10
        found = realised(
            mine[:28], mine[28:], (others * demand)[:28], (others * demand)[28:], extra_spend=10, margin=1
        )
        held += found.low <= truth <= found.high

    assert 0.91 <= held / 600 <= 0.99


def _noise(rng: np.random.Generator, days: int, memory: float) -> np.ndarray:
    steps = rng.normal(0, 1, days)
    for day in range(1, days):
        steps[day] = memory * steps[day - 1] + np.sqrt(1 - memory**2) * steps[day]
    return steps


@pytest.mark.parametrize(
    ("before", "after", "margin", "words"),
    [
        ([1.0] * 6, [1.0] * 7, 1, "at least 7"),
        ([1.0] * 7, [np.nan] * 7, 1, "finite"),
        ([1.0] * 7, [-1.0] * 7, 1, "not negative"),
        ([1.0] * 7, [1.0] * 7, 0, "margin"),
    ],
)
def test_what_cannot_be_measured_is_refused(before, after, margin, words):
    with pytest.raises(ValueError, match=words):
        realised(before, after, [], [], extra_spend=0, margin=margin)
