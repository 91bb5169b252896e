"""Counting in whole numbers: any order, any cut, and back again to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.attribution.maths.counts import count
from apps.attribution.maths.exact import Exact
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.ledger import ledger
from apps.attribution.maths.models import MODELS, credit, touch_weights
from apps.attribution.maths.packed import (
    JOURNEY,
    TOUCH,
    Booked,
    pack_booked,
    pack_tally,
    unpack_booked,
    unpack_tally,
)
from apps.attribution.maths.tally import EMPTY, LEVELS, Counted, merged, tallies, weighers

CHANNELS = ("direct", "email", "search", "social")
SOURCES = 7
# Sources by channel, and the smallest member of each group.
CHANNEL_OF = np.array([0, 0, 1, 2, 2, 2, 3])
GROUPS = {
    "channel": np.array([0, 0, 2, 3, 3, 3, 6]),
    "platform": np.array([0, 1, 1, 0, 4, 4, 1]),
    "campaign": np.array([0, 1, 2, 3, 4, 4, 6]),
    "creative": np.arange(SOURCES),
}


def some_journeys(rng, size):
    lengths = rng.integers(0, 6, size)
    source = rng.integers(0, SOURCES, lengths.sum())
    converted = (rng.random(size) < 0.5) | (lengths == 0)
    ages = [np.sort(rng.uniform(0, 40, n))[::-1] for n in lengths]
    return source, Journeys(
        channels=CHANNELS,
        codes=CHANNEL_OF[source].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        conversions=converted.astype(float),
        value=np.where(converted, rng.integers(-500, 20_000, size), 0).astype(float),
        nulls=(~converted).astype(float),
        age_days=np.concatenate([*ages, np.zeros(0)]),
    )


def counted(journeys, source, part=None, parts=1):
    part = np.zeros(journeys.n_journeys, dtype=np.int64) if part is None else part
    return Counted(journeys=journeys, told=journeys, source=source, groups=GROUPS, part=part, parts=parts)


def plain(tally):
    spans = zip(tally.offsets[:-1], tally.offsets[1:], strict=True)
    paths = {
        tuple(tally.codes[a:b].tolist()): tuple(
            int(column[place])
            for column in (
                tally.conversions,
                tally.nulls,
                tally.minor,
                tally.squares.high,
                tally.squares.low,
            )
        )
        for place, (a, b) in enumerate(spans)
    }
    columns = (tally.keys, tally.amounts.high, tally.amounts.low, tally.durations_us)
    return paths, [column.tolist() for column in columns]


@pytest.mark.parametrize("seed", range(5))
def test_parts_add_up_to_the_whole_in_any_order_and_can_be_taken_back(seed):
    rng = np.random.default_rng(seed)
    source, journeys = some_journeys(rng, 300)
    (whole,) = tallies(counted(journeys, source), labels=np.arange(SOURCES))

    parts = tallies(counted(journeys, source, rng.integers(0, 9, 300), 9), labels=np.arange(SOURCES))

    order = rng.permutation(9)
    assert plain(merged([parts[place] for place in order])) == plain(whole)
    rest = merged([whole], [parts[place] for place in order[:4]])
    assert plain(rest) == plain(merged([parts[place] for place in order[4:]]))
    assert merged([whole], parts).is_empty
    assert plain(merged([EMPTY, whole])) == plain(whole)


def test_cells_lie_in_the_order_of_their_keys_whatever_the_order_of_labels():
    rng = np.random.default_rng(4)
    source, journeys = some_journeys(rng, 300)
    labels = rng.permutation(SOURCES) * 10**6

    shuffled = tallies(counted(journeys, source, rng.integers(0, 9, 300), 9), labels=labels)

    order = np.argsort(labels)
    for tally in shuffled:
        assert (np.diff(tally.keys) > 0).all()
        assert np.isin(tally.keys & (2**40 - 1), labels).all()
    (whole,) = tallies(counted(journeys, source), labels=np.arange(SOURCES))
    found = merged(shuffled)
    touches = found.amounts.high[:SOURCES], found.amounts.low[:SOURCES]
    plain_touches = whole.amounts.high[:SOURCES], whole.amounts.low[:SOURCES]
    for ours, theirs in zip(touches, plain_touches, strict=True):
        assert ours.tolist() == theirs[order].tolist()


def test_more_than_was_counted_cannot_be_taken_away():
    source, journeys = some_journeys(np.random.default_rng(1), 50)
    (whole,) = tallies(counted(journeys, source), labels=np.arange(SOURCES))

    with pytest.raises(ValueError, match="taken away"):
        merged([whole], [whole, whole])


@pytest.mark.parametrize("model", [name for name, model in MODELS.items() if model.weigh])
def test_credit_and_its_squares_are_those_of_the_journeys_one_by_one(model):
    source, journeys = some_journeys(np.random.default_rng(2), 200)
    found = count(journeys, source=source, groups=GROUPS).credit[model]

    conversions, value = np.zeros(SOURCES), np.zeros(SOURCES)
    squares = {level: (np.zeros(SOURCES), np.zeros(SOURCES)) for level in LEVELS}
    weights = touch_weights(journeys, model)
    for journey in np.flatnonzero(journeys.conversions):
        touches = slice(journeys.offsets[journey], journeys.offsets[journey + 1])
        np.add.at(conversions, source[touches], weights[touches])
        np.add.at(value, source[touches], weights[touches] * journeys.value[journey])
        for level, (shares, worths) in squares.items():
            share = np.zeros(SOURCES)
            np.add.at(share, GROUPS[level][source[touches]], weights[touches])
            shares += share**2
            worths += (share * journeys.value[journey]) ** 2

    assert found.conversions == pytest.approx(conversions, abs=1e-9)
    assert found.value == pytest.approx(value, abs=1e-6)
    for level, (shares, worths) in squares.items():
        assert found.squares[level] == pytest.approx(shares, abs=1e-9)
        assert found.value_squares[level] == pytest.approx(worths, rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_a_ledger_from_counts_adds_up_to_the_credit_of_channels(model):
    source, journeys = some_journeys(np.random.default_rng(3), 400)
    counts = count(journeys, source=source, groups=GROUPS)
    levels = (CHANNEL_OF, *(np.arange(SOURCES),) * 3)

    found = ledger(counts, model, levels=levels)

    earned = credit(journeys, model)
    channels = np.bincount(np.append(CHANNEL_OF, len(CHANNELS)), weights=found.conversions)
    assert channels == pytest.approx(earned.conversions, abs=1e-9)
    assert int(found.minor.sum()) == int(journeys.value.sum())
    money = np.bincount(np.append(CHANNEL_OF, len(CHANNELS)), weights=found.minor)
    assert abs(money - earned.value).max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_a_tally_survives_its_bytes(seed):
    source, journeys = some_journeys(np.random.default_rng(seed), 120)
    (whole,) = tallies(counted(journeys, source), labels=np.arange(SOURCES) * 10**9)

    assert plain(unpack_tally(pack_tally(whole))) == plain(whole)
    assert unpack_tally(pack_tally(EMPTY)).is_empty


def test_bytes_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="begin with"):
        unpack_tally(b"BDT9" + bytes(20))
    with pytest.raises(ValueError, match="begin with"):
        unpack_booked([b"XXXX" + bytes(8)])


@pytest.mark.parametrize("shift", [70_000, -70_000])
def test_what_does_not_fit_its_bytes_is_refused(shift):
    source, journeys = some_journeys(np.random.default_rng(0), 20)
    (whole,) = tallies(counted(journeys, source), labels=np.arange(SOURCES))
    wide = type(whole)(**{**vars(whole), "codes": whole.codes + shift})

    with pytest.raises(ValueError, match="does not fit"):
        pack_tally(wide)


def test_booked_journeys_survive_their_bytes_group_by_group():
    rng = np.random.default_rng(4)
    lengths = rng.integers(0, 4, 30)
    journeys, touches = np.zeros(30, dtype=JOURNEY), np.zeros(lengths.sum(), dtype=TOUCH)
    journeys["person"], journeys["lengths"] = rng.integers(0, 50, 30), lengths
    touches["at_us"] = rng.integers(0, 10**15, len(touches))
    touches["source"] = np.arange(len(touches))
    booked = Booked(journeys, touches)

    packed = pack_booked(booked, booked.column("person") // 16)

    found = unpack_booked(packed.values())
    order = np.argsort(journeys["person"] // 16, kind="stable")
    assert found.journeys.tolist() == booked.ordered(order).journeys.tolist()
    assert found.touches.tolist() == booked.ordered(order).touches.tolist()


@settings(max_examples=200)
@given(
    st.lists(st.floats(-1e13, 1e13), min_size=1, max_size=30),
    st.sampled_from([2.0**-12, 1.0, 2.0**24]),
    st.randoms(use_true_random=False),
)
def test_sums_are_the_same_in_any_order_and_near_the_true_one(amounts, unit, random):
    exact = Exact.of(np.array(amounts), unit=unit)
    order = list(range(len(amounts)))
    random.shuffle(order)
    places = np.zeros(len(amounts), dtype=np.int64)

    total, again = exact.sums(places, 1), exact.at(np.array(order)).sums(places, 1)

    assert (total.high[0], total.low[0]) == (again.high[0], again.low[0])
    assert 0 <= total.low[0] < 2**40
    true = float(np.sum(np.array(amounts, dtype=np.longdouble)))
    assert total.floats(unit=unit)[0] == pytest.approx(
        true, rel=1e-12, abs=unit * len(amounts) * 2.0**-40 + 1e-2
    )
    taken = exact.signed(np.full(len(amounts), -1)).sums(places, 1)
    assert (total.high[0] + taken.high[0]) * 2**40 + total.low[0] + taken.low[0] == 0


def test_models_of_equal_weights_share_their_columns():
    assert weighers()["shapley_ordered"] == weighers()["shapley"]
