"""Means, ratios and CUPED: estimates from sums."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.experiments import clusters, cuped, differences, means
from apps.attribution.maths.experiments.arms import Estimate, Moments
from tests.attribution.maths.vectors import load

CUPED = load("ab_gbstats.json")["cuped"]
Z = 1.959963984540054


def moments(sums):
    return Moments(
        units=sums["n"],
        sum_y=sums["sy"],
        sum_yy=sums["syy"],
        sum_x=sums["sx"],
        sum_xx=sums["sxx"],
        sum_xy=sums["sxy"],
    )


def told(control, variant):
    found = differences.absolute(control, variant)
    half = found.half_width(Z)
    return {
        "expected": found.value,
        "ci": [found.value - half, found.value + half],
        "p_value": differences.p_value(found),
    }


@pytest.mark.parametrize("case", CUPED, ids=lambda case: str(case["moments"]["a"]["n"]))
def test_cuped_agrees_with_the_vectors(case):
    arms = [moments(case["moments"][side]) for side in "ab"]

    found = cuped.adjust(arms)

    assert found.theta == pytest.approx(case["theta"], rel=1e-9)
    for expected, (control, variant) in (
        (case["adjusted"], found.estimates),
        (case["unadjusted"], [means.estimate(arm) for arm in arms]),
    ):
        answer = told(control, variant)
        assert answer["expected"] == pytest.approx(expected["expected"], rel=1e-9)
        assert answer["ci"] == pytest.approx(expected["ci"], rel=1e-9)
        assert answer["p_value"] == pytest.approx(expected["p_value"], rel=1e-9)


def draw(rng, n, *, lift=0.0, correlation=0.8):
    before = rng.gamma(2, 10, n)
    return before, correlation * before + lift + rng.normal(0, 6, n)


def test_cuped_is_the_residual_of_a_regression_on_all_units():
    rng = np.random.default_rng(1)
    arms = [draw(rng, 400), draw(rng, 500, lift=1), draw(rng, 300, lift=2)]
    x, y = (np.concatenate([arm[which] for arm in arms]) for which in (0, 1))
    slope = np.polyfit(x, y, 1)[0]

    found = cuped.adjust([Moments.of(y, x) for x, y in arms])

    assert found.theta == pytest.approx(slope)
    for estimate, (own_x, own_y) in zip(found.estimates, arms, strict=True):
        residual = own_y - slope * (own_x - x.mean())
        assert estimate.mean == pytest.approx(residual.mean())
        assert estimate.variance == pytest.approx(residual.var(ddof=1) / len(residual))
    assert found.variance_reduction == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, abs=0.05)
    assert found.covered == 1


@given(st.floats(-1000, 1000), st.floats(0.1, 50))
def test_the_scale_of_the_covariate_does_not_matter(shift, scale):
    rng = np.random.default_rng(2)
    arms = [draw(rng, 200), draw(rng, 200)]

    plain = cuped.adjust([Moments.of(y, x) for x, y in arms])
    moved = cuped.adjust([Moments.of(y, x * scale + shift) for x, y in arms])

    for a, b in zip(plain.estimates, moved.estimates, strict=True):
        assert b.mean == pytest.approx(a.mean, rel=1e-6)
        assert b.variance == pytest.approx(a.variance, rel=1e-5)


def test_units_without_a_covariate_are_kept_as_they_are():
    rng = np.random.default_rng(3)
    (x_a, y_a), (x_b, y_b) = draw(rng, 2000), draw(rng, 2000, lift=1)
    arms = [Moments.of(y_a[:1500], x_a[:1500]), Moments.of(y_b[:1500], x_b[:1500])]
    rest = [Moments.of(y_a[1500:]), Moments.of(y_b[1500:])]

    found, full = cuped.adjust(arms, rest), cuped.adjust([Moments.of(y_a, x_a), Moments.of(y_b, x_b)])
    centre = np.concatenate([x_a[:1500], x_b[:1500]]).mean()
    by_hand = cuped.adjust(
        [Moments.of(y, np.concatenate([x[:1500], np.full(500, centre)])) for x, y in ((x_a, y_a), (x_b, y_b))]
    )

    assert found.covered == 0.75
    assert found.estimates[1].units == 2000
    assert found.theta == pytest.approx(by_hand.theta)
    assert [e.mean for e in found.estimates] == pytest.approx([e.mean for e in by_hand.estimates])
    assert 0.2 < found.variance_reduction < full.variance_reduction


def test_without_any_covariate_nothing_changes():
    rng = np.random.default_rng(4)
    arms = [Moments.of(rng.normal(5, 1, 100)) for _ in range(2)]

    found = cuped.adjust([Moments(units=0, sum_y=0, sum_yy=0)] * 2, arms)

    assert (found.theta, found.variance_reduction, found.covered) == (0, 0, 0)
    assert [e.mean for e in found.estimates] == pytest.approx([arm.mean_y for arm in arms])


def test_cuped_keeps_its_promised_coverage():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        arms = [draw(rng, 150), draw(rng, 150, lift=2)]
        answer = told(*cuped.adjust([Moments.of(y, x) for x, y in arms]).estimates)
        covered += answer["ci"][0] <= 2 <= answer["ci"][1]

    assert 0.93 <= covered / 1000 <= 0.97


def test_a_ratio_has_the_cluster_robust_error_of_its_rows():
    rng = np.random.default_rng(6)
    groups = rng.integers(0, 40, 900)
    rows = rng.normal(3, 1, 900) + rng.normal(0, 1, 40)[groups]

    found = clusters.estimate(
        Moments.of(np.bincount(groups, rows, minlength=40), np.bincount(groups, minlength=40))
    )

    scores = np.bincount(groups, rows - rows.mean(), minlength=40)
    assert found.mean == pytest.approx(rows.mean())
    assert found.variance == pytest.approx(40 / 39 * (scores**2).sum() / 900**2)
    assert found.units == 40


def test_where_each_unit_has_one_row_a_ratio_is_a_mean():
    y = np.random.default_rng(7).gamma(2, 3, 500)

    ratio, mean = clusters.estimate(Moments.of(y, np.ones(500))), means.estimate(Moments.of(y))

    assert (ratio.mean, ratio.variance) == pytest.approx((mean.mean, mean.variance))


def test_cluster_errors_cover_where_errors_of_rows_do_not():
    rng = np.random.default_rng(8)
    honest = naive = 0
    for _ in range(600):
        sizes = rng.integers(1, 40, (2, 60))
        ratios = []
        for size in sizes:
            y = size * (0.3 + rng.normal(0, 0.1, 60)) + rng.normal(0, 0.2, 60) * np.sqrt(size)
            ratios.append(Moments.of(y, size))
        control, variant = (clusters.estimate(found) for found in ratios)
        gap = differences.absolute(control, variant)
        honest += abs(gap.value) <= gap.half_width(Z)
        rows = sum(0.2**2 / size.sum() for size in sizes)
        naive += abs(gap.value) <= Z * np.sqrt(rows)

    assert 0.93 <= honest / 600 <= 0.97
    assert naive / 600 < 0.8


def test_sums_of_parts_add_up():
    rng = np.random.default_rng(9)
    y, x = rng.normal(size=(2, 50))

    together, apart = Moments.of(y, x), Moments.of(y[:20], x[:20]) + Moments.of(y[20:], x[20:])

    there = together.around(apart.centre_y, apart.centre_x)
    for name in ("units", "sum_y", "sum_yy", "sum_x", "sum_xx", "sum_xy"):
        assert getattr(there, name) == pytest.approx(getattr(apart, name))


def test_large_values_near_each_other_keep_what_they_differ_by():
    y = 1e12 + np.array([1.0, 2.0, 3.0, 4.0])

    plain, parts = Moments.of(y), Moments.of(y[:2]) + Moments.of(y[2:])
    ratio = clusters.estimate(Moments.of(y, np.ones(4)))

    assert means.estimate(plain).variance * 4 == pytest.approx(5 / 3)
    assert means.estimate(parts).variance * 4 == pytest.approx(5 / 3)
    assert means.estimate(parts).mean == 1e12 + 2.5
    assert ratio.variance * 4 == pytest.approx(5 / 3)


def test_an_error_needs_two_units_and_a_denominator():
    with pytest.raises(ValueError, match="two units"):
        means.estimate(Moments.of([1.0]))
    with pytest.raises(ValueError, match="positive denominator"):
        clusters.estimate(Moments.of([1.0, 2.0], [0.0, 0.0]))
    with pytest.raises(ValueError, match="2 arms, but 1"):
        cuped.adjust([Moments.of([1.0, 2.0])] * 2, [Moments.of([1.0])])
    with pytest.raises(ValueError, match="same shape"):
        Moments.of([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="finite"):
        Moments.of([np.nan])


@pytest.mark.parametrize("held_out", [500, 1_000, 2_500, 5_000])
def test_a_small_arm_that_bought_little_proves_nothing(held_out):
    """No difference, skewed orders: above nothing in one of forty at most, however small the control is."""
    rng, above, below = np.random.default_rng(20261201), 0, 0
    for _ in range(2_000):
        control, variant = (_orders(rng, units) for units in (held_out, 10_000 - held_out))
        found = differences.effect(control, variant, z=Z)
        above, below = above + (found.low > 0), below + (found.high < 0)
    assert above / 2_000 <= 0.03
    assert below / 2_000 <= 0.03


def test_arms_of_one_size_are_left_as_they_are():
    control = Estimate(units=1_000, mean=5.0, variance=0.01, degrees_of_freedom=999)
    variant = Estimate(units=1_000, mean=5.5, variance=0.09, degrees_of_freedom=999)

    assert differences.absolute(control, variant).standard_error == pytest.approx(0.1**0.5)
    few = replace(control, units=500, degrees_of_freedom=499)
    together = (0.01 * 500 * 499 + 0.09 * 1_000 * 999) / 1_498 / 500
    raised = 0.01 + 0.5 * (together - 0.01)
    assert differences.absolute(few, variant).standard_error == pytest.approx((0.09 + raised) ** 0.5)


def _orders(rng, units):
    """Three of a hundred buy, for amounts that differ widely."""
    values = rng.lognormal(4.0, 1.2, rng.binomial(units, 0.03))
    squares = float((values**2).sum()) - float(values.sum()) ** 2 / units
    return Estimate(
        units=units,
        mean=float(values.sum()) / units,
        variance=squares / (units - 1) / units,
        degrees_of_freedom=units - 1,
    )
