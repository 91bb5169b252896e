import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.attribution.maths import assembly
from apps.attribution.maths.assembly import (
    BLOCK,
    MOST_CONVERSIONS,
    MOST_TOUCHES,
    US_PER_DAY,
    Conversions,
    Touches,
    assemble,
)

CHANNELS = ("a", "b", "c")


def build(touches, conversions, *, lookback_days=30.0):
    """touches: (person, day, channel); conversions: (person, day, value)."""
    seen = np.array(touches, dtype=float).reshape(-1, 3)
    bought = np.array(conversions, dtype=float).reshape(-1, 3)
    return assemble(
        Touches(person=seen[:, 0].astype(int), at_us=to_us(seen[:, 1]), channel=seen[:, 2].astype(int)),
        Conversions(person=bought[:, 0].astype(int), at_us=to_us(bought[:, 1]), value=bought[:, 2]),
        channels=CHANNELS,
        lookback_days=lookback_days,
    )


def to_us(days):
    return np.round(days * US_PER_DAY).astype(np.int64)


def listed(found):
    journeys = found.journeys
    return [
        found.touch_index[a:b].tolist()
        for a, b in zip(journeys.offsets[:-1], journeys.offsets[1:], strict=True)
    ]


def slowly(touches, conversions, lookback_days):
    """The definition, word for word: (touch positions, conversion position) of every journey."""
    order = sorted(range(len(touches)), key=lambda i: (touches[i][1], i))
    journeys = [
        (
            [i for i in order if touches[i][0] == person and day - lookback_days < touches[i][1] <= day],
            position,
        )
        for position, (person, day, _) in enumerate(conversions)
    ]
    owned = {i for journey, _ in journeys for i in journey}
    for person in sorted({touch[0] for touch in touches}):
        run = []
        for i in [i for i in order if touches[i][0] == person and i not in owned]:
            if run and touches[i][1] - touches[run[-1]][1] > lookback_days:
                journeys.append((run, -1))
                run = []
            run.append(i)
        if run:
            journeys.append((run, -1))
    return journeys


PEOPLE, DAYS = st.integers(0, 3), st.integers(0, 12)


@given(
    st.lists(st.tuples(PEOPLE, DAYS, st.integers(0, 2)), max_size=25),
    st.lists(st.tuples(PEOPLE, DAYS, st.integers(-5, 100)), max_size=8),
    st.integers(1, 14),
)
def test_assembly_follows_its_definition(touches, conversions, lookback_days):
    found = build(touches, conversions, lookback_days=lookback_days)

    expected = slowly(touches, conversions, lookback_days)
    assert listed(found) == [journey for journey, _ in expected]
    assert found.conversion_index.tolist() == [conversion for _, conversion in expected]
    assert found.journeys.codes.tolist() == [touches[i][2] for journey, _ in expected for i in journey]
    assert found.journeys.value[: len(conversions)].tolist() == [value for *_, value in conversions]
    assert found.journeys.nulls.sum() == len(expected) - len(conversions)


def test_a_second_conversion_also_gets_the_touches_before_the_first():
    found = build([(1, 0, 0), (1, 2, 1)], [(1, 1, 10), (1, 3, 20)])

    assert listed(found) == [[0], [0, 1]]
    assert found.journeys.age_days.tolist() == [1, 3, 1]
    assert found.person.tolist() == [1, 1]


def test_the_window_is_open_at_its_start_and_closed_at_the_conversion():
    found = build([(1, 0, 0), (1, 0.001, 1), (1, 30, 2)], [(1, 30, 0)])

    assert listed(found) == [[1, 2], [0]]


def test_a_conversion_without_a_touch_keeps_an_empty_journey():
    found = build([(2, 0, 0)], [(1, 5, 10), (2, 99, 5)])

    assert listed(found) == [[], [], [0]]
    assert found.journeys.conversions.tolist() == [1, 1, 0]


def test_touches_after_the_last_conversion_did_not_convert_and_a_long_pause_parts_them():
    found = build([(1, 0, 0), (1, 20, 1), (1, 50, 2), (1, 200, 2), (3, 7, 0)], [(1, 1, 10)])

    assert listed(found) == [[0], [1, 2], [3], [4]]
    assert found.conversion_index.tolist() == [0, -1, -1, -1]
    assert found.person.tolist() == [1, 1, 1, 3]
    assert found.journeys.age_days.tolist() == [1, 30, 0, 0, 0]


def test_touches_before_the_window_of_a_conversion_did_not_convert():
    found = build([(1, 0, 0), (1, 10, 1), (1, 60, 2)], [(1, 61, 10)])

    assert listed(found) == [[2], [0, 1]]
    assert found.journeys.nulls.tolist() == [0, 1]


@pytest.mark.parametrize("lookback_days", [None, 1e300])
def test_without_a_limit_every_earlier_touch_counts(lookback_days):
    assert listed(build([(1, -9_000, 0), (1, 0, 1)], [(1, 9_000, 1)], lookback_days=lookback_days)) == [
        [0, 1]
    ]


def test_equal_times_keep_the_order_given_also_in_a_shuffled_log():
    found = build([(1, 5, 2), (1, 3, 0), (1, 5, 1), (1, 5, 0)], [(1, 5, 1)])

    assert listed(found) == [[1, 0, 2, 3]]


def test_microseconds_too_fine_to_pack_are_ordered_too():
    rng = np.random.default_rng(11)
    at_us = rng.integers(-(2**61), 2**61, 500)

    assert (assembly._time_order(at_us) == np.argsort(at_us, kind="stable")).all()


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_packed_times_are_ordered_as_a_stable_sort_does(unit):
    at_us = np.random.default_rng(3).integers(0, 300, 2_000) * unit

    assert (assembly._time_order(at_us) == np.argsort(at_us, kind="stable")).all()


def test_people_may_have_large_numbers():
    found = build([(10**12, 1, 0), (5, 1, 1)], [(10**12, 2, 1)])

    assert listed(found) == [[0], [1]]
    assert found.person.tolist() == [10**12, 5]


def test_no_touches_and_no_conversions_give_no_journeys():
    assert listed(build([], [])) == []
    assert listed(build([], [(1, 1, 1)])) == [[]]
    assert listed(build([(1, 1, 1)], [])) == [[0]]


@pytest.mark.parametrize("lookback_days", [0, -1, float("nan")])
def test_a_look_back_that_is_no_length_of_time_is_refused(lookback_days):
    with pytest.raises(ValueError, match="lookback_days must be > 0"):
        build([], [], lookback_days=lookback_days)


def test_columns_must_fit_together():
    no_conversions = Conversions(person=np.zeros(0, int), at_us=np.zeros(0, int), value=np.zeros(0))

    def given_touches(**columns):
        return assemble(Touches(**columns), no_conversions, channels=CHANNELS)

    with pytest.raises(ValueError, match=r"touches\.at_us needs whole numbers of shape"):
        given_touches(person=np.array([1, 2]), at_us=np.array([1]), channel=np.array([0, 0]))
    with pytest.raises(ValueError, match=r"touches\.person needs whole numbers"):
        given_touches(person=np.array([1.5]), at_us=np.array([1]), channel=np.array([0]))
    with pytest.raises(ValueError, match=r"touches.person\[0\] is negative"):
        given_touches(person=np.array([-1]), at_us=np.array([1]), channel=np.array([0]))
    with pytest.raises(ValueError, match=r"codes\[0\] is no channel"):
        given_touches(person=np.array([1]), at_us=np.array([1]), channel=np.array([9]))


def test_a_journey_keeps_its_last_touches():
    many = np.arange(MOST_TOUCHES + 3)
    touches = Touches(person=np.ones_like(many), at_us=many, channel=many % 3)
    bought = Conversions(person=np.array([1]), at_us=np.array([MOST_TOUCHES + 1]), value=np.ones(1))

    found = assemble(touches, bought, channels=CHANNELS)

    assert found.touch_index.tolist() == [*range(2, MOST_TOUCHES + 2), MOST_TOUCHES + 2]
    nobody = Conversions(person=np.zeros(0, int), at_us=np.zeros(0, int), value=np.zeros(0))
    assert assemble(touches, nobody, channels=CHANNELS).touch_index.tolist() == many[3:].tolist()


def test_what_nobody_buys_within_a_look_back_owns_no_touch_and_keeps_its_value():
    """The first 500 within the look-back do; once it has passed, others do again."""
    day = np.append(np.zeros(MOST_CONVERSIONS + 2, dtype=np.int64), 40)
    seen = np.array([-1, 1, 39])
    found = assemble(
        Touches(person=np.ones_like(seen), at_us=seen * US_PER_DAY, channel=np.zeros_like(seen)),
        Conversions(person=np.ones_like(day), at_us=day * US_PER_DAY, value=np.ones(len(day))),
        channels=CHANNELS,
    )

    lengths = found.journeys.lengths.tolist()
    assert lengths == [*[1] * MOST_CONVERSIONS, 0, 0, 1, 1]
    assert found.touch_index[-2:].tolist() == [2, 1]
    assert found.journeys.value.sum() == len(day)


def test_a_robots_history_costs_no_more_than_its_rows():
    robot = np.zeros(20_000, dtype=np.int64)
    bought = Conversions(person=robot, at_us=robot, value=robot.astype(float))

    found = assemble(Touches(person=robot, at_us=robot, channel=robot), bought, channels=CHANNELS)

    assert found.journeys.n_touches == MOST_TOUCHES * MOST_CONVERSIONS


def test_a_log_larger_than_what_is_looked_at_together_comes_to_the_same():
    """Each half of the people by itself, in a log in the order of time."""
    rng = np.random.default_rng(5)
    count, people = BLOCK * 2 + 7, BLOCK // 8
    person, at_us = rng.integers(0, people, count), np.sort(rng.integers(0, 100 * US_PER_DAY, count))
    buyers, bought_us = rng.permutation(people)[:5_000], rng.integers(0, 120 * US_PER_DAY, 5_000)

    def journeys(whose):
        touched, bought = np.flatnonzero(whose(person)), np.flatnonzero(whose(buyers))
        found = assemble(
            Touches(person=person[touched], at_us=at_us[touched], channel=person[touched] % 3),
            Conversions(person=buyers[bought], at_us=bought_us[bought], value=np.ones(len(bought))),
            channels=CHANNELS,
        )
        cuts = found.journeys.offsets[1:-1]
        ages = np.split(found.journeys.age_days, cuts)
        codes = np.split(found.journeys.codes, cuts)
        places = np.split(touched[found.touch_index], cuts)
        return sorted(
            (who, *map(tuple, parts))
            for who, *parts in zip(found.person.tolist(), places, codes, ages, strict=True)
        )

    whole = journeys(lambda who: who >= 0)
    halves = journeys(lambda who: who % 2 == 0) + journeys(lambda who: who % 2 == 1)

    assert whole == sorted(halves)
    assert max(len(places) for _, places, *_ in whole) > 1


def test_who_has_a_number_beyond_all_touches_owns_none():
    days = np.array([0, 1, 2]) * US_PER_DAY
    bought = Conversions(person=np.array([2**40, 1]), at_us=days[1:], value=np.ones(2))

    found = assemble(
        Touches(person=np.array([1, 0, 1]), at_us=days, channel=np.arange(3)), bought, channels=CHANNELS
    )

    assert listed(found)[:2] == [[], [0, 2]]
