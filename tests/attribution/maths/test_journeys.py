import numpy as np
import pytest

from apps.attribution.maths.journeys import Journeys

PARTS = {
    "channels": ("a", "b"),
    "codes": [0, 1, 1],
    "offsets": [0, 2, 2, 3],
    "conversions": [1.0, 2.0, 0.0],
    "value": [10.0, -3.0, 0.0],
    "nulls": [0.0, 0.0, 4.0],
    "age_days": [2.0, 0.0, 1.0],
}


def test_journeys_know_their_lengths_and_owners():
    journeys = Journeys(**PARTS)

    assert journeys.lengths.tolist() == [2, 0, 1]
    assert journeys.journey_of_touch.tolist() == [0, 0, 2]
    assert journeys.converting.conversions.tolist() == [1]
    assert journeys.touched.offsets.tolist() == [0, 2, 3]


def test_selecting_journeys_and_keeping_touches_carry_everything_along():
    chosen = Journeys(**PARTS).select(np.array([False, True, True]))
    thinned = Journeys(**PARTS).keep(np.array([True, False, True]))

    assert (chosen.codes.tolist(), chosen.offsets.tolist(), chosen.age_days.tolist()) == ([1], [0, 0, 1], [1])
    assert (chosen.value.tolist(), chosen.nulls.tolist()) == ([-3, 0], [0, 4])
    assert (thinned.codes.tolist(), thinned.offsets.tolist(), thinned.age_days.tolist()) == (
        [0, 1],
        [0, 1, 1, 2],
        [2, 1],
    )


def test_arrays_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        Journeys(**PARTS).codes[0] = 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codes": [0, 1, 2]}, r"codes\[2\] is no channel"),
        ({"codes": [0, -1, 1]}, r"codes\[1\] is no channel"),
        ({"codes": [0.0, 1.0, 1.0]}, "codes needs whole numbers"),
        ({"codes": [[0, 1, 1]]}, "codes needs whole numbers of shape"),
        ({"offsets": [0, 2, 1, 3]}, r"offsets\[1\] falls"),
        ({"offsets": [0, 2, 2, 4]}, "offsets must run from 0 to n_touches = 3"),
        ({"offsets": [1, 2, 2, 3]}, "offsets must run from 0"),
        ({"offsets": []}, r"conversions needs shape|offsets must run"),
        ({"conversions": [1.0, -2.0, 0.0]}, r"conversions\[1\] is negative"),
        ({"conversions": [1.0, 2.0]}, r"conversions needs shape \(3,\); got \(2,\)"),
        ({"nulls": [0.0, 0.0, -4.0]}, r"nulls\[2\] is negative"),
        ({"value": [10.0, np.nan, 0.0]}, r"value\[1\] is not finite"),
        ({"value": [10.0, 0.0, 5.0]}, r"value\[2\] has no conversion"),
        ({"age_days": [2.0, -1.0, 1.0]}, r"age_days\[1\] is negative"),
        ({"age_days": [2.0, 1.0]}, r"age_days needs shape \(3,\)"),
        ({"channels": ("a", "a")}, "channels holds a name twice"),
    ],
)
def test_what_breaks_a_rule_is_named(changed, message):
    with pytest.raises(ValueError, match=message):
        Journeys(**PARTS | changed)
