import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths import rules
from apps.attribution.maths.journeys import Journeys

from .strategies import journeys_of, rows
from .vectors import journeys_of as journeys_of_paths
from .vectors import load, synthetic

CASES = {case["name"]: case for case in load("heuristics_small.json")["cases"]}
RULES = (rules.first_touch, rules.last_touch, rules.last_non_direct, rules.linear, rules.position_based)


def one(path: list[str], ages: list[float] | None = None) -> Journeys:
    found = Journeys.of_paths([path], conversions=[1])
    return found if ages is None else aged(found, ages)


def aged(journeys: Journeys, ages: list[float]) -> Journeys:
    return Journeys(
        channels=journeys.channels,
        codes=journeys.codes,
        offsets=journeys.offsets,
        conversions=journeys.conversions,
        value=journeys.value,
        nulls=journeys.nulls,
        age_days=np.array(ages),
    )


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_position_based_and_linear_have_the_reference_weights(length):
    path = [f"c{i}" for i in range(length)]

    assert rules.position_based(one(path)) == pytest.approx(
        CASES[f"position_based_40_20_40_len{length}"]["weights"], abs=1e-15
    )
    assert rules.linear(one(path)) == pytest.approx(CASES[f"linear_len{length}"]["weights"], abs=1e-15)


@pytest.mark.parametrize("name", ["time_decay_half_life_7d", "time_decay_same_channel_twice"])
def test_time_decay_halves_with_each_half_life(name):
    case = CASES[name]
    journeys = one(
        [touch["channel"] for touch in case["touches"]],
        [touch["hours_before_conversion"] / 24 for touch in case["touches"]],
    )

    weights = rules.time_decay(journeys, half_life_days=case["half_life_hours"] / 24)

    if "weights" in case:
        assert weights == pytest.approx(case["weights"], abs=1e-12)
    else:
        credit = dict(zip(journeys.channels, np.bincount(journeys.codes, weights=weights), strict=True))
        assert credit == pytest.approx(case["credit"], abs=1e-12)


@pytest.mark.parametrize("name", ["time_decay_reference_time_irrelevant", "time_decay_posthog"])
def test_time_decay_agrees_with_published_weights(name):
    case = CASES[name]
    journeys = one(["a", "b", "c"], [hours / 24 for hours in case["touches_hours"]])

    weights = rules.time_decay(journeys, half_life_days=case["half_life_hours"] / 24)

    assert weights == pytest.approx(case["weights"], abs=1e-9)


@pytest.mark.parametrize("name", ["last_non_direct", "last_non_direct_all_direct"])
def test_last_non_direct_skips_direct_unless_there_is_nothing_else(name):
    weights = rules.last_non_direct(one(CASES[name]["path"]))

    assert weights.argmax() == CASES[name]["credit_index"]
    assert weights.sum() == 1


def test_last_non_direct_takes_the_name_of_the_direct_channel():
    assert rules.last_non_direct(one(["email", "(none)"]), direct_channel="(none)").tolist() == [1, 0]
    assert rules.last_non_direct(one(["email", "(none)"])).tolist() == [0, 1]


def test_first_and_last_touch_take_the_ends():
    case = CASES["first_last"]

    assert rules.first_touch(one(case["path"])).argmax() == case["first_index"]
    assert rules.last_touch(one(case["path"])).argmax() == case["last_index"]


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (rules.first_touch, "first"),
        (rules.last_touch, "last"),
        (rules.linear, "linear"),
        (rules.position_based, "pos"),
    ],
)
def test_the_rules_agree_with_the_10k_vectors(rule, name):
    journeys, expected = synthetic(), load("synthetic_10k_expected.json")["heuristics"]
    weights = rule(journeys)

    for per_journey, suffix in ((journeys.conversions, "c"), (journeys.value, "v")):
        earned = np.bincount(journeys.codes, weights=weights * np.repeat(per_journey, journeys.lengths))
        assert dict(zip(journeys.channels, earned, strict=True)) == pytest.approx(
            expected[f"{name}_{suffix}"], abs=1e-9
        )


@pytest.mark.parametrize(
    ("rule", "name"),
    [(rules.first_touch, "first_touch"), (rules.last_touch, "last_touch"), (rules.linear, "linear_touch")],
)
def test_the_rules_agree_with_channel_attribution(rule, name):
    case = load("cross_library_small.json")
    theirs = case["outputs"]["ChannelAttribution 2.2.5 (GPL-3.0-or-later)"]["heuristic_models"]
    journeys = journeys_of_paths(case["paths"])

    weights = rule(journeys)

    for per_journey, suffix in ((journeys.conversions, "conversions"), (journeys.value, "value")):
        earned = np.bincount(journeys.codes, weights=weights * np.repeat(per_journey, journeys.lengths))
        assert earned == pytest.approx(theirs[f"{name}_{suffix}"], abs=1e-9)


@given(rows(touched=False, converting=False))
def test_every_rule_shares_out_each_journey_once(found):
    journeys = journeys_of(found)

    for rule in RULES:
        weights = rule(journeys)
        per_journey = np.bincount(journeys.journey_of_touch, weights=weights, minlength=journeys.n_journeys)
        assert (weights >= 0).all()
        assert per_journey == pytest.approx((journeys.lengths > 0).astype(float), abs=1e-12)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(0.01, 365))
def test_time_decay_adds_up_to_one_however_old_the_touches(ages, half_life):
    weights = rules.time_decay(one(["a"] * len(ages), ages), half_life_days=half_life)

    assert weights.sum() == pytest.approx(1)
    assert np.isfinite(weights).all()


@given(st.lists(st.floats(0, 90), min_size=2, max_size=10), st.floats(0, 90))
def test_time_decay_does_not_depend_on_the_moment_ages_count_from(ages, shift):
    path = ["a"] * len(ages)

    assert rules.time_decay(one(path, [age + shift for age in ages])) == pytest.approx(
        rules.time_decay(one(path, ages)), abs=1e-9
    )


@pytest.mark.parametrize("half_life", [0, -1, float("nan"), float("inf")])
def test_time_decay_refuses_a_half_life_that_is_no_length_of_time(half_life):
    with pytest.raises(ValueError, match="half_life_days must be finite and > 0"):
        rules.time_decay(one(["a"], [1.0]), half_life_days=half_life)


def test_time_decay_refuses_paths_without_times():
    with pytest.raises(ValueError, match="no times"):
        rules.time_decay(one(["a"]))
