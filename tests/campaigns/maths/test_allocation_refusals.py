"""What is no problem is refused by name; what has no answer is told what collides."""

import math

import numpy as np
import pytest

from apps.campaigns.maths.allocation.problem import Group, HillCurves, PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate

CURVES = PowerCurves([10, 20, 5], [0.8, 0.7, 0.6])
NAMES = ["search", "social", "mail"]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_a_curve_that_is_none_is_refused_by_its_place(wrong):
    with pytest.raises(ValueError, match=r"campaigns\[1\]: a must be a finite number of at least 0"):
        PowerCurves([1, wrong], 0.8)
    with pytest.raises(ValueError, match=r"campaigns\[1\]: half"):
        HillCurves([1, 1], [1, wrong], 2)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.5, 1.5, math.nan])
def test_a_bend_outside_0_and_1_is_refused(wrong):
    with pytest.raises(ValueError, match=r"campaigns\[0\]: k must lie between 0 and 1"):
        PowerCurves([1, 1], [wrong, 0.5])


def test_no_campaign_is_no_problem():
    with pytest.raises(ValueError, match="no campaign"):
        PowerCurves([], [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"total": math.nan}, "total must be a finite number at least 0"),
        ({"total": -1.0}, "total must be a finite number at least 0"),
        ({"total": math.inf}, "total must be"),
        ({"target_roas": 0.0}, "target_roas must be a finite number above 0"),
        ({"total": 1.0, "target_roas": 1.0}, "say only one of total"),
        ({"total": 1.0, "lower": [0, math.nan, 0]}, r"campaigns\[1\]: lower"),
        ({"total": 1.0, "lower": [0, 0]}, "lower needs one number for each of 3 campaigns"),
        ({"total": 1.0, "upper": -1.0}, "upper must be a number of at least 0"),
        ({"total": 1.0, "current": [1, 2, math.inf]}, r"campaigns\[2\]: current"),
        ({"total": 1.0, "max_change": 0.2}, "max_change needs current"),
        ({"total": 1.0, "locked": [True, False, False]}, "locked needs current"),
        ({"total": 1.0, "moving_cost": 0.1}, "moving_cost needs current"),
        ({"total": 1.0, "current": [1, 1, 1], "max_change": -0.1}, "max_change must be"),
        ({"total": 1.0, "names": ["a"]}, "names needs one name"),
    ],
)
def test_what_is_no_number_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Problem(curves=CURVES, **given)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([Group("g", [])], "g has no members"),
        ([Group("g", [3])], "g names campaign 3"),
        ([Group("g", [0], cap=math.nan)], "the cap of g"),
        ([Group("g", [0], floor=-1)], "the floor of g"),
        ([Group("g", [0, 1], cap=1), Group("h", [1, 2], cap=1)], "share some campaigns"),
    ],
)
def test_groups_that_are_none_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        allocate(Problem(curves=CURVES, total=1.0, groups=groups))


def test_a_problem_without_a_goal_is_refused():
    with pytest.raises(ValueError, match="say one of total, target_revenue and target_roas"):
        allocate(Problem(curves=CURVES))


@pytest.mark.parametrize(
    ("given", "constraints", "amount", "change"),
    [
        (
            {"total": 50.0, "lower": [10, 20, 30]},
            ("the total of 50.00", "the minima of search, social, mail"),
            10,
            "Raise the total to 60.00",
        ),
        (
            {"total": 1000.0, "upper": [100, 200, 300]},
            ("the total of 1,000.00", "the maxima of search, social, mail"),
            400,
            "Lower the total to 600.00",
        ),
        (
            {"total": 100.0, "lower": [0, 90, 0], "upper": [9, 80, 99]},
            ("the minimum of social (90.00)", "its maximum (80.00)"),
            10,
            "Lower the minimum to 80.00 or raise the maximum to 90.00.",
        ),
        (
            {"total": 300.0, "current": [100, 100, 100], "max_change": 0.2, "lower": [150, 0, 0]},
            ("the minimum of search (150.00)", "its largest change, from 100.00 to 120.00"),
            30,
            "Allow a change of 50.00%, or set its minimum to 120.00.",
        ),
        (
            {"total": 300.0, "current": [100, 100, 100], "locked": [0, 0, 1], "upper": [999, 999, 60]},
            ("the lock of mail at 100.00", "its maximum (60.00)"),
            40,
            "Unlock it, or set its maximum to 100.00.",
        ),
        (
            {"total": 300.0, "lower": [50, 50, 0], "groups": [Group("paid", [0, 1], cap=80)]},
            ("the cap of paid (80.00)", "the minima of its campaigns"),
            20,
            "Raise the cap by 20.00",
        ),
        (
            {"total": 300.0, "upper": [50, 50, 900], "groups": [Group("paid", [0, 1], floor=130)]},
            ("the floor of paid (130.00)", "the maxima of its campaigns"),
            30,
            "Lower the floor by 30.00",
        ),
        (
            {"total": 300.0, "groups": [Group("paid", [0, 1], floor=130, cap=100)]},
            ("the floor of paid (130.00)", "its cap (100.00)"),
            30,
            "Lower the floor to 100.00 or raise the cap to 130.00.",
        ),
        (
            {"total": 300.0, "upper": [900, 900, 50], "groups": [Group("paid", [0, 1], cap=150)]},
            ("the total of 300.00", "the cap of paid (150.00)", "the maxima of mail (50.00"),
            100,
            "Lower the total to 200.00",
        ),
    ],
)
def test_what_collides_is_named_with_the_least_change(given, constraints, amount, change):
    answer = allocate(Problem(curves=CURVES, names=NAMES, **given))

    (collision,) = answer.infeasible
    assert len(collision.constraints) == len(constraints)
    for told, wanted in zip(collision.constraints, constraints, strict=True):
        assert told.startswith(wanted)
    assert collision.amount == pytest.approx(amount)
    assert collision.least_change.startswith(change)
    assert len(answer.budgets) == 0
    assert math.isnan(answer.revenue)


def test_the_least_change_is_enough_and_nothing_less_is():
    given = {"curves": CURVES, "upper": [100.0, 200.0, 300.0]}
    (collision,) = allocate(Problem(total=1000.0, **given)).infeasible

    assert allocate(Problem(total=1000.0 - collision.amount, **given)).infeasible is None
    assert allocate(Problem(total=1000.1 - collision.amount, **given)).infeasible is not None


def test_many_collisions_are_counted_not_listed():
    size = 30
    problem = Problem(curves=PowerCurves(np.ones(size)), total=1.0, lower=2.0, upper=1.0)

    answer = allocate(problem)

    assert len(answer.infeasible) == 21
    assert "10 more campaigns" in answer.infeasible[-1].constraints[0]
