from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.experiments import means, proportions
from apps.attribution.maths.experiments.arms import Arm, Estimate, Moments
from apps.attribution.maths.experiments.readings import Standing, Verdict
from apps.attribution.maths.experiments.thompson import (
    LEADER_SHARE,
    WinnerPlan,
    may_stop,
    send_the_winner,
    top_two_shares,
)

PLAN = WinnerPlan()


def read(*counts, plan=PLAN):
    arms = [
        Arm(name="ABCDE"[place], estimate=proportions.estimate(x, n), share=n)
        for place, (x, n) in enumerate(counts)
    ]
    return send_the_winner(arms, plan=plan)


def test_a_clear_leader_wins():
    reading = read((300, 10_000), (420, 10_000), (310, 10_000))

    assert (reading.verdict, reading.winner, reading.more_units) == (Verdict.WINNER, "B", 0)
    assert reading.arms[1].standing is Standing.BETTER
    assert reading.arms[1].p_best > 0.99
    assert reading.arms[1].expected_loss < 0.01 * 0.042


def test_near_equals_go_on_and_it_says_how_long():
    reading = read((300, 10_000), (310, 10_000), (290, 10_000))

    later = read(
        *(
            (round(x * t), round(10_000 * t))
            for x in (300, 310, 290)
            for t in [1 + reading.more_units / 30_000]
        )
    )

    assert (reading.verdict, reading.winner) == (Verdict.KEEP_GOING, None)
    assert reading.more_units > 10_000
    assert later.arms[1].expected_loss == pytest.approx(PLAN.loss_share * 0.031, rel=0.05)


def test_the_control_may_win_too():
    reading = read((420, 10_000), (300, 10_000))

    assert (reading.winner, reading.arms[0].standing) == ("A", Standing.CONTROL)


def test_a_lead_of_few_successes_wins_nothing():
    reading = read((0, 400), (24, 400))

    assert (reading.verdict, reading.winner) == (Verdict.NOT_ENOUGH_DATA, None)
    assert reading.more_units > 0
    assert sum(arm.next_share for arm in reading.arms) == pytest.approx(1)


def test_an_arm_that_nobody_saw_keeps_even_shares():
    reading = read((3, 100), (0, 1))

    assert reading.verdict is Verdict.NOT_ENOUGH_DATA
    assert [arm.next_share for arm in reading.arms] == [0.5, 0.5]


def test_a_broken_split_proposes_nothing():
    arms = [
        Arm(name=name, estimate=proportions.estimate(300, n), share=1)
        for name, n in (("A", 9_000), ("B", 10_000))
    ]

    reading = send_the_winner(arms, plan=PLAN)

    assert (reading.verdict, reading.winner) == (Verdict.SAMPLE_RATIO_MISMATCH, None)
    assert all(arm.next_share is None for arm in reading.arms)


def test_less_may_be_better():
    reading = read((420, 10_000), (300, 10_000), plan=replace(PLAN, larger_is_better=False))

    assert reading.winner == "B"
    assert reading.arms[1].expected_loss < 0.01 * 0.03


def test_means_have_normal_beliefs():
    rng = np.random.default_rng(1)
    arms = [
        Arm(name=name, estimate=means.estimate(Moments.of(rng.gamma(1, scale, 5_000))), share=1)
        for name, scale in (("A", 20), ("B", 24))
    ]

    assert send_the_winner(arms, plan=PLAN).winner == "B"


def test_a_loss_that_no_units_make_small_has_no_number_of_units():
    arms = [
        Arm(name=name, estimate=Estimate(units=100, mean=0.0, variance=1.0, degrees_of_freedom=99), share=1)
        for name in "AB"
    ]

    reading = send_the_winner(arms, plan=PLAN)

    assert (reading.verdict, reading.more_units) == (Verdict.KEEP_GOING, None)


chances = st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda p: sum(p) > 0.1)


@given(chances, st.floats(0, 0.1))
def test_shares_add_up_above_the_floor_and_follow_the_odds(weights, floor):
    p_best = np.array(weights) / sum(weights)

    shares = top_two_shares(p_best, floor=floor)

    assert shares.sum() == pytest.approx(1, abs=1e-9)
    assert shares.min() >= floor - 1e-12
    ranked = shares[np.argsort(p_best, kind="stable")]
    assert (np.diff(ranked) >= -1e-9).all()


@given(chances, st.randoms(use_true_random=False))
def test_shares_do_not_depend_on_the_order_of_the_arms(weights, random):
    p_best = np.array(weights) / sum(weights)
    order = random.sample(range(len(weights)), len(weights))

    assert top_two_shares(p_best[order], floor=0.02) == pytest.approx(
        top_two_shares(p_best, floor=0.02)[order], abs=1e-9
    )


def test_shares_are_those_of_drawing_two_different_bests():
    rng, p_best = np.random.default_rng(2), np.array([0.6, 0.25, 0.1, 0.05])
    first = rng.choice(4, 400_000, p=p_best)
    second = rng.choice(4, 400_000, p=p_best)
    while (again := first == second).any():
        second[again] = rng.choice(4, again.sum(), p=p_best)

    drawn = np.where(rng.random(400_000) < LEADER_SHARE, first, second)

    assert top_two_shares(p_best, floor=0.0) == pytest.approx(np.bincount(drawn) / 400_000, abs=0.004)


def test_beside_a_certain_winner_the_others_share_evenly():
    rest = (1 - LEADER_SHARE) / 2

    assert top_two_shares(np.array([0.0, 1.0, 0.0]), floor=0.0) == pytest.approx([rest, LEADER_SHARE, rest])


def test_a_runner_up_by_a_hair_is_still_the_runner_up():
    shares = top_two_shares(np.array([1e-30, 1 - 1e-30, 0.0]), floor=0.0)

    assert shares == pytest.approx([1 - LEADER_SHARE, LEADER_SHARE, 0.0])


def test_floors_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="cannot keep"):
        top_two_shares(np.full(60, 1 / 60), floor=0.02)


def test_the_stop_looks_at_the_arm_of_the_least_loss():
    mean, loss = np.array([[0.03, 0.04], [0.03, 0.04]]), np.array([[0.01, 0.0003], [0.01, 0.0005]])

    assert may_stop(mean, loss, loss_share=0.01).tolist() == [True, False]


@pytest.mark.parametrize("wrong", [{"loss_share": 0.0}, {"floor": 1.0}, {"prior_successes": 0.5}])
def test_plans_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="need"):
        replace(PLAN, **wrong)
