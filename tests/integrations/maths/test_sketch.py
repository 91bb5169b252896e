"""Sketches: within 1 % of the exact percentile, and merging is exact."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.integrations.maths.error_budget import FAST, Window, hours_left, is_burning
from apps.integrations.maths.sketch import ACCURACY, Sketch

values = st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=1, max_size=60)


def sketch_of(numbers):
    sketch = Sketch()
    for number in numbers:
        sketch.add(number)
    return sketch


@given(values, st.floats(0, 1))
def test_a_quantile_is_within_one_per_cent_of_the_exact_one(numbers, q):
    exact = sorted(numbers)[math.floor(q * (len(numbers) - 1))]

    assert sketch_of(numbers).quantile(q) == pytest.approx(exact, rel=ACCURACY * 1.0001, abs=1e-9)


@given(values, values)
def test_merging_is_the_same_as_adding_all(first, second):
    merged = sketch_of(first)
    merged.merge(sketch_of(second))
    whole = sketch_of(first + second)

    assert merged.as_json() == whole.as_json()
    assert (merged.count, merged.least, merged.most) == (whole.count, whole.least, whole.most)
    assert merged.total == pytest.approx(whole.total)


@given(values)
def test_a_sketch_comes_back_from_its_columns(numbers):
    sketch = sketch_of(numbers)
    document = json.loads(json.dumps(sketch.as_json()))

    again = Sketch.of(document, count=sketch.count, total=sketch.total, least=sketch.least, most=sketch.most)

    assert again == sketch


def test_averages_of_percentiles_would_be_wrong_where_the_merged_one_is_right():
    rng = np.random.default_rng(7)
    minutes = [rng.lognormal(0, 1, 50), rng.lognormal(3, 1, 950)]
    hour = Sketch()
    for minute in minutes:
        hour.merge(sketch_of(minute))

    exact = np.quantile(np.concatenate(minutes), 0.99)
    assert hour.quantile(0.99) == pytest.approx(exact, rel=0.03)
    assert np.mean([np.quantile(one, 0.99) for one in minutes]) < exact * 0.8


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        Sketch().add(bad)


def test_nothing_has_no_percentile():
    assert Sketch().quantile(0.5) is None


def test_the_workbooks_example_burns():
    # Chapter 5: with an objective of 99.9 %, a burn rate of 14.4 uses 2 % of a 30-day budget in an hour.
    window = Window(calls=100_000, failures=1_440)

    assert window.burn(0.999) == pytest.approx(14.4)
    more = Window(calls=100_000, failures=1_450)
    assert is_burning(more, more, objective=0.999, rate=FAST[2])
    assert hours_left(0.02, 14.4) == pytest.approx(49.0)


def test_two_failures_of_three_calls_are_chance():
    few = Window(calls=3, failures=2)

    assert not is_burning(few, few, objective=0.999, rate=FAST[2])
