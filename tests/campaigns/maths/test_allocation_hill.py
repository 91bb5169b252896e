"""S-shaped curves: the vectors, a true certificate, and dynamic programming."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.maths.allocation.hill import HillDemand, inflection
from apps.campaigns.maths.allocation.problem import Group, HillCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate

from .allocations import cases, hill_problem

HILL = cases("alloc_hill.json")


@pytest.mark.parametrize("case", HILL, ids=lambda case: str(len(case["a"])))
def test_the_vectors_hold_and_the_certificate_is_true(case):
    answer = allocate(hill_problem(case))

    assert answer.revenue >= case["best_revenue"] * (1 - 1e-9)
    bound = answer.revenue * (1 + answer.gap) * (1 + 1e-12)
    assert bound >= max(case["best_revenue"], case["truth_dp"])
    assert bound <= case["dual_upper_bound"] * (1 + 1e-9)
    assert answer.gap <= 1e-6
    assert answer.total == pytest.approx(case["budget"], rel=1e-12)
    assert (answer.budgets <= np.array(case["upper"])).all()


@st.composite
def hill_problems(draw: st.DrawFn) -> Problem:
    size = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** draw(st.integers(-6, 9))
    half = scale * 10 ** rng.uniform(-1, 1, size)
    curves = HillCurves(10 ** rng.uniform(0, 4, size), half, rng.uniform(0.5, 4, size))
    lower = half * rng.random(size) * (rng.random(size) < 0.3)
    upper = lower + half * rng.uniform(0.2, 4, size)
    part = draw(st.floats(0.02, 0.98))
    return Problem(
        curves=curves, total=float(lower.sum() + part * (upper - lower).sum()), lower=lower, upper=upper
    )


def by_dynamic_programming(problem: Problem, *, steps: int = 600) -> float:
    """The best of all budgets on a grid above the minima; what does not fill a step is left unspent."""
    room = problem.total - problem.lowest.sum()
    grid = np.linspace(0, room, steps + 1)
    best = np.zeros(steps + 1)
    places = np.arange(steps + 1)
    for place in range(len(problem)):
        one = HillCurves(
            *(np.full(steps + 1, getattr(problem.curves, name)[place]) for name in ("a", "half", "shape"))
        )
        budgets = np.minimum(problem.lowest[place] + grid, problem.highest[place])
        earned = one.revenue(budgets)
        rest = places[:, None] - places[None, :]
        best = np.where(rest >= 0, best[np.maximum(rest, 0)] + earned[None, :], -np.inf).max(axis=1)
    return float(best[-1])


@settings(max_examples=60, deadline=None)
@given(hill_problems())
def test_no_grid_finds_more(problem):
    answer = allocate(problem)

    assert answer.total == pytest.approx(problem.total, rel=1e-11)
    assert (answer.budgets >= problem.lowest * (1 - 1e-12)).all()
    assert (answer.budgets <= problem.highest * (1 + 1e-12)).all()
    assert answer.revenue * (1 + answer.gap) >= by_dynamic_programming(problem) * (1 - 1e-9)
    assert answer.gap <= 1e-5


def test_too_little_money_for_two_goes_to_one():
    curves = HillCurves([100, 100], [50, 50], [4, 4])

    answer = allocate(Problem(curves=curves, total=60.0))

    assert sorted(answer.budgets.tolist()) == pytest.approx([0, 60], abs=1e-6)
    assert sorted(answer.binds) == ["minimum", "nothing"]


def test_a_shape_up_to_1_needs_no_search():
    curves = HillCurves([100, 200, 50], [50, 80, 10], [1, 0.7, 1])

    answer = allocate(Problem(curves=curves, total=100.0))

    assert answer.gap <= 1e-12
    assert answer.marginal_returns == pytest.approx(np.full(3, answer.marginal_return), rel=1e-9)


def test_groups_hold_for_s_shapes_too():
    curves = HillCurves([1000, 800, 900, 300], [100, 90, 80, 50], [2, 3, 2.5, 1.5])
    groups = [Group("search", [0, 1], cap=100.0)]

    answer = allocate(Problem(curves=curves, total=300.0, groups=groups))

    first = np.linspace(0, 100, 401)
    inside = np.array(
        [
            curves.revenue(np.array([x, y - x, 0, 0]))[:2].sum() if x <= y else -1
            for y in (100.0,)
            for x in first
        ]
    ).max()
    outside = np.array(
        [curves.revenue(np.array([0, 0, x, 200 - x]))[2:].sum() for x in np.linspace(0, 200, 4001)]
    ).max()
    assert answer.budgets[:2].sum() <= 100 * (1 + 1e-12)
    assert answer.revenue >= (inside + outside) * (1 - 1e-9)
    assert answer.gap <= 1e-6


def test_a_move_must_earn_its_cost_on_s_shapes_too():
    curves = HillCurves([1000, 800, 900], [100, 90, 80], [2, 3, 2.5])
    now = np.array([80.0, 120, 100])

    answer = allocate(Problem(curves=curves, total=300.0, current=now, moving_cost=2.0))

    worth = answer.revenue - answer.moving
    rng = np.random.default_rng(1)
    tried = rng.dirichlet(np.ones(3), 20_000) * 300
    earned = curves.revenue(tried).sum(axis=1) - 2.0 * np.abs(tried - now).sum(axis=1)
    assert worth >= max(earned.max(), curves.revenue(now).sum()) * (1 - 1e-9)
    assert answer.gap <= 1e-6


def test_the_line_above_the_curve_is_nowhere_below_it():
    curves = HillCurves([100, 100, 100], [50, 50, 50], [3, 3, 3])
    low, high = np.array([0.0, 10, 60]), np.array([200.0, 200, 200])

    demand = HillDemand(curves, low, high)

    assert demand.touch[2] == 60
    for place in range(2):
        budgets = np.linspace(low[place], demand.touch[place], 1001)
        line = curves.revenue(low)[place] + demand.slope[place] * (budgets - low[place])
        one = HillCurves(np.full(1001, 100.0), 50, 3)
        assert (line >= one.revenue(budgets) - 1e-9).all()


def test_beyond_the_inflection_more_brings_less_and_less():
    curves = HillCurves([100.0], [50.0], [3.0])
    bend = inflection(curves)

    around = [float(curves.marginal(bend * part)[0]) for part in (0.9, 1.0, 1.1)]

    assert max(around) == around[1]
