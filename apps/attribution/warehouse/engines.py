"""The places that can count journeys: each names its two tables in its own SQL, and fetches an answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import ibis
import psycopg
import pyarrow as pa
from django.db import connection, transaction
from ibis.expr.types import Table

from apps.accounts import scoping
from apps.attribution.files.forms import Refused

TOUCH_COLUMNS = ("user_id", "occurred_at", "channel")
CONVERSION_COLUMNS = ("user_id", "occurred_at")
# How each dialect counts the microseconds since 1970 of a timestamp; one without a zone is UTC.
_MICROSECONDS = {
    "duckdb": "epoch_us({})",
    "pyspark": "unix_micros(CAST({} AS TIMESTAMP))",
    "postgres": "CAST(extract(epoch FROM {}) * 1000000 AS bigint)",
}
# Memory of one sort or hash table of a query, in PostgreSQL; the default of 4 MB sorts on disk.
_WORK_MEM = "256MB"
_WORKSPACE_TOUCHES = """
SELECT touch.person_id AS person, CAST(extract(epoch FROM touch.occurred_at) * 1000000 AS bigint) AS at_us,
       touch.id AS position, channel.key AS channel
FROM attribution_touchpoint touch
JOIN attribution_source source ON source.workspace_id = touch.workspace_id AND source.id = touch.source_id
JOIN attribution_channel channel
  ON channel.workspace_id = source.workspace_id AND channel.id = source.channel_id
WHERE touch.workspace_id = (SELECT {workspace}::bigint)"""
_WORKSPACE_CONVERSIONS = """
SELECT person_id AS person, CAST(extract(epoch FROM occurred_at) * 1000000 AS bigint) AS at_us,
       id AS position, conversion_type, CAST(round(value * {unit}) AS bigint) AS minor
FROM attribution_conversion
WHERE is_counted AND workspace_id = (SELECT {workspace}::bigint)"""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Touches and conversions somewhere, and a way to ask for them.

    dialect: as ibis calls it. touches, conversions: SQL that selects the columns of the expressions' tables.
    fetch: runs a query. decimals: of the currency's smallest unit.
    """

    dialect: str
    touches: str
    conversions: str
    fetch: Callable[[str], pa.Table]
    decimals: int = 2

    def answer(self, asked: Table) -> pa.Table:
        """Compute an expression over the two tables, there, and bring the rows here."""
        compiled = ibis.to_sql(asked, dialect=self.dialect)
        tables = f"WITH touches AS ({self.touches}), conversions AS ({self.conversions})"
        return self.fetch(f"{tables} SELECT * FROM ({compiled}) AS answer")  # noqa: S608 - our own SQL


@contextmanager
def duckdb_files(
    touchpoints: str, conversions: str, *, decimals: int = 2, memory: str = "", spill_to: Path | None = None
) -> Iterator[Engine]:
    """Parquet files, by DuckDB in this process. touchpoints, conversions: paths, `*` stands for any name.

    memory: the most it may use, such as "3GB"; "" for 80 % of the machine's. spill_to: where it puts what
    does not fit; None for the directory it starts in. Raises Refused.
    """
    settings: dict[str, Any] = {"preserve_insertion_order": False}
    if memory:
        settings["memory_limit"] = memory
    if spill_to:
        settings["temp_directory"] = str(spill_to)
    with closing(duckdb.connect(config=settings)) as database, _refusing(duckdb.Error):
        # ibis writes lambdas as x -> ..., which DuckDB 2 takes only when asked to.
        database.execute("SET lambda_syntax = 'ENABLE_SINGLE_ARROW'")
        database.execute("SET TimeZone = 'UTC'")

        def columns(relation: str) -> list[str]:
            return database.sql(f"SELECT * FROM {relation}").columns  # noqa: S608 - escaped below

        yield _engine(
            "duckdb",
            f"read_parquet({_quoted(touchpoints)})",
            f"read_parquet({_quoted(conversions)})",
            columns=columns,
            fetch=lambda query: database.sql(query).to_arrow_table(),
            decimals=decimals,
        )


@contextmanager
def spark_files(touchpoints: str, conversions: str, *, decimals: int = 2) -> Iterator[Engine]:
    """Parquet files, by Spark: the cluster that spark-defaults.conf or PYSPARK_SUBMIT_ARGS name, or all cores
    of this machine. A session of this process is used and left; else one is started and stopped.

    touchpoints, conversions: paths or addresses that the cluster can read, `*` stands for any name. Raises
    Refused.
    """
    from ibis.backends.pyspark import Backend  # noqa: PLC0415 - 400 MB that only this engine needs
    from pyspark.errors import PySparkException  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    Backend.register_options()  # which its compiler reads
    logging.getLogger("py4j").setLevel(logging.WARNING)  # it reports each connection it closes
    with _refusing(PySparkException):
        under_way = SparkSession.getActiveSession()
        session = under_way or _spark_session(SparkSession.builder)
        try:
            session.conf.set("spark.sql.session.timeZone", "UTC")
            for name, path in (("raw_touches", touchpoints), ("raw_conversions", conversions)):
                session.read.parquet(path).createOrReplaceTempView(name)
            yield _engine(
                "pyspark",
                "raw_touches",
                "raw_conversions",
                columns=lambda relation: session.table(relation).columns,
                fetch=lambda query: session.sql(query).toArrow(),
                decimals=decimals,
            )
        finally:
            if under_way is None:
                session.stop()


@contextmanager
def postgres_database(url: str, touchpoints: str, conversions: str, *, decimals: int = 2) -> Iterator[Engine]:
    """Two tables (or views) of any PostgreSQL. touchpoints, conversions: their names. Raises Refused."""
    with _refusing(psycopg.Error), psycopg.connect(url) as database, database.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(f"SET LOCAL work_mem = '{_WORK_MEM}'")

        def columns(relation: str) -> list[str]:
            cursor.execute(f"SELECT * FROM {relation} LIMIT 0")  # noqa: S608
            return [column.name for column in cursor.description or ()]

        yield _engine(
            "postgres",
            _identifier(touchpoints),
            _identifier(conversions),
            columns=columns,
            fetch=lambda query: _rows(cursor, query),
            decimals=decimals,
        )


@contextmanager
def postgres_workspace(*, decimals: int = 2) -> Iterator[Engine]:
    """The events of the workspace in scope, under its row-level security, in one transaction."""
    filled = {"workspace": scoping.current_id(), "unit": 10 ** int(decimals)}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(f"SET LOCAL work_mem = '{_WORK_MEM}'")
        yield Engine(
            dialect="postgres",
            touches=_WORKSPACE_TOUCHES.format(**filled),
            conversions=_WORKSPACE_CONVERSIONS.format(**filled),
            fetch=lambda query: _rows(cursor, query),
            decimals=decimals,
        )


def _spark_session(builder: Any) -> Any:
    quiet = builder.appName("bellwether attribute").config("spark.ui.showConsoleProgress", "false")
    session = quiet.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _engine(
    dialect: str,
    touches: str,
    conversions: str,
    *,
    columns: Callable[[str], Collection[str]],
    fetch: Callable[[str], pa.Table],
    decimals: int,
) -> Engine:
    """Two relations of whatever columns, as the expressions' tables. Raises Refused for a missing column."""
    seen, sold = columns(touches), columns(conversions)
    _refuse_missing("touchpoints", TOUCH_COLUMNS, seen)
    _refuse_missing("conversions", CONVERSION_COLUMNS, sold)
    at_us = _MICROSECONDS[dialect].format("occurred_at")
    kind = "conversion_type" if "conversion_type" in sold else "''"
    value = f"round(value * {10 ** int(decimals)})" if "value" in sold else "0"
    return Engine(
        dialect=dialect,
        touches=f"SELECT user_id AS person, {at_us} AS at_us, {_position(seen)}, channel FROM {touches}",  # noqa: S608
        conversions=f"SELECT user_id AS person, {at_us} AS at_us, {_position(sold)},"  # noqa: S608
        f" {kind} AS conversion_type, CAST({value} AS bigint) AS minor FROM {conversions}",
        fetch=fetch,
        decimals=decimals,
    )


def _position(columns: Collection[str]) -> str:
    return f"CAST({'position' if 'position' in columns else '0'} AS bigint) AS position"


def _refuse_missing(what: str, wanted: Collection[str], columns: Collection[str]) -> None:
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise Refused(f"the {what} need the column {' and '.join(missing)}; there are {', '.join(columns)}")


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _rows(cursor: Any, query: str) -> pa.Table:
    cursor.execute(query)
    names = [column[0] for column in cursor.description]
    columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
    return pa.table(dict(zip(names, map(pa.array, columns), strict=True)))


@contextmanager
def _refusing(error: type[Exception]) -> Iterator[None]:
    """Say in one line why the engine could not answer."""
    try:
        yield
    except error as problem:
        raise Refused(str(problem).strip().splitlines()[0][:300]) from problem
