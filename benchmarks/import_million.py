"""Claim: importing a log costs a small multiple of the bare COPY of the rows it becomes.

    PYTHONPATH=. .venv/bin/python benchmarks/import_million.py [--rows 1000000]

The import reads and checks text, finds or makes each person, derives the channel, refuses what it has seen,
checks foreign keys and row-level security, enters the books, and publishes events (which workers deliver:
that is not counted). The limits, measured in
the same run, each of the finished rows and without text, people or policies:

- COPY into tables with the same columns and indexes: what a machine does that need not look for duplicates;
- the same through a staging table, since COPY alone cannot leave duplicates out: of rows in the order in
  which the import stores them, which is kind to indexes, and of touchpoints in the random order of the log,
  numbered as they come, which is what a COPY of that file does;
- that into tables with the same foreign keys as well, which the import does not go without.
"""

import argparse
import io
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks._database import benchmark_database, foreign_keys, workspace
from benchmarks._logs import write_log
from benchmarks._measure import Steps, cpu_of, elsewhere

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TABLES = {
    "accounts_person": "workspace_id, external_id",
    "attribution_touchpoint": "workspace_id, event_id",
    "attribution_conversion": "workspace_id, order_id",
    "attribution_conversionrecord": "workspace_id, event_id",
}
TOUCHES = "attribution_touchpoint"
# The log is shuffled: one random order is as good as another.
AS_GIVEN = """
    SELECT (jsonb_populate_record(touch, jsonb_build_object('id', place))).*
    FROM (SELECT t AS touch, row_number() OVER (ORDER BY hashtextextended(event_id, 1)) AS place FROM {} t) s
    ORDER BY place
"""

# Name → whether duplicates are left out, foreign keys are checked, touchpoints come in the log's order.
LIMITS = {
    "COPY": (False, False, False),
    "COPY, leaving duplicates out": (True, False, False),
    "COPY in the log's order, leaving duplicates out": (True, False, True),
    "COPY, leaving duplicates out, foreign keys": (True, True, False),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=200_000)
    rows = arguments.parse_args().rows
    print(f"Import of {rows:,} rows beside COPY")
    with benchmark_database(name="bench_import", keep=False), tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        elsewhere(write_log, log, rows=rows)
        _measure(log, rows)


def _measure(log: Path, rows: int) -> None:
    from celery import current_app  # noqa: PLC0415 - Django is set up by then
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415

    current_app.conf.task_always_eager = False  # what workers do with the events is not the import's
    slug = f"import-{time.time_ns()}"
    made = workspace(slug, now=NOW)
    application, owner = connections["default"], connections["owner"]
    with scoping.workspace(made):
        backends = [_backend(application), _backend(owner)]
        steps = Steps(server=lambda: sum(map(cpu_of, backends)))
        with steps.step("import_events"):
            call_command("import_events", str(log), "--workspace", slug, stdout=io.StringIO())
        with steps.step("import_events, the same file again"):
            call_command("import_events", str(log), "--workspace", slug, stdout=io.StringIO())
        finished = {table: _exported(application, table, log.with_name(table)) for table in TABLES}
        as_given = finished | {TOUCHES: _exported(application, TOUCHES, log.with_name("given"), AS_GIVEN)}
    for name, (is_staged, has_keys, is_as_given) in LIMITS.items():
        with steps.step(name):
            for table, path in (as_given if is_as_given else finished).items():
                _copy(owner, table, path, is_staged=is_staged, has_keys=has_keys)
    ours = steps.done["import_events"]
    times = {name: ours.cpu / steps.done[name].cpu for name in LIMITS}
    for name, spent in steps.done.items():
        here, there = spent.client / rows * 1e6, spent.server / rows * 1e6
        said = f"; the import takes {times[name]:.1f} times as much" if name in times else ""
        print(f"  {name:<48}{here:6.1f} µs a row here {there:6.1f} in the server{said}")
    steps.keep(f"import_million-{rows}", rows=rows, times=times)


def _backend(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def _exported(connection: Any, table: str, path: Path, rows: str = "SELECT * FROM {}") -> Path:
    """COPY goes past Django, which names the workspace with the first query of a transaction: hence one."""
    from django.db import transaction  # noqa: PLC0415 - Django is set up by then

    with transaction.atomic(), connection.cursor() as cursor, path.open("wb") as file:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        print(f"  {cursor.fetchone()[0]:,} rows of {table}")
        with cursor.copy(f"COPY ({rows.format(table)}) TO STDOUT (FORMAT binary)") as copy:
            for block in copy:
                file.write(block)
    return path


def _copy(connection: Any, table: str, path: Path, *, is_staged: bool, has_keys: bool) -> None:
    """Each table in one transaction; the copy of the table goes when its transaction ends."""
    from django.db import transaction  # noqa: PLC0415 - Django is set up by then

    with transaction.atomic(using="owner"), connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE peer (LIKE {table} INCLUDING ALL)")
        for key in foreign_keys(cursor, table) if has_keys else []:
            cursor.execute(f"ALTER TABLE peer ADD {key}")
        cursor.execute(f"CREATE TEMP TABLE staging ON COMMIT DROP AS SELECT * FROM {table} LIMIT 0")  # noqa: S608
        target = "staging" if is_staged else "peer"
        with path.open("rb") as file, cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        if is_staged:
            unique = TABLES[table]
            cursor.execute(f"INSERT INTO peer SELECT * FROM staging ON CONFLICT ({unique}) DO NOTHING")  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE peer")


if __name__ == "__main__":
    main()
