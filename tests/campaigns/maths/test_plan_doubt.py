"""How sure the extra revenue of a plan is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.campaigns.maths.plan_doubt import extra


def test_a_budget_that_stays_brings_nothing_and_leaves_no_doubt():
    found = extra([100.0, 50.0], [1.0, 1.0], [0.6, 0.8], [0.1, 0.2])

    assert found.each.tolist() == [0, 0]
    assert (found.total, found.low, found.high) == (0, 0, 0)


def test_one_campaign_s_interval_is_that_of_its_power_carried_over():
    found = extra([100.0], [2.0], [0.5], [0.1])

    assert found.total == pytest.approx(100 * (2**0.5 - 1))
    assert found.low == pytest.approx(100 * (2 ** (0.5 - 0.1959963984540054) - 1))
    assert found.high == pytest.approx(100 * (2 ** (0.5 + 0.1959963984540054) - 1))


def test_doubt_that_campaigns_share_adds_up_where_all_rise():
    found = extra([100.0, 100.0], [1.5, 1.5], [0.6, 0.6], [0.1, 0.1])

    assert found.low == pytest.approx(found.lows.sum())
    assert found.high == pytest.approx(found.highs.sum())


def test_where_money_only_moves_independent_errors_are_the_wider():
    found = extra([100.0, 100.0], [1.2, 0.8], [0.6, 0.6], [0.1, 0.1])

    apart = np.sqrt(((found.highs - found.each) ** 2).sum())
    assert found.high == pytest.approx(found.total + apart)
    assert found.lows[1] < found.each[1] < found.highs[1] < 0


def test_a_campaign_that_is_given_nothing_earns_nothing():
    assert extra([80.0], [0.0], [0.5], [0.1]).each.tolist() == [-80]


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0.01, 10), st.floats(0.05, 0.95), st.floats(0, 0.5)),
        min_size=1,
        max_size=8,
    )
)
def test_the_interval_holds_the_guess(rows):
    found = extra(*map(list, zip(*rows, strict=True)))

    slack = 1e-6 * (1 + sum(row[0] for row in rows))
    assert (found.lows <= found.each + slack).all()
    assert (found.each <= found.highs + slack).all()
    assert found.low - slack <= found.total <= found.high + slack


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (([1.0], [1.0, 2.0], [0.5], [0.1]), "one shape"),
        (([-1.0], [1.0], [0.5], [0.1]), "revenue_now"),
        (([1.0], [float("nan")], [0.5], [0.1]), "ratio"),
        (([1.0], [1.0], [0.0], [0.1]), "exponents"),
        (([1.0], [1.0], [0.5], [float("inf")]), "errors"),
    ],
)
def test_what_is_no_figure_is_refused(columns, said):
    with pytest.raises(ValueError, match=said):
        extra(*columns)
