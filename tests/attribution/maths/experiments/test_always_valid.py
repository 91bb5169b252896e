import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.experiments import differences, means, proportions
from apps.attribution.maths.experiments.always_valid import WatchPlan, half_width, p_value, watch
from apps.attribution.maths.experiments.arms import Arm, Moments
from apps.attribution.maths.experiments.readings import Standing, Verdict
from tests.attribution.maths.vectors import load

CASES = [case for case in load("ab_gbstats.json")["proportion"] if not case["ttest"]["error"]]


def arm(name, successes, units, share=1.0):
    return Arm(name=name, estimate=proportions.estimate(successes, units), share=share)


@pytest.mark.parametrize("tightest", [1000, 5000, 20000])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['x_a']}-{case['difference_type']}")
def test_sequences_agree_with_the_vectors(case, tightest):
    a, b = (proportions.estimate(case["x_" + side], case["n_" + side]) for side in "ab")
    found = {"absolute": differences.absolute, "relative": differences.relative}[case["difference_type"]](
        a, b
    )
    expected = case[f"sequential_{tightest}"]

    half = half_width(found.standard_error, a.units + b.units, alpha=0.05, tightest_at_units=tightest)
    chance = p_value(
        found.value, found.standard_error, a.units + b.units, alpha=0.05, tightest_at_units=tightest
    )

    assert (found.value - half, found.value + half) == pytest.approx(tuple(expected["ci"]), rel=1e-9)
    assert chance == pytest.approx(expected["p_value"], rel=1e-9)


def test_without_any_variation_there_is_no_evidence():
    assert p_value(0.0, 0.0, 4000, alpha=0.05, tightest_at_units=5000) == 1.0


@given(
    st.floats(-5, 5),
    st.floats(0.01, 5),
    st.integers(10, 10**7),
    st.floats(0.001, 0.3),
    st.integers(100, 10**6),
)
def test_the_interval_excludes_zero_exactly_where_p_is_below_alpha(gap, error, units, alpha, tightest):
    half = half_width(error, units, alpha=alpha, tightest_at_units=tightest)
    chance = p_value(gap, error, units, alpha=alpha, tightest_at_units=tightest)

    if abs(abs(gap) / half - 1) > 1e-6:
        assert (abs(gap) > half) == (chance < alpha)


@given(st.integers(100, 10**6), st.integers(2, 100))
def test_sequences_shrink_with_units_and_never_below_a_single_look(units, times):
    now, later = (
        half_width(1 / np.sqrt(n), n, alpha=0.05, tightest_at_units=5000) for n in (units, units * times)
    )

    assert later < now
    assert now > 1.96 / np.sqrt(units)


def test_a_clear_difference_names_the_winner():
    reading = watch([arm("A", 1500, 50_000), arm("B", 2000, 50_000)], plan=WatchPlan())

    assert (reading.verdict, reading.winner, reading.more_units) == (Verdict.WINNER, "B", 0)
    assert reading.arms[1].effect.low > 0
    assert reading.arms[1].standing is Standing.BETTER


def test_below_a_hundred_successes_nobody_wins():
    reading = watch([arm("A", 10, 1000), arm("B", 99, 1000)], plan=WatchPlan())

    assert (reading.verdict, reading.winner) == (Verdict.NOT_ENOUGH_DATA, None)
    assert reading.more_units == 2 * (10_000 - 1000)


def test_it_says_how_many_more_units_make_the_intervals_narrow_enough():
    arms = [arm("A", 1500, 50_000), arm("B", 1510, 50_000)]
    first = watch(arms, plan=WatchPlan())
    times = (first.units + first.more_units) / first.units

    later = watch(
        [arm(a.name, round(a.estimate.events * times), round(50_000 * times)) for a in arms], plan=WatchPlan()
    )

    assert first.verdict is Verdict.KEEP_GOING
    assert later.verdict is Verdict.NO_DIFFERENCE
    effect = later.arms[1].effect
    assert (effect.high - effect.low) / 2 == pytest.approx(0.003, rel=0.01)


def test_where_every_variant_is_worse_the_control_wins():
    reading = watch([arm("A", 2000, 50_000), arm("B", 1500, 50_000)], plan=WatchPlan())

    assert (reading.verdict, reading.winner) == (Verdict.WINNER, "A")


def test_variants_are_judged_together():
    """B alone is found; beside three that are like the control it is not."""
    alike = [arm(name, 1500, 50_000) for name in "CDE"]
    pair = [arm("A", 1500, 50_000), arm("B", 1690, 50_000)]

    alone, together = watch(pair, plan=WatchPlan()), watch([*pair, *alike], plan=WatchPlan())

    assert alone.winner == "B"
    assert together.verdict is Verdict.KEEP_GOING
    assert together.arms[1].p_value == pytest.approx(4 * alone.arms[1].p_value)
    assert alone.arms[1].effect.low > 0 > together.arms[1].effect.low


def test_less_may_be_better():
    reading = watch([arm("A", 2000, 50_000), arm("B", 1500, 50_000)], plan=WatchPlan(larger_is_better=False))

    assert (reading.verdict, reading.winner) == (Verdict.WINNER, "B")


def test_means_are_watched_too():
    rng = np.random.default_rng(3)
    arms = [
        Arm(name=name, estimate=means.estimate(Moments.of(rng.gamma(2, scale, 20_000))), share=1)
        for name, scale in (("A", 10), ("B", 11))
    ]

    assert watch(arms, plan=WatchPlan()).winner == "B"


def test_it_misleads_in_fewer_runs_than_alpha_however_often_it_is_looked_at():
    rng = np.random.default_rng(5)
    runs, looks, each = 2000, 200, 100
    successes = rng.binomial(each, 0.2, (2, runs, looks)).cumsum(axis=2)
    units = each * np.arange(1, looks + 1)
    rates = successes / units
    errors = np.sqrt((rates * (1 - rates) / units).sum(axis=0))
    chances = p_value(rates[1] - rates[0], errors, 2 * units, alpha=0.05, tightest_at_units=5000)

    misled = ((chances <= 0.05) & (successes >= 100).all(axis=0)).any(axis=1).mean()

    assert misled < 0.05
