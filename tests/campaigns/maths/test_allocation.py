"""Power curves with bounds and a total: the vectors, what must always hold, and a slow reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.maths.allocation.problem import PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate

from .allocations import cases, power_problem, power_problems, slowly

POWER = cases("alloc_power.json")
CURVES = PowerCurves([10, 20, 5], [0.8, 0.7, 0.6])


@pytest.mark.parametrize("case", POWER, ids=lambda case: f"{case['n']} {case['kind'][:11]}")
def test_the_vectors_hold(case):
    answer = allocate(power_problem(case))

    assert answer.budgets == pytest.approx(case["optimal"], rel=1e-8)
    assert answer.revenue == pytest.approx(case["revenue"], rel=1e-8)
    if "marginal_return" in case:
        assert answer.marginal_return == pytest.approx(case["marginal_return"], rel=1e-8)
    assert answer.gap <= 1e-9
    assert answer.revenue * (1 + answer.gap) >= case["revenue"] * (1 - 1e-12)


def test_equal_bends_share_by_a_power_of_what_they_earn():
    a = np.array([1.0, 2.0, 3.0])

    answer = allocate(Problem(curves=PowerCurves(a), total=276.0))

    assert answer.budgets == pytest.approx([1, 32, 243], rel=1e-12)


def test_one_campaign_gets_it_all():
    answer = allocate(Problem(curves=PowerCurves([7.0], [0.5]), total=16.0))

    assert answer.budgets.tolist() == [16.0]
    assert answer.revenue == 28.0
    assert answer.marginal_return == pytest.approx(0.875, rel=1e-14)


@settings(max_examples=150, deadline=None)
@given(power_problems())
def test_budgets_add_up_stay_within_bounds_and_are_proven_the_best(problem):
    answer = allocate(problem)

    assert answer.total == pytest.approx(problem.total, rel=1e-12)
    assert (answer.budgets >= problem.lowest).all()
    assert (answer.budgets <= problem.highest).all()
    assert 0 <= answer.gap <= 1e-9


@settings(max_examples=100, deadline=None)
@given(power_problems())
def test_whoever_is_free_earns_the_same_from_the_next_unit(problem):
    answer = allocate(problem)

    price = answer.marginal_return
    within = 1e-8 * price
    told = np.array(answer.binds)
    marginal = answer.marginal_returns
    assert (np.abs(marginal - price) <= within)[told == "nothing"].all()
    starts = (
        answer.budgets > 0
    )  # the first penny of a power curve brings any price; it may be too small to see
    assert (marginal <= price + within)[(told == "minimum") & starts].all()
    assert (marginal >= price - within)[told == "maximum"].all()


@settings(max_examples=60, deadline=None)
@given(power_problems(), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_neither_currency_nor_the_unit_of_revenue_matters(problem, money, worth):
    curves = problem.curves
    scaled = Problem(
        curves=PowerCurves(curves.a * worth * money**-curves.k, curves.k),
        total=problem.total * money,
        lower=problem.lowest * money,
        upper=problem.highest * money,
    )

    answer, other = allocate(problem), allocate(scaled)

    assert other.revenue == pytest.approx(answer.revenue * worth, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(power_problems(), st.floats(0, 1))
def test_more_money_never_earns_less_and_no_more_than_its_price(problem, part):
    answer = allocate(problem)
    room = min(problem.total, float(problem.highest.sum()) - problem.total)
    richer = Problem(
        curves=problem.curves, total=problem.total + part * room, lower=problem.lowest, upper=problem.highest
    )

    more = allocate(richer)

    assert more.revenue >= answer.revenue * (1 - 1e-12)
    extra = richer.total - problem.total
    assert more.revenue - answer.revenue <= answer.marginal_return * extra + 1e-9 * answer.revenue


@settings(max_examples=25, deadline=None)
@given(power_problems(most=5))
def test_a_slow_search_finds_nothing_better(problem):
    answer = allocate(problem)

    assert answer.revenue >= slowly(problem) * (1 - 1e-9)


def test_no_other_split_of_two_is_better():
    curves = PowerCurves([3.0, 5.0], [0.4, 0.9])
    answer = allocate(Problem(curves=curves, total=100.0, lower=[5, 0], upper=[60, 80]))

    first = np.linspace(20, 60, 40_001)
    tried = curves.revenue(np.stack([first, 100 - first], axis=1)).sum(axis=1)

    assert answer.revenue >= tried.max()
    assert answer.revenue == pytest.approx(tried.max(), rel=1e-9)


def test_what_binds_is_said_and_priced():
    answer = allocate(
        Problem(curves=CURVES, total=1000.0, lower=[0, 0, 300], upper=[200, 900, 900], current=[1, 1, 1])
    )

    assert answer.binds == ("maximum", "nothing", "minimum")
    up = allocate(Problem(curves=CURVES, total=1000.0, lower=[0, 0, 300], upper=[200.001, 900, 900]))
    down = allocate(Problem(curves=CURVES, total=1000.0, lower=[0, 0, 299.999], upper=[200, 900, 900]))
    assert (up.revenue - answer.revenue) / 0.001 == pytest.approx(answer.bound_prices[0], rel=1e-4)
    assert (down.revenue - answer.revenue) / 0.001 == pytest.approx(answer.bound_prices[2], rel=1e-4)
    assert answer.bound_prices[1] == 0


def test_the_shadow_price_is_what_the_next_unit_brings():
    answer = allocate(Problem(curves=CURVES, total=1000.0))
    more = allocate(Problem(curves=CURVES, total=1000.01))

    assert (more.revenue - answer.revenue) / 0.01 == pytest.approx(answer.marginal_return, rel=1e-5)


def test_the_largest_change_holds_and_a_lock_stays():
    answer = allocate(
        Problem(
            curves=PowerCurves([10, 20, 5, 9], [0.8, 0.7, 0.6, 0.5]),
            total=1000.0,
            current=[200, 300, 400, 100],
            max_change=0.2,
            locked=[False, False, False, True],
        )
    )

    assert answer.budgets == pytest.approx([240, 340, 320, 100])
    assert answer.binds == ("largest change up", "nothing", "largest change down", "locked")


def test_what_gets_nothing_now_stays_without_under_a_largest_change():
    answer = allocate(Problem(curves=CURVES, total=100.0, current=[0, 50, 50], max_change=0.5))

    assert answer.budgets[0] == 0
    assert answer.binds[0] == "largest change up"


@pytest.mark.parametrize("part", [0.0, 1.0])
def test_all_at_their_bounds_is_an_answer_too(part):
    lower, upper = np.array([10.0, 20, 30]), np.array([100.0, 200, 300])
    total = float((upper if part else lower).sum())

    answer = allocate(Problem(curves=CURVES, total=total, lower=lower, upper=upper))

    assert answer.budgets == pytest.approx(upper if part else lower)
    assert answer.gap == 0
    assert set(answer.binds) == {"maximum" if part else "minimum"}


def test_a_total_of_nothing_is_spent_on_nobody():
    answer = allocate(Problem(curves=CURVES, total=0.0))

    assert answer.budgets.tolist() == [0, 0, 0]
    assert answer.revenue == 0
    assert answer.gap == 0


def test_a_campaign_that_earns_nothing_gets_only_what_nobody_else_can_take():
    curves = PowerCurves([0.0, 3.0, 2.0], 0.8)

    rest = allocate(Problem(curves=curves, total=10.0, upper=[100, 4, 3]))
    none = allocate(Problem(curves=curves, total=10.0))

    assert rest.budgets == pytest.approx([3, 4, 3])
    assert rest.marginal_return == pytest.approx(0, abs=1e-9)
    assert none.budgets[0] == 0


def test_where_nothing_is_earned_money_is_spent_all_the_same():
    answer = allocate(Problem(curves=PowerCurves([0.0, 0.0]), total=10.0))

    assert answer.total == pytest.approx(10)
    assert answer.revenue == 0
    assert answer.gap == 0


def test_a_hundred_thousand_campaigns():
    rng = np.random.default_rng(3)
    size = 100_000
    now = np.exp(rng.normal(6, 1, size))
    curves = PowerCurves(np.exp(rng.normal(3, 1.5, size)), rng.uniform(0.3, 0.95, size))

    answer = allocate(Problem(curves=curves, total=float(now.sum()), current=now, max_change=0.3))

    assert answer.gap <= 1e-9
    assert answer.total == pytest.approx(now.sum(), rel=1e-12)


@pytest.mark.parametrize(
    "k", [np.array([1e-9, 1e-6, 0.5]), np.array([1 - 1e-9, 1 - 1e-12, 0.9]), np.full(3, 1 - 1e-15)]
)
@pytest.mark.parametrize("total", [1e-6, 1.0, 1e12])
def test_bends_near_0_and_near_1(k, total):
    answer = allocate(Problem(curves=PowerCurves([1.0, 2.0, 2.0], k), total=total))

    assert answer.total == pytest.approx(total, rel=1e-12)
    assert answer.gap <= 1e-9
