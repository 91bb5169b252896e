"""Claim: ten million touchpoints in PostgreSQL answer from journey books in 50 ms, and cost ten times what
one million cost.

    PYTHONPATH=. .venv/bin/python benchmarks/attribution_ten_million.py [--rows 1000000 10000000] [--fresh]

A year of a company with ten channels is made in the database itself and kept for the next run unless --fresh
is given. Building a book is held against reading the same rows, a stretch of people at a time, and doing
nothing with them, in the same run: by our own packed arrays, and by ADBC into Arrow in an environment of its
own (benchmarks/peers/adbc.txt). The overview and the batch analysis of 90 days are asked through Django's own
request handling, sign-in and rendering included. Each size is measured in a process of its own.
"""

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks._database import ROOT, benchmark_database, workspace
from benchmarks._measure import Steps, cpu_of, elsewhere, keep

END = datetime(2026, 11, 20, tzinfo=UTC)
NAME = "bench_ten_million"
TOUCHES_PER_PERSON = 5
NEW_EVENTS = 10_000
WARM_UP, ASKED = 3, 20
ADBC, PEERS = ROOT / ".bellwether" / "adbc", Path(__file__).parent / "peers"
# CPU milliseconds of the application and the database that a question asked before may take.
LIMIT_MS = 50
LIMIT_MB = 2_000

# A person's touches lie within some weeks of the year, the later ones closer together; one in five converts.
PEOPLE = """
    INSERT INTO accounts_person (workspace_id, public_id, traits, first_seen_at)
    SELECT %(workspace)s, gen_random_uuid(), '{}', %(end)s FROM generate_series(1, %(people)s)
"""
TOUCHES = """
    INSERT INTO attribution_touchpoint (workspace_id, person_id, source_id, event_id, event_type,
        occurred_at, received_at, url, referrer)
    SELECT %(workspace)s, person, %(source)s + floor(power(random(), 2) * %(sources)s)::int, 't' || n,
        'click', at, at, 'https://shop.example/landing', ''
    FROM (
        SELECT n, person, %(end)s - (person * 7919 %% 340 + 1) * interval '1 day'
            + power(random(), 2) * interval '25 days' AS at
        FROM (
            SELECT n, %(first)s + floor(random() * %(people)s)::bigint AS person
            FROM generate_series(%(after)s + 1, %(after)s + %(rows)s) AS n
        ) AS drawn
    ) AS placed ORDER BY at
"""
CONVERSIONS = """
    INSERT INTO attribution_conversion (workspace_id, person_id, conversion_type, order_id, occurred_at,
        value, is_counted, updated_at)
    SELECT %(workspace)s, person, CASE WHEN random() < 0.9 THEN 'purchase' ELSE 'upgrade' END,
        'o' || person,
        %(end)s - (person * 7919 %% 340 + 1) * interval '1 day' + (20 + 10 * random()) * interval '1 day',
        round((10 + 190 * random())::numeric, 2), true, %(end)s
    FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(people)s - 1) AS person
    WHERE random() < 0.22
"""
CHUNK = 1_000_000
READ = tuple(
    f"SELECT {columns} FROM {table} WHERE workspace_id = $1 AND person_id > $2 AND person_id <= $3{more}"  # noqa: S608
    for table, columns, more in (
        ("attribution_touchpoint", "id, person_id, occurred_at, source_id", ""),
        (
            "attribution_conversion",
            "id, person_id, occurred_at, round(value * 100)::bigint",
            " AND is_counted",
        ),
    )
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    arguments.add_argument("--fresh", action="store_true")
    chosen = arguments.parse_args()
    with benchmark_database(name=NAME, keep=not chosen.fresh):
        for rows in chosen.rows:
            fill(rows)
    found = {}
    for rows in chosen.rows:
        print(f"{rows:,} touchpoints")
        found[rows] = elsewhere(_measured, rows)
    _compare(found)
    keep("attribution_ten_million", sizes={str(rows): facts for rows, facts in found.items()})


def _compare(found: dict[int, dict[str, Any]]) -> None:
    for rows, facts in found.items():
        print(
            f"{rows:>12,}: build {facts['build_cpu'] / rows * 1e6:6.2f} CPU s a million"
            f" ({facts['build_of_read']:.1f} x the bare read, {_times(facts['build_of_adbc'])} ADBC's),"
            f" peak {facts['build_peak_mb']:.0f} MB (limit {LIMIT_MB:,});"
            f" overview {facts['overview_ms']:.0f} ms ({facts['overview_ms'] / LIMIT_MS:.2f} x the limit),"
            f" batch {facts['batch_ms']:.0f} ms ({facts['batch_ms'] / LIMIT_MS:.2f} x);"
            f" {NEW_EVENTS:,} new events counted in {facts['catch_up_s']:.2f} CPU s,"
            f" first answer after them {facts['after_ms']:.0f} ms of CPU"
        )
    if len(found) > 1:
        least, most = min(found), max(found)
        ratio = found[most]["build_cpu"] / found[least]["build_cpu"] / (most / least)
        print(f"building {most / least:.0f} x the rows costs {ratio:.2f} x as much a row (1 is linear)")


def _times(ratio: float | None) -> str:
    return "not measured against" if ratio is None else f"{ratio:.1f} x"


def fill(rows: int) -> None:
    """Imports wait for Django's settings."""
    from django.db import connection, connections  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.attribution import sources  # noqa: PLC0415
    from apps.attribution.models import Touchpoint  # noqa: PLC0415
    from apps.attribution.sources import SourceKey  # noqa: PLC0415

    made = workspace(f"crowd-{rows}", now=END)
    with scoping.workspace(made):
        if Touchpoint.objects.exists():
            return
        started = time.perf_counter()
        keys = [
            SourceKey(f"channel_{place % 10}", f"platform_{place % 25}", f"campaign_{place}", "")
            for place in range(100)
        ]
        places = sorted(sources.ids(keys, labels={}).values())
        people = rows // TOUCHES_PER_PERSON
        params = {"workspace": made.pk, "end": END, "people": people, "source": places[0], "sources": 100}
        with _unchecked(connections["owner"]), connection.cursor() as cursor:
            cursor.execute(PEOPLE + " RETURNING id", params)
            params["first"] = min(id_ for (id_,) in cursor.fetchall())
            for after in range(0, rows, CHUNK):
                cursor.execute(TOUCHES, params | {"after": after, "rows": min(CHUNK, rows - after)})
            cursor.execute(CONVERSIONS, params)
        connections["owner"].close()
        with connections["owner"].cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) attribution_touchpoint, attribution_conversion, accounts_person")
        print(f"  {rows:,} touchpoints made in {time.perf_counter() - started:.0f} s")


class _unchecked:
    """Foreign keys are dropped while rows are made, and put back for new rows."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def __enter__(self) -> None:
        with self.owner.cursor() as cursor:
            cursor.execute(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE contype = 'f' AND conrelid IN ('attribution_touchpoint'::regclass,"
                " 'attribution_conversion'::regclass)"
            )
            self.dropped = cursor.fetchall()
            for table, name, _ in self.dropped:
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')

    def __exit__(self, *_: object) -> None:
        with self.owner.cursor() as cursor:
            for table, name, definition in self.dropped:
                cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition} NOT VALID')


def _measured(rows: int) -> dict[str, Any]:
    with benchmark_database(name=NAME):
        from django.conf import settings  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        from apps.accounts import scoping  # noqa: PLC0415

        settings.ALLOWED_HOSTS = ["testserver"]
        logging.disable(logging.WARNING)
        settings.ATTRIBUTION_INLINE_TOUCHES = 0
        settings.ATTRIBUTION_INLINE_PATHS = 10**9
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend = cursor.fetchone()[0]
        made = workspace(f"crowd-{rows}", now=END)
        with scoping.workspace(made):
            return _facts(made, Steps(server=lambda: cpu_of(backend)))


def _facts(made: Any, steps: Steps) -> dict[str, Any]:
    from apps.accounts.permissions import system  # noqa: PLC0415
    from apps.attribution import analysis, book_building, journey_books, loading  # noqa: PLC0415
    from apps.attribution.models import ModelRun, StalePerson  # noqa: PLC0415
    from apps.attribution.questions import Query, period  # noqa: PLC0415

    actor, now = system(made.pk), END
    start, end = period(made, END.date() - timedelta(days=90), END.date() - timedelta(days=1))
    query = Query(start=start, end=end)
    StalePerson.objects.all().delete()
    ModelRun.objects.all().delete()
    with steps.step("read all rows, a stretch of people at a time"):
        for after, through, _ in book_building.stretches():
            crowd = loading.between(after, through)
            loading.touches_of(crowd)
            loading.conversions(start=None, end=None, decimals=2, crowd=crowd)
    book = journey_books.open_(query.lens, workspace=made, now=now)
    journey_books.rebuild([book])
    with steps.step("build the journey book"):
        book = book_building.build(book, now=now)
    adbc = _read_by_adbc(made)
    with steps.step("answer 90 days, all models, from the book"):
        analysis.ask(actor, query, now=now)
    with steps.step("the same question again"):
        analysis.ask(actor, query, now=now)
    overview, batch = _asked_over_http(made, now, steps)
    new = _new_touches(made)
    with steps.step(f"store {NEW_EVENTS:,} new events in bulk"):
        _store(actor, new, now)
    with steps.step(f"count {NEW_EVENTS:,} new events"):
        while journey_books.catch_up():
            pass
    with steps.step("answer after them"):
        analysis.ask(actor, query, now=now)
    build, read = steps.done["build the journey book"], next(iter(steps.done.values()))
    return {
        "build_cpu": build.cpu,
        "build_wall": build.wall,
        "read_cpu": read.cpu,
        "build_of_read": build.cpu / read.cpu,
        "adbc_cpu": adbc,
        "build_of_adbc": build.cpu / adbc if adbc else None,
        "build_peak_mb": build.peak_mb,
        "overview_ms": overview,
        "batch_ms": batch,
        "catch_up_s": steps.done[f"count {NEW_EVENTS:,} new events"].cpu,
        "after_ms": steps.done["answer after them"].cpu * 1000,
        "steps": {name: vars(spent) for name, spent in steps.done.items()},
    }


def _read_by_adbc(made: Any) -> float | None:
    """CPU seconds, there and in the database; None where it could not be installed."""
    from django.db import connection  # noqa: PLC0415

    from apps.attribution import book_building  # noqa: PLC0415

    if not (ADBC / "bin" / "python").exists():
        uv = [sys.executable, "-m", "uv"]
        into = ["--python", str(ADBC / "bin" / "python"), "--require-hashes"]
        into += ["--requirement", str(PEERS / "adbc.txt")]
        subprocess.run([*uv, "venv", "--quiet", ADBC], check=True)  # noqa: S603 - our own command line
        subprocess.run([*uv, "pip", "install", "--quiet", *into], check=False)  # noqa: S603
    known = connection.connection.info
    whom = f"host={known.host}&port={known.port}&user={known.user}&password={known.password}"
    edges = [(after, through) for after, through, _ in book_building.stretches()]
    uri = f"postgresql:///{known.dbname}?{whom}"
    asked = {"uri": uri, "workspace": made.pk, "stretches": edges, "selects": READ}
    done = subprocess.run(  # noqa: S603
        [ADBC / "bin" / "python", PEERS / "read_adbc.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"  ADBC was left out: {done.stderr.strip().splitlines()[-1:]}")
        return None
    told, *_, found = done.stdout.splitlines()
    print(told)
    return float(json.loads(found)["client"] + json.loads(found)["server"])


def _asked_over_http(made: Any, now: datetime, steps: Steps) -> tuple[float, float]:
    """CPU milliseconds, here and in the database, of the overview page and of a batch analysis of 90 days."""
    from django.test import Client  # noqa: PLC0415
    from rest_framework.test import APIClient  # noqa: PLC0415

    from apps.accounts import api_keys  # noqa: PLC0415
    from apps.accounts.models import Membership, User  # noqa: PLC0415
    from apps.accounts.permissions import system  # noqa: PLC0415

    user = User.objects.filter(email=f"{made.slug}@example.com").first() or User.objects.create_user(
        email=f"{made.slug}@example.com"
    )
    Membership.objects.get_or_create(workspace=made, user=user, defaults={"role": "owner"})
    page, api = Client(), APIClient()
    page.force_login(user)
    secret = api_keys.issue(system(made.pk), name="bench", scopes=["admin"], now=now).secret
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    first, last = END.date() - timedelta(days=90), END.date() - timedelta(days=1)
    address = f"/attribution/?since={first}&until={last}"
    gc.collect()
    gc.freeze()  # as the server does when it starts (apps/attribution/door/commit.py)
    body = {"from": first.isoformat(), "to": last.isoformat(), "model_type": "all"}
    return (
        _middle("overview page", lambda: page.get(address), steps.server),
        _middle(
            "analyze/batch",
            lambda: api.post("/api/v1/attribution/analyze/batch", body, format="json"),
            steps.server,
        ),
    )


def _middle(name: str, ask: Any, server: Any) -> float:
    """CPU milliseconds: the middle request's here, with the mean in the database, whose clock is coarse."""
    first, *_ = [_once(name, ask) for _ in range(WARM_UP)]
    before = server()
    taken = [_once(name, ask) for _ in range(ASKED)]
    in_database = (server() - before) * 1000 / ASKED
    wall, here = (statistics.median(column) for column in zip(*taken, strict=True))
    cpu = here + in_database
    print(
        f"  {name:<46}p50 of {ASKED}: {cpu:.1f} ms CPU ({here:.1f} here, {in_database:.1f} in the server),"
        f" {cpu / LIMIT_MS:.2f} x the limit of {LIMIT_MS} ms;"
        f" {wall:.1f} ms wall; the first {first[0]:.0f} ms",
        flush=True,
    )
    return float(cpu)


def _once(name: str, ask: Any) -> tuple[float, float]:
    """Milliseconds by the clock and of CPU here."""
    started, before = time.perf_counter(), time.process_time()
    answer = ask()
    spent = (time.perf_counter() - started) * 1000, (time.process_time() - before) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{name}: {answer.status_code} {answer.content[:300]!r}")
    return spent


def _new_touches(made: Any) -> list[Any]:
    """Half of people who are known, half of new ones, of the last day."""
    from apps.accounts.models import Person  # noqa: PLC0415
    from apps.attribution.records import Touch  # noqa: PLC0415

    stamp = time.time_ns()
    half = NEW_EVENTS // 2
    with_id = Person.objects.filter(external_id__startswith="known-").count()
    if with_id < half:
        some = list(Person.objects.filter(external_id=None).order_by("public_id")[:half])
        for place, person in enumerate(some):
            person.external_id = f"known-{place}"
        Person.objects.bulk_update(some, ["external_id"], batch_size=1_000)
    return [
        Touch(
            event_id=f"new-{stamp}-{place}",
            event_type="click",
            occurred_at=END - timedelta(seconds=8 * place),
            received_at=END,
            user_id=f"known-{place}" if place < half else None,
            anonymous_id=None if place < half else f"new-{stamp}-{place}",
            channel=f"channel_{place % 10}",
            platform=f"platform_{place % 25}",
            campaign_id=f"campaign_{place % 100}",
        )
        for place in range(NEW_EVENTS)
    ]


def _store(actor: Any, new: list[Any], now: datetime) -> None:
    from apps.attribution import ingest  # noqa: PLC0415

    for start in range(0, len(new), 1_000):
        ingest.track_events(actor, new[start : start + 1_000], now=now)


if __name__ == "__main__":
    main()
