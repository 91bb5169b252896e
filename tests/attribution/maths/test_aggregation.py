from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from apps.attribution.maths import aggregation
from apps.attribution.maths.aggregation import channel_sets, unique_paths
from apps.attribution.maths.journeys import BLOCK, Journeys

from .strategies import NAMES, journeys_of, rows
from .test_transforms import paths_of
from .vectors import synthetic


def counted(journeys):
    return Counter(
        {
            (tuple(path), c, v, n): 1
            for path, c, v, n in zip(
                paths_of(journeys), journeys.conversions, journeys.value, journeys.nulls, strict=True
            )
        }
    )


def summed(found, key):
    totals = {}
    for path, *amounts in found:
        before = totals.get(key(path), (0, 0, 0))
        totals[key(path)] = tuple(a + b for a, b in zip(before, amounts, strict=True))
    return Counter({(path, *amounts): 1 for path, amounts in totals.items()})


@given(rows(touched=False, converting=False, most=20))
def test_equal_paths_are_merged_and_their_counts_added(found):
    merged = unique_paths(journeys_of(found))

    assert counted(merged.journeys) == summed(found, key=lambda path: path)
    assert [paths_of(merged.journeys)[i] for i in merged.path_of_journey] == [
        list(path) for path, *_ in found
    ]


@given(rows(touched=False, converting=False, most=20))
def test_channel_sets_forget_order_and_repeats(found):
    merged = channel_sets(journeys_of(found))

    assert counted(merged.journeys) == summed(
        found, key=lambda path: tuple(sorted(set(path), key=NAMES.index))
    )


@pytest.mark.parametrize("different", [1, 3])
def test_colliding_hashes_fall_back_to_the_paths_themselves(different):
    journeys = synthetic()
    colliding = (np.arange(journeys.n_journeys) % different).astype(np.uint64)

    path_of, example = aggregation._group(journeys, colliding)

    assert len(example) == journeys.n_journeys
    assert (example[path_of] == np.arange(journeys.n_journeys)).all()


def test_long_paths_of_many_channels_hash_without_a_table():
    names = tuple(map(str, range(3_000)))
    found = [(names, 1, 0, 0), (names[::-1], 1, 0, 0), (names, 1, 0, 2)]

    merged = unique_paths(journeys_of(found, channels=names))

    assert sorted(merged.journeys.conversions) == [1, 2]


def test_more_touches_than_are_looked_at_together_merge_to_the_same():
    few = synthetic()
    times = 2 * BLOCK // few.n_touches + 2
    many = Journeys(
        channels=few.channels,
        codes=np.tile(few.codes, times),
        offsets=np.append(0, np.cumsum(np.tile(few.lengths, times))),
        conversions=np.tile(few.conversions, times),
        value=np.tile(few.value, times),
        nulls=np.tile(few.nulls, times),
    )

    once, often = unique_paths(few), unique_paths(many)

    assert (often.path_of_journey.reshape(times, -1) == once.path_of_journey).all()
    assert (often.journeys.codes == once.journeys.codes).all()
    assert often.journeys.nulls == pytest.approx(times * once.journeys.nulls)
