"""One definition: what each engine counts is what maths.assembly makes of the same events."""

import numpy as np
import pytest

from apps.attribution.lenses import Lens
from apps.attribution.maths.aggregation import unique_paths
from apps.attribution.maths.assembly import MOST_TOUCHES
from apps.attribution.maths.models import MODELS, credit
from apps.attribution.warehouse import reading
from apps.attribution.warehouse.engines import duckdb_files, spark_files

from . import events

LENSES = {
    "all conversions": Lens(),
    "a short look-back": Lens(lookback_days=2.5),
    "one type": Lens(conversion_types=("sign_up",)),
    "the first": Lens(counting="once", lookback_days=20),
    "the first of a type": Lens(counting="once", conversion_types=("purchase",), lookback_days=20),
    "neighbours collapsed": Lens(transform="exposure"),
    "first of each channel": Lens(transform="first"),
    "how often": Lens(transform="frequency"),
    "the last three": Lens(transform="trim", trim_touches=3),
    "direct beside others dropped": Lens(direct="dropped_beside_others"),
}
PATHS_KEEP = [name for name, lens in LENSES.items() if lens.transform == "unique" and lens.direct == "kept"]


def counts_of(journeys):
    """{path: (conversions, value, nulls)} in names, so that the order of paths and channels does not
    matter.
    """
    merged = unique_paths(journeys).journeys
    paths = np.split(merged.codes, merged.offsets[1:-1])
    names = [tuple(merged.channels[code] for code in path) for path in paths]
    return {
        name: (conversions, round(value, 6), nulls)
        for name, conversions, value, nulls in zip(
            names, merged.conversions, merged.value, merged.nulls, strict=True
        )
    }


def counted(engine, lens, **options):
    return reading.count(engine, lens, direct_channel="direct", **options)


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_duckdb_finds_the_paths_of_the_assembly(tmp_path, name, seed):
    given = events.some(np.random.default_rng(seed), people=40, touches=900, conversions=90)

    with duckdb_files(*given.written(tmp_path)) as engine:
        found = counted(engine, LENSES[name])

    assert found.touches == 900
    assert counts_of(found.told) == counts_of(events.in_process(given, LENSES[name]))


@pytest.mark.parametrize("name", ["all conversions", "the first of a type"])
def test_spark_finds_the_paths_of_the_assembly(tmp_path, spark, name):
    given = events.some(np.random.default_rng(4), people=40, touches=900, conversions=90)

    with spark_files(*given.written(tmp_path)) as engine:
        found = counted(engine, LENSES[name])

    assert counts_of(found.journeys) == counts_of(events.in_process(given, LENSES[name]))


@pytest.mark.parametrize("name", PATHS_KEEP)
def test_every_model_agrees_to_the_ninth_digit(tmp_path, name):
    given = events.some(np.random.default_rng(5), people=150, touches=900, conversions=90)
    journeys = events.in_process(given, LENSES[name])

    with duckdb_files(*given.written(tmp_path)) as engine:
        found = counted(engine, LENSES[name], half_life_days=3.0)

    for model in MODELS:
        told = found.credit(model, direct_channel="direct")
        known = credit(journeys, model, half_life_days=3.0)
        assert told.channels == known.channels
        np.testing.assert_allclose(told.conversions, known.conversions, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(told.value, known.value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["all conversions", "a short look-back", "neighbours collapsed"])
def test_engines_cut_what_no_person_does_where_the_assembly_does(tmp_path, name):
    given = events.some(np.random.default_rng(8), people=2, touches=2_600, conversions=1_500, days=30)

    with duckdb_files(*given.written(tmp_path)) as engine:
        found = counted(engine, LENSES[name], half_life_days=7.0)

    journeys = events.in_process(given, LENSES[name])
    assert counts_of(found.told) == counts_of(journeys)
    assert MOST_TOUCHES in np.diff(events.in_process(given, Lens()).offsets)
    if name in PATHS_KEEP:
        known = credit(journeys, "time_decay", half_life_days=7.0)
        told = found.credit("time_decay", direct_channel="direct")
        np.testing.assert_allclose(told.value, known.value, rtol=1e-9, atol=1e-9)


def test_a_long_look_back_does_not_make_the_weights_of_a_short_half_life_vanish(tmp_path):
    given = events.some(np.random.default_rng(6), people=5, touches=200, conversions=20)
    lens = Lens(lookback_days=200)

    with duckdb_files(*given.written(tmp_path)) as engine:
        found = counted(engine, lens, half_life_days=0.01)

    known = credit(events.in_process(given, lens), "time_decay", half_life_days=0.01)
    told = found.credit("time_decay", direct_channel="direct")
    np.testing.assert_allclose(told.conversions, known.conversions, rtol=1e-9, atol=1e-9)


def test_simplified_paths_have_no_times(tmp_path):
    given = events.some(np.random.default_rng(7), people=5, touches=20, conversions=5)

    with duckdb_files(*given.written(tmp_path)) as engine:
        found = counted(engine, Lens(transform="first"), half_life_days=7.0)

    with pytest.raises(ValueError, match="needs the time of each touch"):
        found.credit("time_decay", direct_channel="direct")


def test_without_a_position_equal_times_are_ordered_by_channel(tmp_path):
    """Then the path does not depend on how an engine happens to read the files."""
    given = events.Events(
        touches={
            "user_id": np.array(["a", "a", "a"]),
            "occurred_at": np.array([1, 1, 0]) + events.START_US,
            "channel": np.array(["search", "email", "video"]),
        },
        conversions={"user_id": np.array(["a"]), "occurred_at": np.array([2]) + events.START_US},
    )

    with duckdb_files(*given.written(tmp_path, parts=1)) as engine:
        found = counted(engine, Lens())

    assert counts_of(found.journeys) == {("video", "email", "search"): (1, 0, 0)}


def test_no_touchpoint_and_no_conversion_are_no_error(tmp_path):
    nothing = np.zeros(0, dtype=np.int64)
    given = events.Events(
        touches={"user_id": nothing, "occurred_at": nothing, "channel": np.zeros(0, dtype=str)},
        conversions={"user_id": nothing, "occurred_at": nothing, "value": np.zeros(0)},
    )

    with duckdb_files(*given.written(tmp_path, parts=1)) as engine:
        found = counted(engine, Lens())

    assert (found.touches, found.journeys.n_journeys) == (0, 0)
