"""Sample ratio, many hypotheses, and how many units it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.experiments import multiple, power, sample_ratio
from apps.attribution.maths.experiments.arms import Estimate
from tests.attribution.maths.vectors import load

VECTORS, GB = load("ab_statsmodels.json"), load("ab_gbstats.json")
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@pytest.mark.parametrize("case", VECTORS["srm"] + GB["srm"], ids=lambda case: str(case["users"]))
def test_the_sample_ratio_agrees_with_the_vectors(case):
    found = sample_ratio.check(case["users"], case["weights"])
    expected = case.get("p", case.get("p_value"))

    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert found.mismatch == (expected < 0.001)


def test_a_handful_of_units_says_nothing_of_the_ratio():
    found = sample_ratio.check([9, 0], [0.5, 0.5])

    assert (found.p_value, found.mismatch, found.expected) == (None, False, (4.5, 4.5))


@given(st.lists(st.tuples(st.integers(100, 10_000), st.floats(0.5, 1)), min_size=2, max_size=6))
def test_the_ratio_does_not_depend_on_order_or_scale(arms):
    units, shares = zip(*arms, strict=True)

    found = sample_ratio.check(units, shares)
    turned = sample_ratio.check(units[::-1], [7 * share for share in shares[::-1]])

    assert found.p_value == pytest.approx(turned.p_value, rel=1e-6, abs=1e-300)


def test_shares_that_changed_are_weighed_by_the_units_of_their_time():
    assert sample_ratio.intended([[1, 1], [1, 9]], [1000, 3000]) == pytest.approx((0.2, 0.8))


@pytest.mark.parametrize(
    ("units", "shares"), [([1, 2], [1.0]), ([-1, 2], [1, 1]), ([1, 2], [0, 1]), ([], [])]
)
def test_units_and_shares_that_cannot_be_are_refused(units, shares):
    with pytest.raises(ValueError, match="units"):
        sample_ratio.check(units, shares)


@pytest.mark.parametrize("case", VECTORS["multi"])
def test_adjusted_p_values_agree_with_the_vectors(case):
    assert multiple.holm(case["p"]) == pytest.approx(case["holm"], rel=1e-9)
    assert multiple.bonferroni(case["p"]) == pytest.approx(case["bonferroni"], rel=1e-9)


@given(p_values)
def test_holm_lies_between_the_plain_values_and_bonferroni(values):
    adjusted = multiple.holm(values)

    for plain, holm, bonferroni in zip(values, adjusted, multiple.bonferroni(values), strict=True):
        assert plain <= holm <= bonferroni


@given(p_values, st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_by_hand_rejects(values, alpha):
    rejected = set()
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[place] * (len(values) - rank) > alpha:
            break
        rejected.add(place)

    assert {place for place, p in enumerate(multiple.holm(values)) if p <= alpha} == rejected


@given(p_values, st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_order(values, random):
    order = random.sample(range(len(values)), len(values))

    mixed = multiple.holm([values[place] for place in order])

    assert mixed == pytest.approx([multiple.holm(values)[place] for place in order])


def test_a_probability_above_one_is_refused():
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        multiple.holm([0.2, 1.2])


@pytest.mark.parametrize("case", VECTORS["power"], ids=lambda case: f"{case['p2']}-{case['alpha']}")
def test_units_needed_agree_with_the_vectors(case):
    lift = case["p2"] / case["p1"] - 1
    level = {"alpha": case["alpha"], "power": case["power"]}

    assert power.units_per_arm(case["p1"], lift, **level) == pytest.approx(case["n_per_arm_pooled"], rel=1e-9)
    assert power.units_per_arm_arcsine(case["p1"], lift, **level) == pytest.approx(
        case["n_per_arm_arcsine"], rel=1e-9
    )


@given(st.floats(0.005, 0.3), st.floats(0.02, 0.5), st.floats(1.1, 3))
def test_smaller_lifts_and_more_power_need_more_units(baseline, lift, times):
    plain = power.units_per_arm(baseline, lift)

    assert power.units_per_arm(baseline, lift / times) > plain
    assert power.units_per_arm(baseline, lift, power=0.9) > plain
    assert power.units_per_arm(baseline, lift, alpha=0.01) > plain


def test_looks_and_variants_are_paid_for():
    plain = power.planned_units(0.03, 0.2, variants=1, looks=1)

    assert plain == pytest.approx(2 * 13913.6, rel=1e-3)
    assert power.planned_units(0.03, 0.2, variants=1, looks=20) > plain
    assert power.planned_units(0.03, 0.2, variants=4, looks=1) > plain * 5 / 2


def test_units_to_find_follow_the_spread_so_far():
    estimates = [Estimate(units=1000, mean=10.0, variance=0.4)] * 2

    found = power.units_to_find(estimates, 0.1, alpha=0.05, power=0.8)

    assert found == pytest.approx(2 * power.units_per_arm_mean(20.0, 1.0), abs=2)
    assert power.units_to_find([*estimates, estimates[0]], 0.1, alpha=0.05, power=0.8) == pytest.approx(
        3 * power.units_per_arm_mean(20.0, 1.0, alpha=0.025), abs=3
    )
    assert (
        power.units_to_find([Estimate(units=9, mean=0.0, variance=1.0)] * 2, 0.1, alpha=0.05, power=0.8)
        is None
    )


@pytest.mark.parametrize(
    "deed",
    [
        lambda: power.units_per_arm(0.0, 0.1),
        lambda: power.units_per_arm(0.6, 0.9),
        lambda: power.units_per_arm(0.3, 0.0),
        lambda: power.units_per_arm_mean(0.0, 1.0),
        lambda: power.planned_units(0.1, 0.1, variants=0, looks=1),
    ],
)
def test_plans_that_cannot_be_are_refused(deed):
    with pytest.raises(ValueError, match=r"must be|need"):
        deed()
