import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.campaigns.maths import bids
from tests.campaigns.maths.vectors import load

VECTORS = load("bids.json")


@pytest.mark.parametrize("case", VECTORS["tcpa"])
def test_a_target_cpa_is_paid_by_the_rate(case):
    assert bids.for_target_cpa(case["pcvr"], case["tcpa"]) == pytest.approx(case["bid"], rel=1e-9)


@pytest.mark.parametrize("case", VECTORS["troas"])
def test_a_target_roas_divides_the_value(case):
    found = bids.for_target_roas(case["pcvr"], case["value"], case["troas"])
    assert found == pytest.approx(case["bid"], rel=1e-9)


def test_a_click_for_profit_is_worth_what_it_earns():
    assert bids.for_profit(0.02, 80, 0.4) == pytest.approx(0.64, rel=1e-12)


def test_a_thousand_impressions_are_worth_their_clicks():
    found = bids.for_target_cpa_per_thousand(0.01, 0.02, 50)
    assert found == pytest.approx(1000 * 0.01 * bids.for_target_cpa(0.02, 50))


def test_modifiers_multiply_the_base():
    case = VECTORS["final_bid"]
    cap = 1.3 * case["base"]
    found = bids.final(case["base"], case["modifiers"], floor=0, cap=cap)
    assert found == pytest.approx(case["bid"], rel=1e-9)
    assert found == pytest.approx(case["cap_1_3_of_base"], rel=1e-9)


def test_a_bid_stays_between_floor_and_cap():
    found = bids.final([1.0, 1.0, 1.0], [[0.1], [1.0], [9.0]], floor=0.5, cap=[2.0, 2.0, 3.0])
    assert found.tolist() == [0.5, 1.0, 3.0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bids.for_target_cpa(1.2, 50), "a rate is in"),
        (lambda: bids.for_target_cpa(float("nan"), 50), "a rate is in"),
        (lambda: bids.for_target_cpa(0.1, 0), "target CPA must be finite and > 0"),
        (lambda: bids.for_target_roas(0.1, -1, 4), "amount of money"),
        (lambda: bids.for_profit(0.1, 10, 1.5), "at most 1"),
        (lambda: bids.final(1, [1.0], floor=2, cap=1), "above the cap"),
        (lambda: bids.final(1, [0.0], floor=0, cap=1), "modifiers must be"),
    ],
)
def test_what_is_no_bid_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@given(st.floats(0, 1), st.floats(0, 1e4), st.floats(0.01, 1))
def test_a_click_never_costs_more_than_it_earns(rate, value, margin):
    assert bids.for_profit(rate, value, margin) <= rate * value + 1e-12


def test_truthful_bidding_earns_most():
    """Against second prices of any kind, no other bid earns more than what the click is worth."""
    prices = np.random.default_rng(1).lognormal(0, 1, 20_000)
    worth = float(bids.for_profit(0.05, 60, 0.4))
    earned = {factor: (worth - prices[prices < worth * factor]).sum() for factor in (0.7, 0.9, 1, 1.1, 1.4)}
    assert max(earned, key=earned.get) == 1
