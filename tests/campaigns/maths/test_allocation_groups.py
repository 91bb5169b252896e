"""Floors and caps of groups, and a cost of moving, against cvxpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.maths.allocation.problem import Group, PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate

from .allocations import cases, group_problem, power_problems

GROUPS = cases("alloc_groups.json")
CURVES = PowerCurves([10, 20, 5, 8], [0.8, 0.7, 0.6, 0.5])


@pytest.mark.parametrize("case", GROUPS, ids=lambda case: f"{case['n']} {case['kind']}")
def test_cvxpy_finds_the_same(case):
    answer = allocate(group_problem(case))

    worth = answer.revenue - answer.moving
    assert worth == pytest.approx(case["worth"], rel=1e-8)
    assert worth >= case["worth"] * (1 - 1e-12)
    assert answer.budgets == pytest.approx(case["budgets"], rel=1e-3)
    assert answer.gap <= 1e-9
    assert answer.total == pytest.approx(case["total"], rel=1e-12)


@pytest.mark.parametrize("case", GROUPS, ids=lambda case: f"{case['n']} {case['kind']}")
def test_floors_and_caps_hold(case):
    problem = group_problem(case)

    budgets = allocate(problem).budgets

    for group in problem.groups:
        spent = budgets[list(group.members)].sum()
        assert group.floor is None or spent >= group.floor * (1 - 1e-12)
        assert group.cap is None or spent <= group.cap * (1 + 1e-12)


@settings(max_examples=60, deadline=None)
@given(power_problems(), st.integers(0, 2**32))
def test_any_groups_and_costs_are_proven_the_best(problem, seed):
    rng = np.random.default_rng(seed)
    size = len(problem)
    free = allocate(problem)
    first = rng.permutation(size)[: max(1, size // 2)]
    inner = first[: max(1, len(first) // 2)]
    outer_spent, inner_spent = free.budgets[first].sum(), free.budgets[inner].sum()
    least = problem.lowest[first].sum(), problem.lowest[inner].sum()
    groups = [
        Group("outer", first.tolist(), cap=max(float(outer_spent * rng.uniform(0.6, 1.2)), float(least[0]))),
        Group("inner", inner.tolist(), cap=max(float(inner_spent * rng.uniform(0.6, 1.2)), float(least[1]))),
    ]
    now = free.budgets * rng.uniform(0.5, 1.5, size)
    bound = Problem(
        curves=problem.curves,
        total=problem.total,
        lower=problem.lowest,
        upper=problem.highest,
        groups=groups,
        current=now,
        moving_cost=free.marginal_return * 0.1,
    )

    answer = allocate(bound)

    if answer.infeasible is None:
        assert answer.total == pytest.approx(problem.total, rel=1e-11)
        assert answer.revenue <= free.revenue * (1 + 1e-9)
        assert answer.gap <= 1e-8
        for group in groups:
            assert answer.budgets[list(group.members)].sum() <= group.cap * (1 + 1e-11)


def test_a_cap_is_named_and_priced():
    def capped(cap):
        return allocate(
            Problem(curves=CURVES, total=1000.0, groups=[Group("search", [0, 1], cap=cap, floor=10)])
        )

    answer, more = capped(500.0), capped(500.001)

    assert answer.binds == ("cap of search", "cap of search", "nothing", "nothing")
    assert (more.revenue - answer.revenue) / 0.001 == pytest.approx(answer.group_prices["search"], rel=1e-4)


def test_a_floor_is_named_and_priced():
    def floored(floor):
        return allocate(Problem(curves=CURVES, total=1000.0, groups=[Group("mail", [2, 3], floor=floor)]))

    answer, less = floored(500.0), floored(499.999)

    assert answer.binds == ("nothing", "nothing", "floor of mail", "floor of mail")
    assert (less.revenue - answer.revenue) / 0.001 == pytest.approx(answer.group_prices["mail"], rel=1e-4)


def test_inside_groups_the_innermost_that_binds_is_named():
    groups = [Group("paid", [0, 1, 2], cap=600.0), Group("search", [0, 1], cap=200.0)]

    answer = allocate(Problem(curves=CURVES, total=1000.0, groups=groups))

    assert answer.binds == ("cap of search", "cap of search", "cap of paid", "nothing")


def test_a_group_capped_at_nothing_gets_nothing():
    answer = allocate(Problem(curves=CURVES, total=1000.0, groups=[Group("off", [0, 1], cap=0.0)]))

    assert answer.budgets[:2].tolist() == [0, 0]
    assert answer.binds[:2] == ("cap of off", "cap of off")
    assert answer.group_prices["off"] == np.inf


def test_groups_that_do_not_bind_change_nothing():
    free = allocate(Problem(curves=CURVES, total=1000.0))

    loose = allocate(Problem(curves=CURVES, total=1000.0, groups=[Group("all", [0, 1, 2, 3], cap=2000.0)]))

    assert loose.budgets == pytest.approx(free.budgets, rel=1e-9)
    assert loose.group_prices == {}


def test_what_moving_does_not_earn_stays():
    best = allocate(Problem(curves=CURVES, total=1000.0))
    now = best.budgets + np.array([1.0, -1.0, 0.5, -0.5])

    answer = allocate(Problem(curves=CURVES, total=1000.0, current=now, moving_cost=0.5))

    assert answer.budgets == pytest.approx(now)
    assert answer.binds == ("not worth moving",) * 4
    assert answer.moving == 0
    assert answer.gap <= 1e-9


def test_more_money_goes_where_it_earns_its_move():
    now = np.array([250.0, 250, 250, 250])

    answer = allocate(Problem(curves=CURVES, total=1100.0, current=now, moving_cost=0.3))

    up = answer.budgets > now
    earned = answer.marginal_returns - np.where(up, 0.3, -0.3)
    moved = np.array(answer.binds) == "nothing"
    assert earned[moved] == pytest.approx(answer.marginal_return, rel=1e-9)
    assert answer.moving == pytest.approx(0.3 * np.abs(answer.budgets - now).sum())


def test_a_cost_above_what_money_earns_gives_it_a_price_below_nothing():
    now = np.array([250.0, 250, 250, 250])

    answer = allocate(Problem(curves=CURVES, total=1100.0, current=now, moving_cost=50.0))

    assert answer.total == pytest.approx(1100)
    assert answer.marginal_return < 0
    assert answer.gap <= 1e-9
