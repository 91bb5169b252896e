"""A goal instead of a total, several periods, the frontier, posterior draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.maths.allocation.draws import allocate_draws
from apps.campaigns.maths.allocation.frontier import frontier, gain
from apps.campaigns.maths.allocation.periods import Period, allocate_periods
from apps.campaigns.maths.allocation.problem import Group, HillCurves, PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate

from .allocations import power_problems

CURVES = PowerCurves([10, 20, 5], [0.8, 0.7, 0.6])
HILL = HillCurves([1000, 2000, 500], [300, 200, 100], [2, 2.5, 1.2])


@settings(max_examples=40, deadline=None)
@given(power_problems())
def test_the_least_total_for_what_a_total_earns_is_that_total(problem):
    earned = allocate(problem)
    asked = Problem(
        curves=problem.curves, target_revenue=earned.revenue, lower=problem.lowest, upper=problem.highest
    )

    answer = allocate(asked)

    assert answer.revenue == pytest.approx(earned.revenue, rel=1e-11)
    flat = 1e-11 * earned.revenue / earned.marginal_return
    assert answer.total <= problem.total * (1 + 1e-11) + flat


@settings(max_examples=40, deadline=None)
@given(power_problems())
def test_the_largest_total_for_a_return_earns_it_and_a_little_more_does_not(problem):
    earned = allocate(problem)
    roas = earned.revenue / earned.total
    given = {"curves": problem.curves, "lower": problem.lowest, "upper": problem.highest}

    answer = allocate(Problem(target_roas=roas, **given))

    assert answer.total >= problem.total * (1 - 1e-9)
    assert answer.revenue >= roas * answer.total * (1 - 1e-9)
    more = answer.total * 1.001
    if more <= problem.highest.sum():
        assert allocate(Problem(total=more, **given)).revenue < roas * more


def test_a_target_below_what_the_minima_earn_costs_the_minima():
    answer = allocate(Problem(curves=CURVES, target_revenue=1.0, lower=10.0))

    assert answer.total == pytest.approx(30)


def test_a_return_that_the_maxima_still_earn_spends_the_maxima():
    answer = allocate(Problem(curves=CURVES, target_roas=1.0, upper=100.0))

    assert answer.total == 300


@pytest.mark.parametrize("curves", [CURVES, HILL])
def test_a_revenue_out_of_reach_says_what_is_in_reach(curves):
    answer = allocate(Problem(curves=curves, target_revenue=1e6, upper=100.0))

    most = curves.revenue(np.full(3, 100.0)).sum()
    (collision,) = answer.infeasible
    assert collision.constraints[1] == f"curves and limits that allow {most:,.2f} at the most"
    assert allocate(Problem(curves=curves, target_revenue=most * 0.999, upper=100.0)).infeasible is None


def test_a_return_out_of_reach_says_what_is_in_reach():
    (collision,) = allocate(Problem(curves=CURVES, target_roas=30.0, lower=100.0)).infeasible

    told = float(collision.least_change.removeprefix("Ask for ").partition(" ")[0])
    assert allocate(Problem(curves=CURVES, target_roas=told * 0.999, lower=100.0)).infeasible is None
    assert allocate(Problem(curves=CURVES, target_roas=told * 1.05, lower=100.0)).infeasible is not None


def test_s_shapes_reach_a_revenue_with_the_least():
    answer = allocate(Problem(curves=HILL, target_revenue=2500.0))
    less = allocate(Problem(curves=HILL, total=answer.total * 0.999))

    assert answer.revenue == pytest.approx(2500, rel=1e-9)
    assert less.revenue < 2500


def test_s_shapes_spend_the_most_that_earns_its_return():
    answer = allocate(Problem(curves=HILL, target_roas=4.0))
    more = allocate(Problem(curves=HILL, total=answer.total * 1.01))

    assert answer.revenue / answer.total == pytest.approx(4, rel=1e-9)
    assert more.revenue / more.total < 4


def test_no_curve_earns_more_than_its_most():
    answer = allocate(Problem(curves=HILL, target_revenue=4000.0))

    assert answer.infeasible is not None


def test_periods_share_a_total_until_the_next_unit_brings_the_same():
    march = Problem(curves=CURVES)
    april = Problem(curves=PowerCurves(CURVES.a * 2, CURVES.k))

    plan = allocate_periods([Period("March", march), Period("April", april)], total=1000.0)

    assert plan.total == pytest.approx(1000)
    assert plan.gap <= 1e-9
    for answer in plan.answers:
        assert answer.marginal_returns == pytest.approx(np.full(3, plan.marginal_return), rel=1e-9)
    assert plan.answers[1].total > plan.answers[0].total
    assert plan.revenue == pytest.approx(sum(answer.revenue for answer in plan.answers))


def test_a_period_keeps_a_total_of_its_own_and_its_groups():
    group = Group("search", [0, 1], cap=100.0)
    march = Problem(curves=CURVES, total=300.0, groups=[group])
    april = Problem(curves=CURVES, current=[100, 100, 100], max_change=0.5)

    plan = allocate_periods([Period("March", march), Period("April", april)], total=650.0)

    first, second = plan.answers
    alone = allocate(march)
    assert first.budgets == pytest.approx(alone.budgets, rel=1e-9)
    assert first.binds[:2] == ("cap of search in March",) * 2
    assert first.group_prices["search"] == pytest.approx(alone.group_prices["search"], rel=1e-6)
    assert second.total == pytest.approx(350)
    assert (second.budgets <= 150).all()


def test_periods_whose_totals_collide_say_so():
    march, april = Problem(curves=CURVES, total=300.0), Problem(curves=CURVES, total=500.0)

    plan = allocate_periods([Period("March", march), Period("April", april)], total=700.0)

    assert plan.infeasible is not None
    assert plan.answers == ()
    assert plan.infeasible[0].amount == pytest.approx(100)


@pytest.mark.parametrize(
    ("periods", "message"),
    [
        ([], "no period"),
        ([Period("May", Problem(curves=CURVES))], "May has no total"),
        ([Period("May", Problem(curves=CURVES, target_roas=2.0))], "May has a target"),
        (
            [
                Period("May", Problem(curves=CURVES, total=1.0)),
                Period("June", Problem(curves=HILL, total=1.0)),
            ],
            "same kind",
        ),
    ],
)
def test_periods_that_are_none_are_refused(periods, message):
    with pytest.raises(ValueError, match=message):
        allocate_periods(periods)


@pytest.mark.parametrize("curves", [CURVES, HILL])
def test_the_frontier_rises(curves):
    points = frontier(Problem(curves=curves, total=500.0, lower=10.0), points=12)

    assert [points[0].total, points[-1].total] == [30, 1000]
    assert (np.diff([point.revenue for point in points]) > 0).all()


def test_the_frontier_of_power_curves_flattens_and_holds_its_prices():
    points = frontier(Problem(curves=CURVES, total=500.0), [100.0, 100.001, 5000.0])

    assert (points[1].revenue - points[0].revenue) / 0.001 == pytest.approx(
        points[0].marginal_return, rel=1e-4
    )
    assert points[2].marginal_return < points[0].marginal_return


def test_the_frontier_leaves_out_what_the_limits_do_not_allow():
    problem = Problem(curves=CURVES, total=100.0, lower=10.0, upper=50.0)

    assert [point.total for point in frontier(problem, [10.0, 100.0, 1000.0])] == [100]
    assert frontier(Problem(curves=CURVES, total=1.0, lower=2.0, upper=1.0)) == ()


def test_what_another_thousand_would_bring():
    problem = Problem(curves=CURVES, total=1000.0, upper=900.0)
    answer = allocate(problem)

    more = allocate(Problem(curves=CURVES, total=2000.0, upper=900.0))

    assert gain(problem, answer, 1000.0) == pytest.approx(more.revenue - answer.revenue)
    assert gain(problem, answer, 5000.0) is None


def test_draws_are_solved_like_one_problem_each():
    rng = np.random.default_rng(5)
    a, k = np.exp(rng.normal(3, 1, (20, 7))), rng.uniform(0.2, 0.95, (20, 7))
    a[3, 2] = 0
    lower, upper = np.full(7, 5.0), np.full(7, 400.0)

    plans = allocate_draws(a, k, total=1000.0, lower=lower, upper=upper)

    for draw in range(20):
        alone = allocate(
            Problem(curves=PowerCurves(a[draw], k[draw]), total=1000.0, lower=lower, upper=upper)
        )
        assert plans.budgets[draw] == pytest.approx(alone.budgets, rel=1e-9)
        assert plans.revenue[draw] == pytest.approx(alone.revenue, rel=1e-12)
        assert plans.marginal_return[draw] == pytest.approx(alone.marginal_return, rel=1e-8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": np.ones(3), "total": 1.0}, "shape"),
        ({"a": np.full((2, 3), np.nan), "total": 1.0}, "a must be"),
        ({"a": np.ones((2, 3)), "total": 1.0, "lower": 1.0}, "no budgets obey"),
    ],
)
def test_draws_that_are_none_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        allocate_draws(**given)


@given(st.floats(0.1, 0.9))
def test_draws_at_their_bounds(part):
    plans = allocate_draws(np.ones((2, 2)), part, total=4.0, upper=2.0)

    assert plans.budgets == pytest.approx(np.full((2, 2), 2.0))
