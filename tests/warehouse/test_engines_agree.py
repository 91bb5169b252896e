"""PostgreSQL, DuckDB, Spark, the product and `attribute FILE` say the same of the same events."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import psycopg
import pytest
from django.core.management import call_command
from django.db import connections

from apps.accounts import scoping
from apps.attribution import analysis, demo
from apps.attribution.lenses import Lens
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Conversion, Touchpoint
from apps.attribution.questions import Query
from apps.attribution.warehouse import reading
from apps.attribution.warehouse.engines import duckdb_files, postgres_database, postgres_workspace
from tests.attribution.maths.vectors import load
from tests.attribution.test_same_numbers import a_log, attributed, imported, synthetic_log, written
from tests.conftest import committed
from tests.factories import ConversionFactory, TouchpointFactory

from . import events

FIGURES = ("conversions", "revenue", "share")


def with_engine(*options: str) -> dict[str, dict[str, dict[str, float]]]:
    out = io.StringIO()
    call_command("attribute", "--format", "json", *options, stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def with_each_engine(workspace, folder: Path):
    touchpoints, conversions = exported(folder).written(folder)
    places = ("--touchpoints", touchpoints, "--conversions", conversions)
    yield "postgres", with_engine("--engine", "postgres", "--workspace", workspace.slug)
    yield "duckdb", with_engine("--engine", "duckdb", *places)
    yield "spark", with_engine("--engine", "spark", *places)


def exported(folder: Path) -> events.Events:
    """The workspace's events as somebody would take them out."""
    touches = Touchpoint.objects.values_list("person_id", "occurred_at", "source__channel__key", "id")
    sold = Conversion.objects.filter(is_counted=True)
    conversions = sold.values_list("person_id", "occurred_at", "conversion_type", "value", "id")
    return events.Events(
        touches=_columns(touches, ("user_id", "occurred_at", "channel", "position")),
        conversions=_columns(conversions, ("user_id", "occurred_at", "conversion_type", "value", "position")),
    )


def _columns(rows, names) -> dict[str, np.ndarray]:
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    micros = [round(at.timestamp() * 1_000_000) for at in columns["occurred_at"]]
    found = {name: np.array(column) for name, column in columns.items()}
    return found | {"occurred_at": np.array(micros)}


def check(told, known) -> None:
    assert list(told["models"]) == list(known["models"]) == list(MODELS)
    for name, total in known["totals"].items():
        assert told["totals"][name] == pytest.approx(total, rel=1e-9)
    for model, channels in known["models"].items():
        assert told["models"][model].keys() == channels.keys()
        for channel, row in channels.items():
            for figure in FIGURES:
                assert told["models"][model][channel][figure] == pytest.approx(
                    row[figure], rel=1e-9, abs=1e-9
                ), (model, channel, figure)


@pytest.mark.usefixtures("spark")
def test_the_10k_vectors_come_out_of_every_engine(workspace, tmp_path):
    path = written(tmp_path / "log.csv", synthetic_log())
    imported(path, workspace.slug)
    known, expected = attributed(path), load("synthetic_10k_expected.json")

    for _, told in with_each_engine(workspace, tmp_path / "parquet"):
        check(told, known)
        for order in (1, 2, 3):
            for channel, conversions in expected[f"markov_order{order}"]["conversions"].items():
                row = told["models"][f"markov_{order}"][channel]
                assert row["conversions"] == pytest.approx(conversions, rel=0, abs=1e-9)
        for channel, conversions in expected["shapley_subset_count"].items():
            assert told["models"]["shapley"][channel]["conversions"] == pytest.approx(conversions, abs=1e-9)


@pytest.mark.usefixtures("spark")
def test_the_demo_company_is_the_same_company_everywhere(workspace, actor, now, tmp_path):
    demo.fill(actor, people_count=400, days=120, seed=7, now=now, progress=lambda name, rows: None)
    known = attributed(_log(tmp_path / "log.csv"))
    answer = analysis.ask(actor, Query(), now=now)

    for _, told in with_each_engine(workspace, tmp_path / "parquet"):
        check(told, known)
        for row in answer.result.rows:
            engine_row = told["models"][row.model]["none" if row.is_none else row.channel]
            assert engine_row["conversions"] == pytest.approx(row.conversions, rel=1e-9, abs=1e-9)
            assert engine_row["revenue"] == pytest.approx(float(row.revenue), abs=0.01 + 1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"transform": "frequency"},
        {"transform": "exposure", "direct": "dropped_beside_others"},
        {"transform": "trim", "trim_touches": 2, "counting": "once", "lookback_days": 10.0},
    ],
)
def test_a_lens_is_the_same_lens_as_in_the_product(workspace, actor, now, rng, tmp_path, options):
    imported(written(tmp_path / "log.csv", a_log(rng)), workspace.slug)
    answer = analysis.ask(actor, Query(**options), now=now)

    asked = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    told = with_engine("--engine", "postgres", "--workspace", workspace.slug, *asked)

    assert list(told["left_out"]) == ["time_decay"]
    for row in answer.result.rows:
        if row.model in told["models"]:
            engine_row = told["models"][row.model]["none" if row.is_none else row.channel]
            assert engine_row["conversions"] == pytest.approx(row.conversions, rel=1e-9, abs=1e-9)


def _log(path: Path) -> Path:
    """The workspace's events as the log that `attribute FILE` reads, in the order they arrived."""
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["user_id", "occurred_at", "kind", "channel", "value"])
        for touch in Touchpoint.objects.select_related("source__channel").order_by("id"):
            at = touch.occurred_at.isoformat()
            lines.writerow([touch.person_id, at, "touch", touch.source.channel.key, ""])
        for sold in Conversion.objects.filter(is_counted=True).order_by("id"):
            lines.writerow([sold.person_id, sold.occurred_at.isoformat(), "conversion", "", sold.value])
    return path


@pytest.mark.parametrize(
    "lens",
    [
        Lens(counting="once", lookback_days=12),
        Lens(conversion_types=("purchase",), transform="exposure"),
        Lens(lookback_days=0.5, direct="dropped_beside_others"),
    ],
)
def test_postgresql_finds_the_paths_that_duckdb_finds(workspace, tmp_path, rng, lens):
    path = written(tmp_path / "log.csv", a_log(rng))
    imported(path, workspace.slug)
    places = exported(tmp_path).written(tmp_path / "parquet")

    with postgres_workspace() as here, duckdb_files(*places) as there:
        found, known = (reading.count(one, lens, direct_channel="direct") for one in (here, there))

    assert found.touches == known.touches > 0
    assert _by_path(found) == _by_path(known)


def _by_path(counted):
    journeys = counted.journeys
    paths = np.split(journeys.codes, journeys.offsets[1:-1])
    names = [tuple(journeys.channels[code] for code in path) for path in paths]
    rows = zip(names, journeys.conversions, journeys.value, journeys.nulls, strict=True)
    return sorted((name, *map(float, numbers)) for name, *numbers in rows)


def test_a_workspace_sees_its_own_events_only(workspace, other_workspace):
    TouchpointFactory(workspace=workspace)
    with scoping.workspace(other_workspace):
        ConversionFactory(workspace=other_workspace)
        with postgres_workspace() as engine:
            elsewhere = reading.count(engine, Lens(), direct_channel="direct")
    with postgres_workspace() as engine:
        here = reading.count(engine, Lens(), direct_channel="direct")

    assert (elsewhere.touches, elsewhere.journeys.conversions.sum()) == (0, 1)
    assert (here.touches, here.journeys.conversions.sum()) == (1, 0)


def test_row_level_security_holds_where_the_query_names_another_workspace(workspace, other_workspace):
    """The second wall: the condition of the SQL is turned against it."""
    TouchpointFactory(workspace=workspace)

    with scoping.workspace(other_workspace), postgres_workspace() as engine:
        stolen = engine.touches.replace(f"SELECT {other_workspace.pk}", f"SELECT {workspace.pk}")
        rows = engine.fetch(stolen)

    assert stolen != engine.touches
    assert rows.num_rows == 0


def test_without_a_scope_there_is_no_engine():
    with pytest.raises(scoping.WorkspaceMissing), postgres_workspace():
        pass


@committed
def test_the_tables_of_any_postgresql_can_be_counted(tmp_path, foreign_tables):
    given, url = foreign_tables

    with (
        postgres_database(url, "warehouse_test.touches", "warehouse_test.conversions") as there,
        duckdb_files(*given.written(tmp_path)) as here,
    ):
        found, known = (reading.count(one, Lens(), direct_channel="direct") for one in (there, here))

    assert _by_path(found) == _by_path(known)


@pytest.fixture
def foreign_tables(rng):
    """Two tables as another program would keep them, in a schema of the owner's; removed after."""
    given = events.some(rng, people=20, touches=200, conversions=30)
    url = _owner_url()
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("CREATE SCHEMA warehouse_test")
        for name, columns in (("touches", given.touches), ("conversions", given.conversions)):
            _fill(database, f"warehouse_test.{name}", columns)
        yield given, url
        database.execute("DROP SCHEMA warehouse_test CASCADE")


_TYPES = {
    "user_id": "bigint",
    "position": "integer",
    "value": "numeric(12, 2)",
    "occurred_at": "timestamptz",
}


def _fill(database, table: str, columns: dict[str, np.ndarray]) -> None:
    kinds = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in columns)
    database.execute(f"CREATE TABLE {table} ({kinds})")
    cells = ", ".join("to_timestamp(%s / 1000000.0)" if name == "occurred_at" else "%s" for name in columns)
    with database.cursor() as cursor:
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        cursor.executemany(f"INSERT INTO {table} VALUES ({cells})", list(rows))  # noqa: S608


def _owner_url() -> str:
    parameters = connections["owner"].get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname")
    return psycopg.conninfo.make_conninfo(**{name: parameters.get(name) for name in wanted})
