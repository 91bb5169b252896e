import numpy as np
import pytest
from hypothesis import given, settings

from apps.attribution.maths.repeats import _by_sort, _by_table
from apps.attribution.maths.shapley import shapley, shapley_by_touch

from . import reference
from .strategies import NAMES, journeys_of, rows
from .vectors import journeys_of as vector_journeys
from .vectors import load, synthetic

CASES = {case["name"]: case for case in load("shapley_small.json")["cases"] if "paths" in case}


def per_channel(journeys, amounts):
    earned = shapley(journeys) * np.repeat(amounts, journeys.lengths)
    totals = np.bincount(journeys.codes, weights=earned, minlength=len(journeys.channels))
    return dict(zip(journeys.channels, totals, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_shapley_agrees_with_the_brute_force_vectors(name):
    journeys = vector_journeys(CASES[name]["paths"])

    expected = {c: v["float"] for c, v in CASES[name]["shapley"]["subset_count"].items()}

    assert per_channel(journeys, journeys.conversions) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if "ordered_shapley_by_touch_index" in case])
def test_ordered_shapley_agrees_with_the_vectors(name):
    journeys = vector_journeys(CASES[name]["paths"])

    found = shapley_by_touch(journeys)

    for channel, expected in CASES[name]["ordered_shapley_by_touch_index"].items():
        row = found.conversions[found.channels.index(channel)]
        here = {str(place): amount for place, amount in enumerate(row, start=1) if amount}
        assert here == pytest.approx({p: v["float"] for p, v in expected.items() if v["float"]}, abs=1e-12)


def test_shapley_agrees_with_the_10k_vectors():
    journeys, expected = synthetic(), load("synthetic_10k_expected.json")

    assert per_channel(journeys, journeys.conversions) == pytest.approx(
        expected["shapley_subset_count"], abs=1e-9
    )
    assert per_channel(journeys, journeys.value) == pytest.approx(expected["shapley_subset_value"], abs=1e-9)


@settings(max_examples=40)
@given(rows())
def test_shapley_is_the_average_over_all_orders_of_arrival(found):
    journeys = journeys_of(found)

    for measure, amounts in (("conversions", journeys.conversions), ("value", journeys.value)):
        expected = dict.fromkeys(NAMES, 0.0) | {
            c: float(v) for c, v in reference.shapley_by_permutations(found, measure=measure).items()
        }
        assert per_channel(journeys, amounts) == pytest.approx(expected, abs=1e-9)


@given(rows())
def test_the_two_references_agree(found):
    assert reference.shapley_by_subsets(found) == reference.shapley_by_permutations(found)


@given(rows())
def test_ordered_shapley_agrees_with_its_definition_and_sums_to_shapley(found):
    journeys = journeys_of(found)

    by_touch = shapley_by_touch(journeys)

    for channel, places in reference.ordered_shapley(found).items():
        row = by_touch.conversions[by_touch.channels.index(channel)]
        for place, expected in places.items():
            assert (row[place - 1] if place <= len(row) else 0) == pytest.approx(float(expected), abs=1e-9)
    sums = dict(zip(by_touch.channels, by_touch.value.sum(axis=1), strict=True))
    assert sums == pytest.approx(per_channel(journeys, journeys.value), abs=1e-9)


def test_late_touches_are_pooled_in_the_last_column():
    journeys = journeys_of([(("a", "b", "a", "c"), 1, 12, 0)], channels=("a", "b", "c"))

    found = shapley_by_touch(journeys, max_touches=2)

    assert found.conversions == pytest.approx(np.array([[1 / 6, 1 / 6], [0, 1 / 3], [0, 1 / 3]]))
    assert found.value.sum() == pytest.approx(12)
    with pytest.raises(ValueError, match="max_touches must be >= 1"):
        shapley_by_touch(journeys, max_touches=0)


def test_pairs_are_counted_alike_by_table_and_by_sort():
    rng = np.random.default_rng(7)
    pair = np.sort(rng.integers(0, 300, 2_000) // 10) * 10 + rng.integers(0, 10, 2_000)

    table, sort = _by_table(pair, int(pair.max()) + 1), _by_sort(pair)

    assert (table[0] == sort[0]).all()
    assert (table[1] == sort[1]).all()


def test_a_journey_of_a_thousand_distinct_channels_is_split_exactly():
    names = tuple(f"c{i}" for i in range(1_000))

    assert shapley(journeys_of([(names, 1, 0, 0), (("c1",), 1, 0, 0)], channels=names)) == pytest.approx(
        [0.001] * 1_000 + [1.0]
    )
