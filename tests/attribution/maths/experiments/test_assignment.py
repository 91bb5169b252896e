import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.experiments.assignment import (
    HoldOut,
    Reason,
    Split,
    assign,
    free_slice,
    is_held_out,
    pick,
    point,
)
from apps.attribution.maths.experiments.chi_square import upper_tail

UNITS = [f"person-{number}" for number in range(20_000)]
SPLIT = Split(salt="subject-line", variants=("A", "B", "C"), weights=(0.5, 0.3, 0.2))


def variants(split, units=UNITS, **more):
    return [assign(unit, split, **more).variant for unit in units]


def fits(counts, expected):
    """p-value that counts are drawn with these expectations."""
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    return upper_tail(float(((counts - expected) ** 2 / expected).sum()), counts.size - 1)


def test_assignments_made_once_are_made_for_ever():
    """Figures of the first release: a change here would move people between variants of running tests."""
    assert point("person-1", "subject-line") == 0.44146418928022524
    assert point("", "") == 0.250697583157381
    assert [assign(f"person-{n}", SPLIT).variant for n in range(8)] == list("AABBCCBC")


@given(st.text(), st.text())
def test_points_lie_in_the_unit_interval_and_repeat(unit, salt):
    assert 0 <= point(unit, salt) < 1
    assert point(unit, salt) == point(unit, salt)


def test_salt_and_unit_cannot_be_confused():
    assert point("bc", "a") != point("c", "ab")
    assert point("1:a", "") != point("a", "1:")


def test_points_are_uniform_also_of_units_in_sequence():
    for salt in ("a", "b", "subject-line"):
        counts = np.histogram([point(unit, salt) for unit in UNITS], bins=50, range=(0, 1))[0]
        assert fits(counts, np.full(50, len(UNITS) / 50)) > 1e-4


def test_variants_get_their_weights():
    counts = [variants(SPLIT).count(name) for name in SPLIT.variants]

    assert fits(counts, len(UNITS) * np.array(SPLIT.weights)) > 1e-4


def test_experiments_are_independent_of_each_other():
    other = Split(salt="call-to-action", variants=("X", "Y"), weights=(1, 1))
    pairs = list(zip(variants(SPLIT), variants(other), strict=True))

    counts = [pairs.count((a, b)) for a in SPLIT.variants for b in other.variants]

    assert fits(counts, len(UNITS) * np.outer(SPLIT.weights, [0.5, 0.5]).ravel()) > 1e-4


def test_experiments_of_one_layer_share_nobody_and_each_keeps_its_weights():
    first, second = (
        Split(salt=salt, variants=("A", "B"), weights=(1, 1), layer="home", slice_start=low, slice_end=high)
        for salt, low, high in (("one", 0.0, 0.4), ("two", 0.4, 1.0))
    )
    one, two = variants(first), variants(second)

    assert all((a is None) != (b is None) for a, b in zip(one, two, strict=True))
    assert fits([one.count("A"), one.count("B")], [4000, 4000]) > 1e-4
    assert assign(UNITS[one.index(None)], first).reason is Reason.OTHER_SLICE


def test_slices_of_different_layers_are_independent():
    first, second = (
        Split(salt="s", variants=("A",), weights=(1,), layer=layer, slice_end=0.5) for layer in ("x", "y")
    )
    both = [a is not None and b is not None for a, b in zip(variants(first), variants(second), strict=True)]

    assert fits([sum(both), len(both) - sum(both)], [5000, 15_000]) > 1e-4


def test_nobody_in_the_hold_out_is_ever_assigned_and_growing_it_lets_nobody_out():
    small, large = HoldOut(salt="w", share=0.05), HoldOut(salt="w", share=0.1)
    held = [is_held_out(unit, small) for unit in UNITS]

    assert fits([sum(held), len(held) - sum(held)], [1000, 19_000]) > 1e-4
    assert all(is_held_out(unit, large) for unit, is_out in zip(UNITS, held, strict=True) if is_out)
    first = UNITS[held.index(True)]
    assert assign(first, SPLIT, hold_out=small).reason is Reason.HELD_OUT
    assert assign(first, SPLIT, hold_out=small).variant is None


def test_more_weight_moves_only_units_across_the_border():
    more = Split(salt=SPLIT.salt, variants=SPLIT.variants, weights=(0.5, 0.4, 0.1))

    moved = {(a, b) for a, b in zip(variants(SPLIT), variants(more), strict=True) if a != b}

    assert moved == {("C", "B")}


@given(
    st.floats(0, 1, exclude_max=True),
    st.lists(st.floats(0, 1e6), min_size=1, max_size=6).filter(lambda weights: sum(weights) > 0),
)
def test_a_variant_without_weight_is_never_picked(place, weights):
    assert weights[pick(place, weights)] > 0


@given(
    st.lists(st.integers(0, 9), max_size=6, unique=True),
    st.integers(1, 10),
)
def test_a_free_slice_overlaps_none_and_is_found_where_there_is_one(tenths, size):
    taken = [(tenth / 10, (tenth + 1) / 10) for tenth in tenths]
    fits_somewhere = any(
        all(place not in tenths for place in range(start, start + size)) for start in range(11 - size)
    )

    found = free_slice(taken, size / 10)

    assert (found is not None) == fits_somewhere
    if found:
        assert found[1] - found[0] == pytest.approx(size / 10)
        assert all(found[1] <= low + 1e-9 or high <= found[0] + 1e-9 for low, high in taken)


@pytest.mark.parametrize(
    "wrong",
    [
        {"variants": ()},
        {"variants": ("A", "A")},
        {"weights": (1.0,)},
        {"weights": (0.0, 0.0)},
        {"weights": (-1.0, 2.0)},
        {"slice_start": 0.5, "slice_end": 0.5},
        {"slice_end": 1.5},
    ],
)
def test_splits_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"variants|slice"):
        Split(**{"salt": "s", "variants": ("A", "B"), "weights": (1.0, 1.0), **wrong})


def test_everyone_cannot_be_held_out():
    with pytest.raises(ValueError, match="hold-out"):
        HoldOut(salt="w", share=1.0)
    with pytest.raises(ValueError, match="size"):
        free_slice([], 0.0)
