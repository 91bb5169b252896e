import numpy as np
import pytest

from apps.campaigns.maths import pacing
from apps.campaigns.maths.pacing import Pace
from tests.campaigns.maths.vectors import load

DAY = load("bids.json")["pacing"]


def test_the_day_of_the_vectors():
    """Spend is the hour's demand times the throttle; the plan is even over the day."""
    pace, spent = Pace(), 0.0
    target, curve = DAY["target"], np.array(DAY["curve"])
    for hour, seen in enumerate(DAY["trace"]):
        spent += pace.budget * curve[hour] * target / 24
        pace = pacing.after_spend(pace, spent=spent, planned=target * (hour + 1) / 24, eta=DAY["eta"])
        assert spent == pytest.approx(seen["spent"], rel=1e-9)
        assert pace.budget == pytest.approx(seen["throttle"], rel=1e-9)


def test_the_lower_multiplier_holds():
    assert Pace(budget=0.8, roas=0.5).multiplier == 0.5
    assert Pace(budget=0.3, roas=0.5).multiplier == 0.3


def test_neither_controller_moves_the_other():
    pace = Pace(budget=0.8, roas=0.5)
    assert pacing.after_spend(pace, spent=9, planned=10).roas == 0.5
    assert pacing.after_return(pace, spent=9, value=10, target_roas=4).budget == 0.8


def test_both_targets_are_kept_in_the_long_run():
    """Value is concave in the bid, spend rises with it: the return needs .4, the budget alone .7."""
    pace = Pace()
    spent = value = 0.0
    for hour in range(1, 600):
        bid = pace.multiplier
        spent += 10 * bid
        value += 40 * bid**0.5 * 0.4**0.5
        pace = pacing.after_spend(pace, spent=spent, planned=7 * hour, eta=0.3)
        pace = pacing.after_return(pace, spent=spent, value=value, target_roas=4, eta=0.3)
    assert value / spent >= 4 * 0.99
    assert spent / 599 == pytest.approx(4, rel=0.1)


def test_multipliers_stay_in_their_bounds():
    assert pacing.after_spend(Pace(), spent=1e9, planned=1).budget == pacing.LEAST
    assert pacing.after_spend(Pace(), spent=0, planned=1).budget == pacing.MOST
    assert pacing.after_return(Pace(), spent=1, value=1e9, target_roas=1).roas == pacing.MOST


def test_before_anything_is_spent_there_is_no_return_to_judge():
    assert pacing.after_return(Pace(roas=0.4), spent=0, value=0, target_roas=4).roas == 0.4


@pytest.mark.parametrize(
    "call",
    [
        lambda: pacing.after_spend(Pace(), spent=-1, planned=1),
        lambda: pacing.after_spend(Pace(), spent=1, planned=0),
        lambda: pacing.after_spend(Pace(), spent=float("nan"), planned=1),
        lambda: pacing.after_return(Pace(), spent=1, value=1, target_roas=0),
        lambda: pacing.after_return(Pace(), spent=-1, value=1, target_roas=1),
    ],
)
def test_figures_that_cannot_be_are_refused(call):
    with pytest.raises(ValueError, match=r"need|must"):
        call()
