import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.attribution.maths.experiments import differences, proportions
from tests.attribution.maths.vectors import load

VECTORS = load("ab_statsmodels.json")
PAIRS = VECTORS["two_prop"]
NEAR = {"rel": 1e-9, "abs": 1e-9}
INTERVALS = {
    "ci_diff_wald": proportions.wald_difference,
    "ci_diff_agresti-caffo": proportions.agresti_caffo,
    "ci_diff_newcomb": proportions.newcombe,
    "ci_ratio_log": proportions.log_ratio,
    "ci_ratio_score": proportions.score_ratio,
}


def pair(case):
    return proportions.estimate(case["x_a"], case["n_a"]), proportions.estimate(case["x_b"], case["n_b"])


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: f"{case['x_a']}-{case['x_b']}")
def test_tests_of_two_proportions_agree_with_the_vectors(case):
    z = proportions.pooled_z(*pair(case))

    assert z == pytest.approx(case["z_pooled"], **NEAR)
    assert proportions.two_sided(z) == pytest.approx(case["p_pooled"], **NEAR)
    assert proportions.two_sided(z) / 2 == pytest.approx(case["p_one_sided_larger"], **NEAR)
    assert proportions.fisher(*pair(case)) == pytest.approx(case["p_fisher"], **NEAR)


@pytest.mark.parametrize("name", INTERVALS)
@pytest.mark.parametrize("case", PAIRS, ids=lambda case: f"{case['x_a']}-{case['x_b']}")
def test_intervals_of_two_proportions_agree_with_the_vectors(case, name):
    if case[name] is None:
        return

    assert INTERVALS[name](*pair(case)) == pytest.approx(tuple(case[name]), **NEAR)


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: f"{case['x_a']}-{case['x_b']}")
def test_the_adjusted_ratio_agrees_with_the_vectors(case):
    found = proportions.log_ratio(*pair(case), added=0.5)

    assert found == pytest.approx(tuple(case["ci_ratio_log-adjusted"]), **NEAR)


@pytest.mark.parametrize("case", VECTORS["one_prop_ci"], ids=lambda case: str(case["x"]))
def test_intervals_of_one_proportion_agree_with_the_vectors(case):
    x, n = case["x"], case["n"]

    for name, interval in (
        ("wilson", proportions.wilson),
        ("agresti_coull", proportions.agresti_coull),
        ("beta", proportions.clopper_pearson),
        ("jeffreys", proportions.jeffreys),
    ):
        assert interval(x, n) == pytest.approx(tuple(case[name]), **NEAR)


@pytest.mark.parametrize("case", VECTORS["chi2_k"])
def test_the_test_of_all_arms_agrees_with_the_vectors(case):
    statistic, p_value = proportions.several(case["x"], case["n"])

    assert (statistic, p_value) == pytest.approx((case["chi2"], case["p"]), **NEAR)


def test_no_ratio_without_a_success():
    with pytest.raises(ValueError, match="a success in each arm"):
        proportions.log_ratio(proportions.estimate(0, 10), proportions.estimate(2, 10))


@pytest.mark.parametrize(("successes", "units"), [(-1, 5), (6, 5), (0, 0)])
def test_counts_that_cannot_be_are_refused(successes, units):
    with pytest.raises(ValueError, match="successes"):
        proportions.estimate(successes, units)


counts = st.integers(2, 5000).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n)))


@given(counts, counts)
def test_swapping_the_arms_mirrors_every_difference(first, second):
    a, b = proportions.estimate(*first), proportions.estimate(*second)

    for interval in (
        proportions.wald_difference,
        proportions.agresti_caffo,
        proportions.newcombe,
        proportions.score_difference,
    ):
        low, high = interval(a, b)
        assert interval(b, a) == pytest.approx((-high, -low), abs=1e-8)
    assert proportions.pooled_z(a, b) == pytest.approx(-proportions.pooled_z(b, a), abs=1e-9)


@given(counts, counts)
def test_the_score_interval_excludes_no_difference_exactly_where_its_test_does(first, second):
    a, b = proportions.estimate(*first), proportions.estimate(*second)
    n = a.units + b.units
    z = proportions.pooled_z(a, b) * math.sqrt((n - 1) / n)
    assume(abs(abs(z) - 1.959964) > 1e-4)

    low, high = proportions.score_difference(a, b)

    assert (low > 0 or high < 0) == (abs(z) > 1.959964)


@given(counts, st.integers(2, 40))
def test_intervals_shrink_with_units(first, times):
    successes, units = first

    for interval in (proportions.wilson, proportions.clopper_pearson, proportions.jeffreys):
        low, high = interval(successes, units)
        nearer = interval(successes * times, units * times)
        assert nearer[1] - nearer[0] < high - low


few = st.integers(2, 60).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n)))


@given(few, few)
def test_fisher_is_a_sum_over_all_tables(first, second):
    (x_a, n_a), (x_b, n_b) = first, second
    total = x_a + x_b

    tables = [
        math.comb(n_a, k) * math.comb(n_b, total - k) for k in range(max(0, total - n_b), min(n_a, total) + 1)
    ]
    seen = math.comb(n_a, x_a) * math.comb(n_b, x_b)
    expected = sum(table for table in tables if table <= seen) / sum(tables)

    assert proportions.fisher(
        proportions.estimate(x_a, n_a), proportions.estimate(x_b, n_b)
    ) == pytest.approx(expected, rel=1e-9)


def likeliest_z(case, gap):
    """The score statistic of a difference, its nuisance share found by search instead of by the cubic."""
    (x_a, n_a), (x_b, n_b) = (case["x_a"], case["n_a"]), (case["x_b"], case["n_b"])
    low, high = max(0.0, -gap) + 1e-15, min(1.0, 1 - gap) - 1e-15
    for _ in range(300):
        left, right = low + (high - low) * 0.382, low + (high - low) * 0.618
        if likelihood(x_a, n_a, x_b, n_b, left, gap) < likelihood(x_a, n_a, x_b, n_b, right, gap):
            low = left
        else:
            high = right
    base, other = low, low + gap
    variance = base * (1 - base) / n_a + other * (1 - other) / n_b
    return (x_b / n_b - x_a / n_a - gap) / math.sqrt(variance * (n_a + n_b) / (n_a + n_b - 1))


def likelihood(x_a, n_a, x_b, n_b, base, gap):
    parts = [(x_a, base), (n_a - x_a, 1 - base), (x_b, base + gap), (n_b - x_b, 1 - base - gap)]
    return sum(count * math.log(max(share, 1e-300)) for count, share in parts if count)


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: f"{case['x_a']}-{case['x_b']}")
def test_the_score_interval_of_a_difference_ends_where_its_test_does(case):
    low, high = proportions.score_difference(*pair(case))

    assert likeliest_z(case, low) == pytest.approx(1.959963984540054, abs=1e-5)
    assert likeliest_z(case, high) == pytest.approx(-1.959963984540054, abs=1e-5)
    if case["ci_diff_score"]:  # whose ends are up to 0.004 from z = 1.96, so it can only be near
        assert (low, high) == pytest.approx(tuple(case["ci_diff_score"]), abs=5e-5)


GB = [case for case in load("ab_gbstats.json")["proportion"] if not case["ttest"]["error"]]


@pytest.mark.parametrize("case", GB, ids=lambda case: f"{case['x_a']}-{case['difference_type']}")
def test_differences_agree_with_the_vectors(case):
    kind = {"absolute": differences.absolute, "relative": differences.relative}[case["difference_type"]]

    found = kind(*pair(case))

    half = found.half_width(1.959963984540054)
    assert found.value == pytest.approx(case["ttest"]["expected"], **NEAR)
    assert (found.value - half, found.value + half) == pytest.approx(tuple(case["ttest"]["ci"]), **NEAR)
    assert differences.p_value(found) == pytest.approx(case["ttest"]["p_value"], **NEAR)


def test_nothing_is_relative_to_a_control_without_successes():
    assert differences.relative(proportions.estimate(0, 2000), proportions.estimate(5, 2000)) is None
