from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.attribution.maths.experiments import means, proportions
from apps.attribution.maths.experiments.arms import Arm, Moments
from apps.attribution.maths.experiments.boundaries import LookTooSoon, boundaries
from apps.attribution.maths.experiments.differences import absolute
from apps.attribution.maths.experiments.group_sequential import (
    HorizonPassed,
    LiftPlan,
    holm_bounds,
    holm_crossings,
    prove_lift,
    repeated_p,
)
from apps.attribution.maths.experiments.readings import Standing, Verdict
from apps.attribution.maths.experiments.spending import Spending

PLAN = LiftPlan(planned_units=40_000)


def arm(name, successes, units, share=1.0):
    return Arm(name=name, estimate=proportions.estimate(successes, units), share=share)


def read(*counts, plan=PLAN, past=(), settled=None):
    arms = [arm("ABCDE"[number], *count) for number, count in enumerate(counts)]
    return prove_lift(arms, plan=plan, past_units=past, settled=settled)


def test_a_clear_lift_wins_early():
    reading = read((300, 10_000), (420, 10_000))

    assert (reading.verdict, reading.winner, reading.more_units) == (Verdict.WINNER, "B", 0)
    assert reading.information == 0.5
    variant = reading.arms[1]
    assert variant.standing is Standing.BETTER
    assert variant.p_value < 0.05
    assert variant.effect.low > 0
    assert variant.effect.relative == pytest.approx(0.4)


def test_what_one_look_at_the_end_would_call_proven_is_not_proven_early():
    counts = (300, 5_000), (365, 5_000)

    early = read(*counts)
    late = read(*counts, plan=LiftPlan(planned_units=10_000))

    assert abs(absolute(*(proportions.estimate(*count) for count in counts)).z) > 2.5
    assert (early.verdict, early.winner) == (Verdict.KEEP_GOING, None)
    assert early.more_units == 30_000
    assert (late.verdict, late.winner) == (Verdict.WINNER, "B")


def test_at_the_horizon_it_says_what_it_would_take():
    reading = read((600, 20_000), (620, 20_000))

    assert (reading.verdict, reading.winner) == (Verdict.NO_DIFFERENCE, None)
    assert reading.more_units == pytest.approx(2 * 53_210 - 40_000, rel=0.05)


def test_where_every_variant_is_worse_the_control_wins():
    reading = read((420, 10_000), (300, 10_000), (290, 10_000))

    assert (reading.verdict, reading.winner) == (Verdict.WINNER, "A")
    assert [arm.standing for arm in reading.arms[1:]] == [Standing.WORSE] * 2


def test_of_several_better_variants_the_best_wins():
    assert read((300, 10_000), (420, 10_000), (450, 10_000)).winner == "C"


def test_intervals_allow_for_all_variants_and_all_looks():
    counts = (300, 10_000), (330, 10_000), (310, 10_000), (290, 10_000)

    effect = read(*counts, past=[20_000]).arms[1].effect

    bound = boundaries((0.5, 1.0), alpha=0.05 / 3, spending=Spending.OBRIEN_FLEMING)[-1]
    assert effect.high - effect.low == pytest.approx(2 * bound * effect.standard_error, rel=1e-3)


def test_less_may_be_better():
    plan = replace(PLAN, larger_is_better=False)

    assert read((420, 10_000), (300, 10_000), plan=plan).winner == "B"


def test_what_was_settled_stays_so_and_frees_error_for_the_rest():
    plan = LiftPlan(planned_units=60_000)
    counts = (600, 20_000), (605, 20_000), (678, 20_000)

    alone = read(*counts, plan=plan, past=[30_000])
    after = read(*counts, plan=plan, past=[30_000], settled={"B": Standing.BETTER})

    assert alone.arms[2].standing is Standing.UNDECIDED
    assert after.arms[2].standing is Standing.BETTER
    assert after.arms[1].standing is not Standing.UNDECIDED
    assert after.arms[2].p_value < alone.arms[2].p_value
    assert after.arms[1].p_value > 0.5


def test_what_was_found_worse_is_not_called_better_for_having_crossed_over_since():
    plan = LiftPlan(planned_units=120_000)
    counts = (600, 20_000), (603, 20_000), (640, 20_000)

    after = read(*counts, plan=plan, past=[30_000], settled={"B": Standing.WORSE})

    assert after.arms[1].standing is Standing.UNDECIDED
    assert (after.verdict, after.winner) == (Verdict.KEEP_GOING, None)
    assert after.arms[2].p_value == read(*counts, plan=plan, past=[30_000]).arms[2].p_value


@pytest.mark.parametrize(
    "counts",
    [
        ((0, 2000), (40, 2000)),
        ((3, 20), (9, 20)),
        ((9, 5000), (80, 5000)),
        ((4995, 5000), (4000, 5000)),
    ],
)
def test_without_the_data_nobody_wins(counts):
    reading = read(*counts)

    assert (reading.verdict, reading.winner) == (Verdict.NOT_ENOUGH_DATA, None)
    assert reading.more_units == 40_000 - reading.units
    assert all(arm.p_value is None for arm in reading.arms)


def test_a_broken_split_is_judged_before_anything_else():
    reading = read((300, 10_000), (450, 11_000))

    assert (reading.verdict, reading.winner, reading.more_units) == (
        Verdict.SAMPLE_RATIO_MISMATCH,
        None,
        None,
    )
    assert "shares" in reading.because


def test_unequal_shares_are_no_mismatch_where_they_were_meant():
    arms = [arm("A", 300, 10_000, share=0.9), arm("B", 40, 1_111, share=0.1)]

    assert prove_lift(arms, plan=PLAN).verdict is Verdict.KEEP_GOING


def test_money_can_be_proven_too():
    rng = np.random.default_rng(1)
    arms = [
        Arm(name=name, estimate=means.estimate(Moments.of(rng.gamma(1, scale, 20_000))), share=1)
        for name, scale in (("A", 20), ("B", 21))
    ]

    reading = prove_lift(arms, plan=PLAN)

    assert reading.winner == "B"
    assert reading.arms[1].effect.low < 1 < reading.arms[1].effect.high


def test_after_the_horizon_there_is_nothing_left_to_spend():
    with pytest.raises(HorizonPassed):
        read((600, 25_000), (700, 25_000), past=[20_000, 40_000])


def test_a_look_right_after_another_is_refused():
    with pytest.raises(LookTooSoon):
        read((300, 10_000), (301, 10_000), past=[19_990])


looks = st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True).map(sorted)


@settings(max_examples=25)
@given(st.lists(st.floats(-6, 6), min_size=1, max_size=5), looks)
def test_stepping_down_by_bounds_is_holm_on_repeated_p_values(scores, times):
    fractions = tuple(time / 40 for time in times)
    z = np.array(scores)

    found = holm_crossings(z, holm_bounds(fractions, len(z), plan=PLAN), [False] * len(z))

    order = np.argsort(-np.abs(z))
    still_open, by_hand = len(z), np.zeros(len(z), bool)
    for place in order:
        if repeated_p(z[place], fractions, spending=PLAN.spending) > PLAN.alpha / still_open + 1e-9:
            break
        by_hand[place], still_open = True, still_open - 1
    assert found.tolist() == by_hand.tolist()


@settings(max_examples=25)
@given(st.floats(1.0, 5), looks, st.sampled_from(list(Spending)))
def test_the_repeated_p_value_is_the_alpha_whose_bound_is_met(z, times, spending):
    fractions = tuple(time / 40 for time in times)

    chance = repeated_p(z, fractions, spending=spending)

    if 1e-11 < chance < 1:
        assert boundaries(fractions, alpha=chance, spending=spending)[-1] == pytest.approx(z, abs=1e-6)


def test_repeated_p_values_fall_as_the_evidence_grows():
    chances = [repeated_p(z, (0.3, 0.7), spending=Spending.OBRIEN_FLEMING) for z in (0, 1, 2, 3, 4, 9)]

    assert chances[0] == pytest.approx(1, abs=1e-6)
    assert all(first >= second for first, second in pairwise(chances))
    assert 0 < chances[-1] < 1e-9


def test_repeated_intervals_hold_at_all_looks_together():
    """Probability .95 that none of five intervals misses the truth, whatever the truth."""
    rng, fractions = np.random.default_rng(2), (0.2, 0.4, 0.6, 0.8, 1.0)
    bounds = boundaries(fractions, alpha=0.05, spending=Spending.OBRIEN_FLEMING)
    sums = rng.standard_normal((40_000, 5)).cumsum(axis=1) * 0.2**0.5

    missed = (np.abs(sums / np.sqrt(fractions)) > bounds).any(axis=1).mean()

    assert missed == pytest.approx(0.05, abs=0.004)


@given(st.permutations(range(4)))
@settings(max_examples=10)
def test_the_order_of_the_variants_does_not_matter(order):
    counts = [(330, 10_000), (352, 10_000), (420, 10_000), (300, 10_000)]
    variants = [arm(f"V{number}", *counts[number]) for number in range(4)]
    plan = LiftPlan(planned_units=100_000)
    control = arm("A", 310, 10_000)

    plain = prove_lift([control, *variants], plan=plan)
    mixed = prove_lift([control, *(variants[place] for place in order)], plan=plan)

    assert mixed.winner == plain.winner
    for place, reading in zip(order, mixed.arms[1:], strict=True):
        assert reading == plain.arms[1 + place]


@pytest.mark.parametrize(
    "wrong", [{"planned_units": 0}, {"minimum_effect": 0.0}, {"alpha": 0.0}, {"power": 1.0}]
)
def test_plans_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"plan needs|must be in"):
        replace(PLAN, **wrong)


def test_an_experiment_needs_two_arms_with_names_of_their_own():
    with pytest.raises(ValueError, match="needs a control and a variant"):
        prove_lift([arm("A", 30, 100)], plan=PLAN)
    with pytest.raises(ValueError, match="share a name"):
        prove_lift([arm("A", 30, 100), arm("A", 30, 100)], plan=PLAN)


@pytest.mark.parametrize("better", [0, 1, 2, 3])
def test_beside_better_variants_the_equal_ones_are_falsely_found_as_rarely_as_promised(better):
    """Holm over five looks, four variants, some of them better: 20,000 runs of z, the standard error is .15
    points. Correlated by the common control.
    """
    rng, looks, runs = np.random.default_rng(31), 5, 20_000
    fractions = tuple((np.arange(1, looks + 1) / looks).tolist())
    steps = rng.normal(size=(runs, looks, 5)) * np.sqrt(1 / looks)
    walks = steps.cumsum(axis=1)
    drift = np.where(np.arange(4) < better, 4.0, 0.0)
    settled = np.zeros((runs, 4), dtype=bool)
    for look, seen in enumerate(fractions):
        gap = (walks[:, look, 1:] - walks[:, look, :1]) / np.sqrt(2 * seen)
        z = gap + drift * np.sqrt(seen)
        settled = holm_crossings(z, holm_bounds(fractions[: look + 1], 4, plan=PLAN), settled)

    assert settled[:, better:].any(axis=1).mean() <= 0.05 + 0.003
    assert better == 0 or settled[:, :better].mean() > 0.8


def test_a_look_next_to_the_horizon_is_at_it():
    reading = read((2_000, 19_990), (2_010, 19_990))

    assert reading.information == 1.0
    assert reading.verdict is Verdict.NO_DIFFERENCE
    with pytest.raises(HorizonPassed):
        read((2_000, 20_000), (2_010, 20_000), past=(39_980,))


def _orders(rng, name, people, chance, lift=1.0):
    """What each of the people spent: few bought, and some of them for far more than the others."""
    spent = np.zeros(people)
    bought = rng.binomial(people, chance * lift)
    spent[:bought] = rng.lognormal(5, 1, bought)
    return Arm(name=name, estimate=means.estimate(Moments.of(spent)), share=people)


@pytest.mark.parametrize(
    ("control", "variant", "chance"), [(1_000, 19_000, 0.01), (1_000, 9_000, 0.01), (300, 2_700, 0.05)]
)
def test_a_small_control_that_sold_little_by_chance_makes_no_winner(control, variant, chance):
    rng, found, runs = np.random.default_rng(20261130), 0, 1_000
    plan = LiftPlan(planned_units=control + variant)
    for _ in range(runs):
        arms = [_orders(rng, "c", control, chance), _orders(rng, "v", variant, chance)]
        found += prove_lift(arms, plan=plan).winner is not None
    assert found / runs <= 0.05


def test_a_lift_that_is_there_is_found_beside_a_small_control():
    rng, found = np.random.default_rng(20261130), 0
    plan = LiftPlan(planned_units=50_000)
    for _ in range(100):
        arms = [_orders(rng, "c", 5_000, 0.04), _orders(rng, "v", 45_000, 0.04, lift=1.5)]
        found += prove_lift(arms, plan=plan).winner == "v"
    assert found >= 90
