"""What each move of a plan is worth with what it displaces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.campaigns.maths.moves import moves


def test_two_campaigns_share_what_a_transfer_brings():
    """10 go from one that loses 12 of revenue to one that gains 30, at a margin of a half: 9 of profit."""
    found = moves(np.array([[30.0, -12.0]] * 4), [10, -10], margin=0.5)

    assert found.gain == pytest.approx([9, 9])
    assert found.price == pytest.approx([0.6, 1.5])
    assert found.probability.tolist() == [1, 1]


def test_new_money_costs_itself():
    """8 more, all of it new: half of 30 less 8."""
    found = moves(np.array([[30.0, 0.0]]), [8, 0], margin=0.5)

    assert found.gain == pytest.approx([7, 0])
    assert found.probability.tolist() == [1, 0]


def test_a_rise_that_is_half_financed_pays_for_the_rest_itself():
    """10 rise, 5 of which come from another that loses 4: 20 - 4 - 5."""
    found = moves(np.array([[20.0, -4.0]]), [10, -5], margin=1)

    assert found.gain[0] == pytest.approx(11)


def test_draws_make_the_probability_and_the_interval():
    rng = np.random.default_rng(1)
    earned = np.stack([rng.normal(3, 3, 20_000), np.zeros(20_000)], axis=1)

    found = moves(earned, [1, 0], margin=1)

    assert found.gain[0] == pytest.approx(2, abs=0.1)
    assert found.probability[0] == pytest.approx(0.7475, abs=0.01)
    assert (found.low[0], found.high[0]) == pytest.approx((2 - 1.96 * 3, 2 + 1.96 * 3), abs=0.2)


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=8), st.floats(0.1, 1))
def test_where_money_only_moves_all_rises_together_gain_what_all_falls_do(earned, margin):
    """Both sides of a transfer are the same transfer."""
    half = len(earned) // 2
    steps = np.array([1.0 / half] * half + [-1.0 / (len(earned) - half)] * (len(earned) - half))
    found = moves(np.array([earned]) * np.sign(steps), steps, margin=margin)

    assert found.gain[:half].sum() == pytest.approx(found.gain[half:].sum())


@pytest.mark.parametrize(
    ("earned", "steps", "margin"),
    [([[1.0]], [1, 2], 1), ([[np.nan]], [1], 1), ([[1.0]], [1], 0), ([[1.0]], [1], 1.5), ([1.0], [1], 1)],
)
def test_what_cannot_be_is_refused(earned, steps, margin):
    with pytest.raises(ValueError, match="earned"):
        moves(np.array(earned), steps, margin=margin)
