"""Claim: where requests come together, a tracked event costs less than 2.5 bare INSERTs of its row.

    PYTHONPATH=. .venv/bin/python benchmarks/tracking_http.py [--events 1200]

The web server of `make run` on a port of its own; the CPU that it and its database connections spend is
counted, the client is not. Each event is authenticated, rate-limited, checked, its person and channel found,
stored once and announced, and answered after COMMIT. The limits, measured in the same run, are the driver
alone on a copy of the table with its indexes and foreign keys: prepared INSERTs of one row, each its own
transaction; and one INSERT of 100 rows from JSON that leaves out known event ids, each its own transaction.
A batch of 100 is held against the latter, which finds, checks and answers nothing.

Every step and every limit starts on an empty, vacuumed table, in turn, five times over; the cheapest of the
five is what counts, for the limits too: what other work the machine has at a moment decides nothing.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from redis import Redis

from benchmarks import _load
from benchmarks._database import ROOT, benchmark_database, foreign_keys, workspace
from benchmarks._measure import exact_cpu_of, keep, peak_of

NAME = "bench_tracking"
BATCH, PEOPLE, CAMPAIGNS = 100, 500, 20
WANTED = {"single": 2.5, "batch": 1.5}
BATCHES = 80
TURNS = 5
REDIS_DATABASE = "db=15"  # the last that the tests use too: they empty it before each test, this one after
LOG = ROOT / ".bellwether" / "benchmark-web.log"
PATH = "/api/v1/attribution/track/"
# What the door does not speak goes through Django: the same view, the same answer.
THROUGH_DJANGO = "?door=django"
URL = "https://shop.example/?utm_source=google&utm_medium=cpc&gclid=abc"
COLUMNS = """(workspace_id, person_id, source_id, event_id, event_type, occurred_at, received_at, url,
        referrer)"""
ONE = f"""
    INSERT INTO {{table}} {COLUMNS}
    VALUES (%s, %s, %s, %s, 'click', now(), now(), '{URL}', '')
"""  # noqa: S608 - constants
MANY = f"""
    INSERT INTO {{table}} {COLUMNS}
    SELECT w, p, s, e, t, o, r, u, '' FROM json_to_recordset(%s::json)
        AS row(w bigint, p bigint, s bigint, e text, t text, o timestamptz, r timestamptz, u text)
    ON CONFLICT (workspace_id, event_id) DO NOTHING
"""  # noqa: S608 - constants


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_200)
    events = arguments.parse_args().events
    with benchmark_database(name=NAME):
        key = _key()
        with _web_server() as (port, process_id):
            turns = [_turn(events, key, port, process_id) for _ in range(TURNS)]
            print(f"The server held at most {peak_of(process_id):.0f} MB")
    spent = {name: min((turn[name] for turn in turns), key=_cpu) for name in turns[0]}
    for name, one in spent.items():
        _show(name, one)
    single, many = (_cpu(spent[name]) for name in ("bare INSERT", f"bare INSERT of {BATCH}"))
    steps = {name: one for name, one in spent.items() if "p50_ms" in one}
    times = {name: _cpu(one) / (many if "batch" in name else single) for name, one in steps.items()}
    for name, ratio in times.items():
        wanted = WANTED["batch" if "batch" in name else "single"]
        print(f"{name}: {ratio:.2f} times the limit ({wanted} times is wanted)")
    keep("tracking_http", spent=spent, times=times)


def _turn(events: int, key: str, port: int, process_id: int) -> dict[str, dict[str, float]]:
    """Each step and each limit once, one after the other."""

    def singles(count: int, where: str = "event") -> list[bytes]:
        bodies = (json.dumps(_event(number)).encode() for number in range(count))
        return [_load.request(PATH + where, key, body) for body in bodies]

    def batches(count: int) -> list[bytes]:
        documents = (
            {"events": [{"type": "event", **_event(start * BATCH + number)} for number in range(BATCH)]}
            for start in range(count)
        )
        return [_load.request(PATH + "batch", key, json.dumps(one).encode()) for one in documents]

    def spent(requests: Sequence[bytes], in_flight: int, size: int = 1) -> dict[str, float]:
        return _spent(process_id, port, requests, in_flight=in_flight, size=size)

    _load.send(port, singles(PEOPLE), in_flight=8)
    return {
        "single, through Django, 1 in flight": spent(singles(100, f"event{THROUGH_DJANGO}"), 1),
        "single, 1 in flight": spent(singles(events // 4), 1),
        "bare INSERT": _bare(events // 2, ONE, 1),
        "single, 32 in flight": spent(singles(events), 32),
        "single, 128 in flight": spent(singles(events), 128),
        f"batch of {BATCH}, 1 in flight": spent(batches(BATCHES), 1, BATCH),
        f"bare INSERT of {BATCH}": _bare(BATCHES, MANY, BATCH),
        f"batch of {BATCH}, 8 in flight": spent(batches(BATCHES), 8, BATCH),
    }


def _spent(
    process_id: int, port: int, requests: Sequence[bytes], *, in_flight: int, size: int
) -> dict[str, float]:
    """CPU seconds an event, of the server and of its database connections; milliseconds of an answer."""
    _clear()
    process, database, began = exact_cpu_of(process_id), _backends(), time.perf_counter()
    statuses, seconds = _load.send(port, requests, in_flight=in_flight)
    if not statuses <= {201, 207}:
        raise SystemExit(f"answered {statuses}; see {LOG}")
    events = len(requests) * size
    p50, p99 = np.percentile(seconds, [50, 99]) * 1_000
    return {
        "process": (exact_cpu_of(process_id) - process) / events,
        "database": (_backends() - database) / events,
        "p50_ms": p50,
        "p99_ms": p99,
        "a_second": events / (time.perf_counter() - began),
    }


def _show(name: str, spent: dict[str, float]) -> None:
    line = (
        f"  {name:<42}{_cpu(spent) * 1e6:7.0f} µs of CPU an event"
        f" ({spent['process'] * 1e6:.0f} process, {spent['database'] * 1e6:.0f} database)"
    )
    if "p50_ms" in spent:
        line += f"; {spent['p50_ms']:.1f} ms, p99 {spent['p99_ms']:.1f}; {spent['a_second']:,.0f} a second"
    print(line)


def _cpu(spent: dict[str, float]) -> float:
    return spent["process"] + spent["database"]


def _key() -> str:
    from apps.accounts import api_keys, scoping  # noqa: PLC0415 - Django is set up by then
    from apps.accounts.permissions import system  # noqa: PLC0415

    now = datetime.now(UTC)
    made = workspace("tracking", now=now)
    with scoping.workspace(made):
        return api_keys.issue(system(made.pk), name="benchmark", scopes=["track"], now=now).secret


@contextmanager
def _web_server() -> Iterator[tuple[int, int]]:
    """The port and process id of the server that `make run` starts, on the benchmarks' database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listen = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning")
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", *listen]
    with LOG.open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - our own command line
            command, cwd=ROOT, env=os.environ | _surroundings(), stdout=log, stderr=log
        )
    try:
        _wait_for(port, server)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(timeout=20)
        Redis.from_url(_surroundings()["REDIS_URL"]).flushdb()


def _surroundings() -> dict[str, str]:
    from config import embedded  # noqa: PLC0415

    known = embedded.urls(ROOT)

    def of(name: str, default: str) -> str:
        address = urlsplit(os.environ.get(name) or default)
        return address._replace(path=f"/{NAME}").geturl()

    redis = os.environ.get("REDIS_URL") or known.redis_url
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": of("DATABASE_URL", known.database_url),
        "OWNER_DATABASE_URL": of("OWNER_DATABASE_URL", known.owner_database_url),
        "REDIS_URL": f"{redis.partition('?')[0]}?{REDIS_DATABASE}",
        "DATABASE_POOL_SIZE": "28",
        "RATE_LIMIT_TRACKING": "100000000",
    }


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise SystemExit("The web server did not start.")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("The web server does not listen.")


def _event(number: int) -> dict[str, str]:
    return {
        "anonymous_id": f"visitor-{number % PEOPLE}",
        "event_type": "click",
        "platform": "google",
        "campaign_id": f"c{number % CAMPAIGNS}",
        "event_id": uuid.uuid4().hex,
        "url": URL,
    }


def _clear() -> None:
    """No touches, and no dead rows of the step before: the limits start so too."""
    from django.db import connections  # noqa: PLC0415

    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "TRUNCATE attribution_touchpoint, attribution_staleperson, accounts_outboxevent CASCADE"
        )
        cursor.execute("VACUUM accounts_person")


def _backends() -> float:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return sum(exact_cpu_of(process_id) for (process_id,) in cursor.fetchall())


def _bare(count: int, statement: str, size: int) -> dict[str, float]:
    """CPU seconds a row of a statement that stores `size` of them, by the driver alone."""
    from django.db import connections  # noqa: PLC0415

    owner = connections["owner"]
    _clear()
    with owner.cursor() as cursor, _copy_of_the_table(cursor) as table:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
        row = _rows(cursor)
        raw, sql = owner.connection, statement.format(table=table)
        sent = [row(number) if size == 1 else _as_json(row, number, size) for number in range(count + 10)]
        for one in sent[:10]:
            raw.execute(sql, one, prepare=True)
        process, database = time.process_time(), exact_cpu_of(backend)
        for one in sent[10:]:
            raw.execute(sql, one, prepare=True)
        return {
            "process": (time.process_time() - process) / count / size,
            "database": (exact_cpu_of(backend) - database) / count / size,
        }


def _rows(cursor: Any) -> Callable[[int], tuple[Any, ...]]:
    """Rows as the events above become them: the same people, the same sources."""
    cursor.execute("SELECT id FROM accounts_workspace WHERE slug = 'tracking'")
    workspace_id = cursor.fetchone()[0]
    cursor.execute("SELECT id FROM accounts_person WHERE workspace_id = %s LIMIT %s", [workspace_id, PEOPLE])
    people = [pk for (pk,) in cursor.fetchall()]
    cursor.execute("SELECT id FROM attribution_source WHERE workspace_id = %s", [workspace_id])
    sources = [pk for (pk,) in cursor.fetchall()]

    def row(number: int) -> tuple[Any, ...]:
        return (
            workspace_id,
            people[number % len(people)],
            sources[number % len(sources)],
            uuid.uuid4().hex,
        )

    return row


def _as_json(row: Callable[[int], tuple[Any, ...]], start: int, size: int) -> tuple[str]:
    now = datetime.now(UTC).isoformat()
    rest = {"t": "click", "o": now, "r": now, "u": URL}
    rows = (row(start * size + number) for number in range(size))
    return (json.dumps([dict(zip("wpse", one, strict=True)) | rest for one in rows]),)


@contextmanager
def _copy_of_the_table(cursor: Any) -> Iterator[str]:
    """The columns, defaults, indexes and foreign keys of the touchpoints."""
    cursor.execute("DROP TABLE IF EXISTS peer")
    cursor.execute("CREATE TABLE peer (LIKE attribution_touchpoint INCLUDING ALL)")
    try:
        for key in foreign_keys(cursor, "attribution_touchpoint"):
            cursor.execute(f"ALTER TABLE peer ADD {key}")
        yield "peer"
    finally:
        cursor.execute("DROP TABLE peer")


if __name__ == "__main__":
    main()
