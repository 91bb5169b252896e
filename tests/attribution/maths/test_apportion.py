from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths.apportion import apportion, round_to_total

GROUPS = st.lists(
    st.tuples(
        st.integers(-(10**12), 10**12),
        st.lists(st.floats(0, 1e6), min_size=1, max_size=8).filter(lambda weights: sum(weights) > 0),
    ),
    max_size=8,
)


def split(groups):
    totals = np.array([total for total, _ in groups], dtype=np.int64)
    weights = np.array([weight for _, weights in groups for weight in weights], dtype=np.float64)
    offsets = np.concatenate([[0], np.cumsum([len(weights) for _, weights in groups])]).astype(np.int64)
    return totals, weights, offsets


def one(total, weights):
    return apportion(
        np.array([total]), np.array(weights, dtype=np.float64), np.array([0, len(weights)])
    ).tolist()


def test_a_third_each_gives_the_odd_penny_to_the_first():
    assert one(100, [1, 1, 1]) == [34, 33, 33]
    assert one(9_999, [0.5, 0.5]) == [5_000, 4_999]


def test_the_largest_fractions_get_the_pennies():
    assert one(10, [0.15, 0.26, 0.59]) == [1, 3, 6]


def test_a_refund_mirrors_a_sale():
    assert one(-100, [1, 1, 1]) == [-34, -33, -33]


def test_a_weight_of_nothing_gets_nothing():
    assert one(1, [0, 1, 0]) == [0, 1, 0]
    assert one(0, [0, 0]) == [0, 0]


@given(GROUPS)
def test_every_group_adds_up_and_no_part_is_a_unit_off(groups):
    totals, weights, offsets = split(groups)

    parts = apportion(totals, weights, offsets)

    for group, (total, share) in enumerate(groups):
        mine = parts[offsets[group] : offsets[group + 1]].tolist()
        exact = [Fraction(w) * total / sum(map(Fraction, share)) for w in share]
        assert sum(mine) == total
        assert all(abs(part - quota) < 1 + 1e-3 for part, quota in zip(mine, exact, strict=True))
        assert all(part == 0 for part, w in zip(mine, share, strict=True) if w == 0)
    assert (apportion(-totals, weights, offsets) == -parts).all()


@given(GROUPS)
def test_groups_do_not_touch_each_other(groups):
    totals, weights, offsets = split(groups)

    together = apportion(totals, weights, offsets).tolist()

    assert together == [part for total, share in groups for part in one(total, share)]


def test_the_largest_total_stays_exact():
    assert sum(one(10**15, [0.1] * 7)) == 10**15
    assert sum(one(10**15 - 1, [1e-300, 1e300, 3e299])) == 10**15 - 1


@pytest.mark.parametrize(
    ("total", "weights", "message"),
    [
        (5, [0.0, 0.0], "group 0 has 5 to divide and no weight"),
        (5, [], "group 0 has 5 to divide and no weight"),
        (5, [1.0, -1.0], r"weights\[1\] must be finite and >= 0"),
        (5, [float("nan")], r"weights\[0\] must be finite and >= 0"),
        (5, [1e308, 1e308], "the weights of group 0 add up to infinity"),
        (10**15 + 1, [1.0], "totals must be whole numbers up to"),
    ],
)
def test_what_cannot_be_divided_is_refused(total, weights, message):
    with pytest.raises(ValueError, match=message):
        one(total, weights)


def test_offsets_must_cover_the_items():
    with pytest.raises(ValueError, match="offsets must run from 0 to 2 over 1 groups"):
        apportion(np.array([5]), np.array([1.0, 1.0]), np.array([0, 1]))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12))
def test_amounts_of_any_sign_are_rounded_to_their_sum(amounts):
    total = round(sum(amounts))

    parts = round_to_total(np.array(amounts), np.array([total]), np.array([0, len(amounts)]))

    assert parts.sum() == total
    assert (np.abs(parts - np.array(amounts)) < 1.001).all()


def test_amounts_that_miss_their_total_are_refused():
    with pytest.raises(ValueError, match="group 1 misses its total by 3"):
        round_to_total(np.array([1.0, 2.0]), np.array([1, 5]), np.array([0, 1, 2]))
    with pytest.raises(ValueError, match=r"amounts\[0\] is not finite"):
        round_to_total(np.array([np.inf]), np.array([1]), np.array([0, 1]))
