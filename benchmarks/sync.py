"""Claim: what a first pull of many records costs beside a bare bulk upsert of the same rows, and how little
the second one does.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/sync.py [--records 10000]

The peer, in the same run: the same pages, each upserted by one bulk_create with update_conflicts of
(connection, id, hash, document), open and unsealed. The pull seals, matches, merges, writes the step of each
record's trail, and finds or makes its person. The system stands in this process and costs next to nothing.
"""

import argparse
import hashlib
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import Steps

START = datetime(2026, 11, 1, tzinfo=UTC)
PAGE = 100


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=10_000)
    count = arguments.parse_args().records
    logging.disable()
    with benchmark_database(name="bench_sync", keep=False):
        from apps.accounts import scoping  # noqa: PLC0415 - Django is set up by then

        with scoping.workspace(workspace("bench-sync", now=START)):
            _measure(count)


def _measure(count: int) -> None:
    from apps.integrations.connectors.crm.system import Entity  # noqa: PLC0415
    from apps.integrations.models import SyncExternal, SyncRecord, TrailEntry  # noqa: PLC0415
    from apps.integrations.sync import integrity, pull, streams  # noqa: PLC0415

    connection, system = _connected(count)
    stream = streams.of(connection, "contact")
    steps = Steps(_server)
    with steps.step("a bare bulk upsert of the same rows"):
        _upsert(connection, system)
    with steps.step("the first pull"):
        pull.run(stream, system)
    assert SyncExternal.objects.count() == SyncRecord.objects.count() == TrailEntry.objects.count() == count
    with steps.step("the second pull: what changed"):
        assert pull.run(stream, system) == 0
    with steps.step("a full scan in which nothing changed"):
        assert pull.run(stream, system, is_full=True) == 0
    with steps.step("compared, with every trail verified"):
        assert integrity.compare(stream, system, now=datetime.now(UTC)).is_well
    assert TrailEntry.objects.count() == count
    bare = steps.done["a bare bulk upsert of the same rows"].cpu
    ratios = {name: spent.cpu / bare for name, spent in steps.done.items()}
    for name, ratio in ratios.items():
        print(f"  {name:<46}{ratio:8.2f} times the bare upsert")
    steps.keep(f"sync-{count}", records=count, entity=Entity.CONTACT.value, ratios=ratios)


def _connected(count: int) -> tuple[Any, Any]:
    from apps.accounts import scoping  # noqa: PLC0415
    from apps.integrations.models import Connection  # noqa: PLC0415
    from tests.integrations.sync.model_system import ACCOUNTS, ModelSystem  # noqa: PLC0415

    system = ACCOUNTS["bench"] = ModelSystem(page_size=PAGE)
    system.clock = START - timedelta(days=1)
    for number in range(count):
        system.add(
            kind="person",
            first_name=f"First {number}",
            last_name=f"Last {number}",
            email=f"person{number}@example.com",
            phone=f"+447{number:09d}",
            tags=["wedding", f"list {number % 7}"],
            marketing_opt_in=bool(number % 2),
        )
    made = Connection.objects.create(
        workspace_id=scoping.current_id(), service="model", account="bench", label="b", state_changed_at=START
    )
    system.page = _sorted_once(system)  # type: ignore[method-assign]
    return made, system


def _sorted_once(system: Any) -> Any:
    """The pages of a system that does not change, sorted once: its own cost is not measured."""
    from apps.integrations.connectors.crm.system import Page  # noqa: PLC0415

    rows = sorted(system.rows.values(), key=lambda row: row.modified_at, reverse=True)
    pages = [rows[start : start + PAGE] for start in range(0, len(rows), PAGE)]

    def page(entity: Any, number: int, *, since: Any = None) -> Page:
        return Page(records=pages[number - 1], following=number + 1 if number < len(pages) else None)

    return page


def _upsert(connection: Any, system: Any) -> None:
    from django.db import connection as database  # noqa: PLC0415
    from django.db import transaction  # noqa: PLC0415

    with database.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE bare (connection_id bigint, external_id text, hash bytea, document jsonb,"
            " PRIMARY KEY (connection_id, external_id))"
        )
    number: int | None = 1
    while number is not None:
        page = system.page(None, number)
        texts = [(one.id, json.dumps(dict(one.raw), sort_keys=True)) for one in page.records]
        rows = [(connection.pk, key, hashlib.sha256(text.encode()).digest(), text) for key, text in texts]
        with transaction.atomic(), database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO bare SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::jsonb[])"
                " ON CONFLICT (connection_id, external_id)"
                " DO UPDATE SET hash = excluded.hash, document = excluded.document",
                [list(column) for column in zip(*rows, strict=True)],
            )
        number = page.following


def _server() -> float:
    """CPU seconds of this session's process in the database server, where it can be seen."""
    from django.db import connection as database  # noqa: PLC0415

    from benchmarks._measure import cpu_of  # noqa: PLC0415

    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return float(cpu_of(cursor.fetchone()[0]))


if __name__ == "__main__":
    main()
