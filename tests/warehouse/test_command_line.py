"""What a person at the command line sees of the engines."""

import csv
import io

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from . import events


def attribute(*options):
    out, err = io.StringIO(), io.StringIO()
    call_command("attribute", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def places(tmp_path):
    given = events.some(np.random.default_rng(1), people=20, touches=200, conversions=30)
    touchpoints, conversions = given.written(tmp_path)
    return ("--touchpoints", touchpoints, "--conversions", conversions)


def of(folder, **columns):
    """Parquet of these touches, beside one conversion."""
    touches = {"user_id": np.array([1]), "occurred_at": np.array([events.START_US]), **columns}
    sold = {"user_id": np.array([1]), "occurred_at": np.array([events.START_US])}
    patterns = events.Events(touches=touches, conversions=sold).written(folder, parts=1)
    return ("--touchpoints", patterns[0], "--conversions", patterns[1])


def test_the_settings_reach_the_engine(places):
    asked = ("--engine", "duckdb", *places, "--format", "csv", "--model", "linear")
    every, _ = attribute(*asked)
    first, _ = attribute(*asked, "--counting", "once", "--conversion-type", "purchase")

    assert conversions_of(every) == pytest.approx(30)
    assert 0 < conversions_of(first) < 20


def conversions_of(table):
    return sum(float(row["conversions"]) for row in csv.DictReader(io.StringIO(table)))


def test_simplified_paths_leave_time_decay_out_and_say_why(places):
    _, err = attribute("--engine", "duckdb", *places, "--transform", "first")

    assert err.strip() == (
        "time_decay is left out: it needs the time of each touch, and simplified paths have none."
    )


def test_it_stays_in_the_memory_it_is_given(places, tmp_path):
    with pytest.raises(CommandError, match="memory"):
        attribute("--engine", "duckdb", *places, "--memory", "1MB", "--spill-to", str(tmp_path / "spill"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"channels": np.array(["email"])}, "touchpoints need the column channel; there are user_id,"),
        ({"channel": np.array([""])}, "there are touchpoints without a channel"),
        ({"channel": np.array(["none"])}, '"none" stands for conversions without a known touchpoint'),
        ({"channel": np.array(["email"]), "user_id": np.array([None], dtype=object)}, "1 touchpoints lack"),
    ],
)
def test_what_cannot_be_counted_is_refused(tmp_path, columns, message):
    with pytest.raises(CommandError, match=message):
        attribute("--engine", "duckdb", *of(tmp_path, **columns))


def test_no_files_is_one_line(tmp_path):
    places = ("--touchpoints", f"{tmp_path}/t/*.parquet", "--conversions", f"{tmp_path}/c/*.parquet")

    with pytest.raises(CommandError, match="No files found"):
        attribute("--engine", "duckdb", *places)


@pytest.mark.usefixtures("spark")
def test_spark_says_in_one_line_what_it_did_not_find(tmp_path):
    with pytest.raises(CommandError, match="PATH_NOT_FOUND"):
        attribute("--engine", "spark", "--touchpoints", f"{tmp_path}/t", "--conversions", f"{tmp_path}/c")


def test_an_unknown_workspace_is_refused(db):
    with pytest.raises(CommandError, match="there is no workspace 'nobody'"):
        attribute("--engine", "postgres", "--workspace", "nobody")


def test_a_database_out_of_reach_is_one_line():
    with pytest.raises(CommandError, match="connection"):
        attribute(
            *("--engine", "postgres", "--database", "postgresql://nobody@127.0.0.1:1/none"),
            *("--touchpoints", "touches", "--conversions", "sales"),
        )
