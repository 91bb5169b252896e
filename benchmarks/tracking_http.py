"""Claim: an event tracked over HTTP in a batch of 100 costs the server about as much as a bare INSERT.

    PYTHONPATH=. .venv/bin/python benchmarks/tracking_http.py [--requests 1500]

The web server of `make run` on a port of its own; what it and its database connections spend is counted, the
client is not. Each request is authenticated, rate-limited, checked, its person and channel found, stored once
and announced. The limit, measured in the same run: prepared single-row INSERTs, each its own transaction,
into a table with the same columns and indexes, by the driver alone.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from redis import Redis

from benchmarks._database import NAME, ROOT, benchmark_database, workspace
from benchmarks._measure import cpu_of, keep, peak_of

BATCH, WARM_UP = 100, 100
REDIS_DATABASE = "db=15"  # the last that the tests use too: they empty it before each test, this one after
LOG = ROOT / ".bellwether" / "benchmark-web.log"
PATH = "/api/v1/attribution/track/"
INSERT = """
    INSERT INTO peer (id, workspace_id, person_id, source_id, event_id, event_type, occurred_at, url,
        referrer)
    VALUES (%s, 1, %s, 1, %s, 'click', now(), '', '')
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=1_500)
    requests = arguments.parse_args().requests
    with benchmark_database():
        key = _key()
        with _web_server() as (port, process_id):
            client = _Client(port, key)
            single = _spent(process_id, lambda count: client.send_events(count), requests)
            batched = _spent(process_id, lambda count: client.send_batches(count), max(requests // 5, 1))
            peak = peak_of(process_id)
        insert = _bare_inserts(requests)
    batch = {name: spent / BATCH for name, spent in batched.items()}
    for name, spent in (("single event", single), (f"in batches of {BATCH}", batch), ("bare INSERT", insert)):
        whole = spent["process"] + spent["database"]
        print(
            f"  {name:<20}{whole * 1e6:8.0f} µs of CPU an event ({spent['process'] * 1e6:.0f} process,"
            f" {spent['database'] * 1e6:.0f} database)"
        )
    bare = sum(insert.values())
    times = {"single": sum(single.values()) / bare, "batch": sum(batch.values()) / bare}
    print(f"An event costs {times['single']:.1f} times a bare INSERT, in a batch {times['batch']:.2f} times")
    print(f"The server held at most {peak:.0f} MB")
    keep("tracking_http", single=single, batch=batch, insert=insert, times=times, peak_mb=peak)


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
        "DATABASE_POOL_SIZE": "20",
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


class _Client:
    """One connection, kept open."""

    def __init__(self, port: int, key: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def send_events(self, count: int) -> None:
        for number in range(count):
            self._post("event", _event(number), expected=201)

    def send_batches(self, count: int) -> None:
        for start in range(count):
            events = [{"type": "event", **_event(start * BATCH + number)} for number in range(BATCH)]
            self._post("batch", {"events": events}, expected=207)

    def _post(self, door: str, body: object, *, expected: int) -> None:
        self.connection.request("POST", PATH + door, json.dumps(body), self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != expected:
            raise SystemExit(f"{response.status}: {answer[:300]!r}; see {LOG}")


def _event(number: int) -> dict[str, str]:
    return {
        "anonymous_id": f"visitor-{number % 500}",
        "event_type": "click",
        "platform": "google",
        "campaign_id": f"c{number % 20}",
        "event_id": uuid.uuid4().hex,
        "url": "https://shop.example/?utm_source=google&utm_medium=cpc&gclid=abc",
    }


def _spent(process_id: int, send, count: int) -> dict[str, float]:
    """CPU seconds a request, of the server and of its database connections."""
    send(min(WARM_UP, count))
    process, database = cpu_of(process_id), _backends()
    send(count)
    return {
        "process": (cpu_of(process_id) - process) / count,
        "database": (_backends() - database) / count,
    }


def _backends() -> float:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return sum(cpu_of(process_id) for (process_id,) in cursor.fetchall())


def _bare_inserts(count: int) -> dict[str, float]:
    from django.db import connections  # noqa: PLC0415

    owner = connections["owner"]
    with owner.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS peer")
        cursor.execute("CREATE TABLE peer (LIKE attribution_touchpoint INCLUDING ALL)")
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    raw = owner.connection
    try:
        for number in range(WARM_UP):
            raw.execute(INSERT, (number, number % 500, uuid.uuid4().hex), prepare=True)
        process, database = time.process_time(), cpu_of(backend)
        for number in range(WARM_UP, WARM_UP + count):
            raw.execute(INSERT, (number, number % 500, uuid.uuid4().hex), prepare=True)
        return {
            "process": (time.process_time() - process) / count,
            "database": (cpu_of(backend) - database) / count,
        }
    finally:
        with owner.cursor() as cursor:
            cursor.execute("DROP TABLE peer")


if __name__ == "__main__":
    main()
