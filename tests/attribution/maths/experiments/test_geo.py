from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.attribution.maths.experiments.geo import NothingBefore, read
from apps.attribution.maths.experiments.readings import Verdict


def regions(rng, *, treated, lift=0.0, days=60, start=40, noise=0.05):
    """Regions of different size, a common season, and growth of their own."""
    size = rng.lognormal(5, 1, (len(treated), 1))
    season = 1 + 0.3 * np.sin(np.arange(days) / 7)
    own = np.exp(rng.normal(0, noise, (len(treated), 1)) * (np.arange(days) >= start))
    effect = np.where((np.arange(days) >= start) & np.array(treated)[:, None], 1 + lift, 1.0)
    return rng.poisson(size * season * own * effect).astype(float)


def choice(rng, n, k):
    flags = np.zeros(n, bool)
    flags[rng.choice(n, k, replace=False)] = True
    return flags


def test_a_lift_is_found_with_what_it_brought():
    rng = np.random.default_rng(1)
    treated = choice(rng, 16, 8)
    outcomes = regions(rng, treated=treated, lift=0.2)

    reading = read(outcomes, treated=treated, first_treated_day=40, rng=rng)

    assert reading.verdict is Verdict.WINNER
    assert reading.low < 1.2 < reading.high
    since = outcomes[treated, 40:].sum()
    assert reading.incremental == pytest.approx(since * (1 - 1 / reading.ratio))
    assert reading.incremental_low < since * (1 - 1 / 1.2) < reading.incremental_high
    assert reading.placebos == 12_870


def test_the_figures_are_those_of_trying_every_choice_by_hand():
    rng = np.random.default_rng(2)
    treated = choice(rng, 8, 4)
    outcomes = regions(rng, treated=treated, lift=0.1)
    before, since = outcomes[:, :40], outcomes[:, 40:]
    steps = np.hstack([np.diff(before), np.diff(since)])
    half = (steps**2).mean(axis=1) / 2 / outcomes.mean(axis=1) / 2
    growth = np.log((since.sum(axis=1) + half) / 20) - np.log((before.sum(axis=1) + half) / 40)

    def contrast(values, members):
        inside = np.isin(np.arange(8), members)
        return values[inside].mean() - values[~inside].mean()

    def chance(taken_out, sign):
        values = growth - taken_out * treated
        effects = [contrast(values, members) for members in combinations(range(8), 4)]
        seen = contrast(values, np.flatnonzero(treated))
        return np.mean([sign * effect >= sign * seen - 1e-12 for effect in effects])

    reading = read(outcomes, treated=treated, first_treated_day=40, rng=rng)

    assert np.log(reading.ratio) == pytest.approx(contrast(growth, np.flatnonzero(treated)))
    effects = [abs(contrast(growth, members)) for members in combinations(range(8), 4)]
    assert reading.p_value == pytest.approx(np.mean(np.array(effects) >= abs(np.log(reading.ratio)) - 1e-12))
    for limit, sign, inward in ((reading.low, 1, 1e-6), (reading.high, -1, -1e-6)):
        assert chance(np.log(limit) + inward, sign) > 0.025
        assert chance(np.log(limit) - inward, sign) <= 0.025


def test_too_few_regions_are_said_to_be_too_few():
    rng = np.random.default_rng(3)
    treated = choice(rng, 6, 3)

    reading = read(regions(rng, treated=treated, lift=2), treated=treated, first_treated_day=40, rng=rng)

    assert (reading.verdict, reading.low, reading.incremental_high) == (Verdict.NOT_ENOUGH_DATA, None, None)
    assert "20 ways" in reading.because


def test_many_regions_are_judged_by_a_draw():
    rng = np.random.default_rng(4)
    treated = choice(rng, 40, 15)
    outcomes = regions(rng, treated=treated, lift=0.1)

    first, second = (
        read(outcomes, treated=treated, first_treated_day=40, rng=np.random.default_rng(seed))
        for seed in (5, 6)
    )

    assert first.placebos == 20_000
    assert first.low == pytest.approx(second.low, rel=0.01)
    assert first.low < 1.1 < first.high


def test_intervals_cover_and_false_alarms_are_rare():
    rng = np.random.default_rng(7)
    covered = alarms = 0
    for _ in range(300):
        treated = choice(rng, 12, 5)
        outcomes = regions(rng, treated=treated, lift=0.15, days=30, start=20)
        reading = read(outcomes, treated=treated, first_treated_day=20, rng=rng)
        covered += reading.low <= 1.15 <= reading.high
        placebo = read(outcomes[:, :20], treated=treated, first_treated_day=10, rng=rng)
        alarms += placebo.p_value <= 0.05

    assert 0.92 <= covered / 300 <= 0.98
    assert alarms / 300 < 0.09


@pytest.mark.parametrize("order", [None, 50.0])
def test_few_outcomes_a_region_lean_to_neither_side(order):
    """Some 20 conversions or orders a region: plain logs of such sums find more than twice."""
    rng, errors, plain, covered = np.random.default_rng(9), [], [], 0
    for _ in range(1_200):
        treated = choice(rng, 12, 6)
        expected = np.full((12, 30), 2.0) * np.where((np.arange(30) >= 20) & treated[:, None], 2.0, 1.0)
        outcomes = rng.poisson(expected).astype(float)
        if order is not None:
            outcomes = np.where(outcomes > 0, rng.gamma(2 * np.maximum(outcomes, 1), order / 2), 0.0)
        reading = read(outcomes, treated=treated, first_treated_day=20, rng=rng)
        growth = np.log(outcomes[:, 20:].sum(axis=1) / outcomes[:, :20].sum(axis=1))
        errors.append(np.log(reading.ratio / 2))
        plain.append(growth[treated].mean() - growth[~treated].mean() - np.log(2))
        covered += reading.low <= 2 <= reading.high

    assert abs(np.mean(errors)) < 2 * np.std(errors) / np.sqrt(1_200)
    assert np.mean(plain) > 2 * np.std(plain) / np.sqrt(1_200)
    assert 0.93 <= covered / 1_200 <= 0.97


def test_the_detectable_lift_is_found_four_times_in_five():
    rng = np.random.default_rng(8)
    treated = choice(rng, 14, 7)
    told = np.median(
        [
            read(regions(rng, treated=treated), treated=treated, first_treated_day=40, rng=rng).detectable
            for _ in range(30)
        ]
    )

    found = [
        read(regions(rng, treated=treated, lift=told), treated=treated, first_treated_day=40, rng=rng).p_value
        <= 0.05
        for _ in range(150)
    ]

    assert 0.68 <= np.mean(found) <= 0.92


@settings(max_examples=20)
@given(st.permutations(range(9)), st.floats(0.1, 100))
def test_neither_the_order_of_regions_nor_the_unit_of_outcome_matters(order, scale):
    rng = np.random.default_rng(9)
    treated = choice(rng, 9, 4)
    outcomes = regions(rng, treated=treated, lift=0.1)

    plain = read(outcomes, treated=treated, first_treated_day=40, rng=rng)
    mixed = read(outcomes[order] * scale, treated=treated[order], first_treated_day=40, rng=rng)

    assert (mixed.ratio, mixed.low, mixed.high) == pytest.approx((plain.ratio, plain.low, plain.high))
    assert mixed.p_value == pytest.approx(plain.p_value)
    assert mixed.incremental == pytest.approx(plain.incremental * scale)


def test_a_region_without_outcomes_is_named():
    outcomes = np.ones((4, 10))
    outcomes[2, :5] = 0

    with pytest.raises(NothingBefore, match="region 2"):
        read(outcomes, treated=[1, 1, 0, 0], first_treated_day=5, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("outcomes", "treated", "start"),
    [
        (np.ones(4), [1, 0, 0, 0], 2),
        (np.ones((4, 5)), [1, 0], 2),
        (np.ones((4, 5)), [1, 0, 0, 0], 0),
        (np.ones((4, 5)), [1, 0, 0, 0], 5),
        (-np.ones((4, 5)), [1, 0, 0, 0], 2),
        (np.ones((4, 5)), [0, 0, 0, 0], 2),
        (np.ones((4, 5)), [1, 1, 1, 1], 2),
    ],
)
def test_tests_that_cannot_be_are_refused(outcomes, treated, start):
    with pytest.raises(ValueError, match=r"need|no days|finite|some regions"):
        read(outcomes, treated=treated, first_treated_day=start, rng=np.random.default_rng(0))
