import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from apps.attribution.maths.experiments.boundaries import (
    LookTooSoon,
    boundaries,
    crossing_chances,
    inflation,
)
from apps.attribution.maths.experiments.spending import Spending, spent
from tests.attribution.maths.vectors import load

NAMES = {
    "lan_demets_obf": Spending.OBRIEN_FLEMING,
    "lan_demets_pocock": Spending.POCOCK,
    "power_phi2": Spending.POWER_2,
    "power_phi3": Spending.POWER_3,
}
CASES = load("ab_group_sequential.json")["cases"]
SPENT = [case for case in CASES if case["spending"] in NAMES]
CLASSICAL = [case for case in CASES if case["spending"] not in NAMES]


def evenly(looks):
    return tuple((np.arange(1, looks + 1) / looks).tolist())


def label(case):
    return f"{case['looks']}-{case['alpha']}-{case['spending']}"


@pytest.mark.parametrize("case", SPENT, ids=label)
def test_bounds_agree_with_the_vectors(case):
    spending = NAMES[case["spending"]]

    found = np.array(boundaries(evenly(case["looks"]), alpha=case["alpha"], spending=spending))

    cumulative = [spent(t, alpha=case["alpha"], spending=spending) for t in evenly(case["looks"])]
    assert cumulative == pytest.approx(case["cum_alpha"], abs=1e-12)
    off = np.abs(np.minimum(found, 8) - case["z_bounds"])
    is_told = np.array(case["cum_alpha"]) > 1e-9
    assert off[is_told].max() < 1e-6
    assert off.max() < 1e-4
    if "spotify_confidence_z" in case:
        assert found == pytest.approx(case["spotify_confidence_z"], abs=1.4e-3)


@pytest.mark.parametrize("case", CLASSICAL, ids=label)
def test_the_classical_constants_spend_alpha(case):
    times = np.array(evenly(case["looks"]))
    shape = times**-0.5 if "obrien" in case["spending"] else np.ones(case["looks"])

    chances = crossing_chances(times.tolist(), (case["value"] * shape).tolist())

    assert chances.sum() == pytest.approx(case["alpha"], abs=1e-9)


fractions = (
    st.lists(st.integers(1, 200), min_size=1, max_size=8, unique=True)
    .map(sorted)
    .map(lambda looks: tuple(look / 200 for look in looks))
)


@settings(max_examples=40)
@given(fractions, st.sampled_from(list(Spending)), st.floats(0.001, 0.3))
def test_uneven_looks_spend_what_they_may_and_no_more(times, spending, alpha):
    chances = crossing_chances(times, boundaries(times, alpha=alpha, spending=spending))

    assert np.cumsum(chances) == pytest.approx(
        [spent(t, alpha=alpha, spending=spending) for t in times], abs=1e-9
    )


@settings(max_examples=30)
@given(fractions, st.sampled_from(list(Spending)), st.floats(0.01, 0.2))
def test_less_alpha_asks_for_more_at_every_look(times, spending, alpha):
    strict = boundaries(times, alpha=alpha / 2, spending=spending)
    lax = boundaries(times, alpha=alpha, spending=spending)

    assert all(a >= b - 1e-9 for a, b in zip(strict, lax, strict=True))


def test_walks_by_brute_force_cross_as_often():
    times = (0.15, 0.4, 0.55, 1.0)
    bounds = boundaries(times, alpha=0.1, spending=Spending.POCOCK)
    rng = np.random.default_rng(7)

    steps = rng.standard_normal((200_000, 4)) * np.sqrt(np.diff(times, prepend=0))
    sums = (steps + 2.0 * np.diff(times, prepend=0)).cumsum(axis=1)
    first = (np.abs(sums / np.sqrt(times)) >= bounds).argmax(axis=1)
    crossed = (np.abs(sums / np.sqrt(times)) >= bounds).any(axis=1)
    seen = np.bincount(first[crossed], minlength=4) / len(steps)

    assert seen == pytest.approx(crossing_chances(times, bounds, drift=2.0), abs=0.004)


def test_one_look_is_the_ordinary_test():
    assert boundaries((1.0,), alpha=0.05, spending=Spending.POCOCK)[0] == pytest.approx(1.959963984540054)
    assert crossing_chances([1.0], [1.96], drift=3.0)[0] == pytest.approx(ndtr(1.04) + ndtr(-4.96))


def test_looks_cost_few_units_and_pocock_looks_cost_more():
    few = inflation(5, alpha=0.05, power=0.8, spending=Spending.OBRIEN_FLEMING)
    many = inflation(5, alpha=0.05, power=0.8, spending=Spending.POCOCK)

    assert inflation(1, alpha=0.05, power=0.8, spending=Spending.POCOCK) == pytest.approx(1, abs=1e-3)
    assert 1.01 < few < 1.05 < many < 1.3


def test_a_look_too_soon_after_the_last_is_refused():
    with pytest.raises(LookTooSoon):
        boundaries((0.5, 0.5005), alpha=0.05, spending=Spending.OBRIEN_FLEMING)


@pytest.mark.parametrize(("times", "alpha"), [((), 0.05), ((0.5, 1.1), 0.05), ((0.0,), 0.05), ((1.0,), 1.0)])
def test_looks_and_levels_that_cannot_be_are_refused(times, alpha):
    with pytest.raises(ValueError, match="must be in"):
        boundaries(times, alpha=alpha, spending=Spending.POCOCK)
