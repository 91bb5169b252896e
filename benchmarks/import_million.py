"""Claim: importing a log costs a small multiple of the bare COPY of the rows it becomes.

    PYTHONPATH=. .venv/bin/python benchmarks/import_million.py [--rows 1000000]

The import reads and checks text, finds or makes each person, derives the channel, refuses what it has seen,
checks foreign keys and row-level security, and publishes events. The limit, measured in the same run: COPY of
the finished rows into tables with the same columns and indexes, through a staging table, since COPY alone
cannot leave duplicates out; no text, no people, no foreign keys, no policies.
"""

import argparse
import io
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks._database import benchmark_database, workspace
from benchmarks._logs import write_log
from benchmarks._measure import Steps, cpu_of, elsewhere

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TABLES = {
    "accounts_person": "workspace_id, external_id",
    "attribution_touchpoint": "workspace_id, event_id",
    "attribution_conversion": "workspace_id, order_id",
    "attribution_conversionrecord": "workspace_id, event_id",
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
    from django.core.management import call_command  # noqa: PLC0415 - Django is set up by then
    from django.db import connections  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415

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
    with steps.step("limit: COPY of the finished rows"):
        for table, path in finished.items():
            _copy(owner, table, path)
    ours, again = steps.done["import_events"], steps.done["import_events, the same file again"]
    limit = steps.done["limit: COPY of the finished rows"]
    print(f"The import takes {ours.cpu / limit.cpu:.1f} times the CPU of COPY:")
    for name, spent in (("import", ours), ("again", again), ("COPY", limit)):
        here, there = spent.client / rows * 1e6, spent.server / rows * 1e6
        print(f"  {name:<8}{here:6.1f} µs a row here {there:6.1f} µs a row in the server")
    steps.keep(f"import_million-{rows}", rows=rows, times_copy=ours.cpu / limit.cpu)


def _backend(connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def _exported(connection, table: str, path: Path) -> Path:
    """COPY goes past Django, which names the workspace with the first query of a transaction: hence one."""
    from django.db import transaction  # noqa: PLC0415 - Django is set up by then

    with transaction.atomic(), connection.cursor() as cursor, path.open("wb") as file:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        print(f"  {cursor.fetchone()[0]:,} rows of {table}")
        with cursor.copy(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)") as copy:  # noqa: S608
            for block in copy:
                file.write(block)
    return path


def _copy(connection, table: str, path: Path) -> None:
    """Each table in one transaction; the copy of the table goes when its transaction ends."""
    from django.db import transaction  # noqa: PLC0415 - Django is set up by then

    with transaction.atomic(using="owner"), connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE peer (LIKE {table} INCLUDING ALL)")
        cursor.execute(f"CREATE TEMP TABLE staging ON COMMIT DROP AS SELECT * FROM {table} LIMIT 0")  # noqa: S608
        with path.open("rb") as file, cursor.copy("COPY staging FROM STDIN (FORMAT binary)") as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        unique = TABLES[table]
        cursor.execute(f"INSERT INTO peer SELECT * FROM staging ON CONFLICT ({unique}) DO NOTHING")  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE peer")


if __name__ == "__main__":
    main()
