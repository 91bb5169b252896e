"""Claim: engagement is kept at 20,000 events a second and more, each once, counted in the same transaction.

    PYTHONPATH=. .venv/bin/python benchmarks/engagement.py [--events 200000] [--batch 10000] [--people 50000]

Opens and clicks of the messages of one campaign, in the random order of time, told in batches to
engagement.record: whose each is, what was known before, which is the first of its person, duplicates left
out, row-level security and foreign keys checked, and the roll-ups of the hour. In each round, on the same
rows: a bare INSERT of the finished rows and a COPY of them, into tables with the same columns and indexes, as
the owner, one batch a transaction. And what a chunk of 500 people costs reach.against.
"""

import argparse
import io
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import exact_cpu_of, keep

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEAST_EVENTS_A_SECOND = 20_000
CHUNK = 500
COLUMNS = (
    "id, workspace_id, campaign_id, recipient_id, person_id, content_id, kind, event_id, link, is_machine,"
    " reason, is_first, occurred_at, received_at, told_at"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--people", type=int, default=50_000)
    given = parser.parse_args()
    with benchmark_database(name="bench_engagement", keep=False):
        _measure(given)


def _measure(given: argparse.Namespace) -> None:
    from django.db import connections  # noqa: PLC0415 - Django is set up by then

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.campaigns.engagement import record  # noqa: PLC0415

    made = workspace(f"engagement-{time.time_ns()}", now=NOW)
    application, owner = connections["default"], connections["owner"]
    with scoping.workspace(made):
        recipients, campaign = _crowd(made, given.people)
        batches = _batches(recipients, given.events, given.batch)
        record(batches[0][:100], now=NOW)
        _bare_tables(owner)
        ours, bare, copied = [], [], []
        backend, owners = _backend(application), _backend(owner)
        for batch in batches:
            ours.append(_spent(lambda batch=batch: record(batch, now=NOW), backend))
            ids = [one.event_id for one in batch]
            bare.append(_spent(lambda ids=ids: _insert(owner, ids), owners))
            rows = _exported(owner, ids)
            copied.append(_spent(lambda rows=rows: _copy(owner, rows), owners))
        _assert_counts(given.events)
        reach_ms = _reach(campaign, recipients)
    _tell(given, ours, bare, copied, reach_ms)


def _tell(given: argparse.Namespace, ours: Any, bare: Any, copied: Any, reach_ms: dict[str, float]) -> None:
    size = given.batch
    wall, cpu = _median(ours)
    figures = {
        "events_a_second": size / wall,
        "events_a_second_of_cpu": size / cpu,
        "microseconds_of_cpu": cpu / size * 1e6,
        "times_bare_insert": wall / _median(bare)[0],
        "times_copy": wall / _median(copied)[0],
        "cpu_times_bare_insert": cpu / _median(bare)[1],
        "cpu_times_copy": cpu / _median(copied)[1],
        **reach_ms,
    }
    for name, value in figures.items():
        print(f"  {name:<28}{value:14,.2f}")
    keep("engagement", **vars(given), **figures)
    assert figures["events_a_second_of_cpu"] >= LEAST_EVENTS_A_SECOND


def _spent(deed: Any, backend: int) -> tuple[float, float]:
    """Wall and CPU seconds, here and in the server."""
    wall, cpu = time.perf_counter(), time.process_time() + exact_cpu_of(backend)
    deed()
    return time.perf_counter() - wall, time.process_time() + exact_cpu_of(backend) - cpu


def _median(spent: list[tuple[float, float]]) -> tuple[float, float]:
    walls, cpus = zip(*spent, strict=True)
    return statistics.median(walls), statistics.median(cpus)


def _backend(database: Any) -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _crowd(made: Any, people: int) -> tuple[list[tuple[int, int]], Any]:
    """(recipient, person) of a message each. Every tenth unsubscribed, every hundredth bounced."""
    from django.db import connection, transaction  # noqa: PLC0415 - Django is set up by then

    from apps.campaigns.models import Campaign, Content, Topic  # noqa: PLC0415

    topic = Topic.objects.create(workspace=made, key="news", name="News")
    campaign = Campaign.objects.create(
        workspace=made, name="Spring", state="running", topic=topic, changed_at=NOW, launched_at=NOW
    )
    content = Content.objects.create(
        workspace=made, campaign=campaign, key="a", position=0, subject="x", body="x", changed_at=NOW
    )
    of = [made.pk, campaign.pk, content.pk]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_person (workspace_id, public_id, external_id, email_index, traits)"
            " SELECT %s, gen_random_uuid(), 'p' || n, decode(md5(n::text), 'hex'), '{}'"
            " FROM generate_series(1, %s) AS n",
            [made.pk, people],
        )
        cursor.execute(
            "INSERT INTO accounts_consentrecord"
            " (workspace_id, person_id, purpose, is_granted, source, wording, occurred_at)"
            " SELECT workspace_id, id, 'news', id %% 10 > 0, 'x', '', %s FROM accounts_person",
            [NOW],
        )
        cursor.execute(
            "INSERT INTO integrations_suppression (workspace_id, address_index, reason, told_by, since)"
            " SELECT workspace_id, email_index, 'bounced', 'x', %s FROM accounts_person WHERE id %% 100 = 7",
            [NOW],
        )
        cursor.execute(
            "INSERT INTO campaigns_recipient (workspace_id, campaign_id, person_id, content_id, occurrence,"
            " chunk, state, reason) SELECT %s, %s, id, %s, '', 0, 'sent', '' FROM accounts_person"
            " RETURNING id, person_id",
            of,
        )
        found = cursor.fetchall()
    for table in ("accounts_person", "campaigns_recipient", "accounts_consentrecord"):
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {table}")
    return found, campaign


def _batches(recipients: list[tuple[int, int]], events: int, size: int) -> list[list[Any]]:
    from apps.campaigns.engagement import Heard  # noqa: PLC0415 - Django is set up by then

    rng = np.random.default_rng(1)
    who = rng.integers(0, len(recipients), events).tolist()
    seconds = np.sort(rng.integers(0, 6 * 3600, events)).tolist()
    kinds = np.where(rng.random(events) < 0.3, "clicked", "opened").tolist()
    links = rng.integers(1, 12, events).tolist()
    is_machine = (rng.random(events) < 0.2).tolist()
    heard = [
        Heard(
            recipients[who[n]][0],
            kinds[n],
            f"{kinds[n]}:{recipients[who[n]][0]}:{n}",
            NOW + timedelta(seconds=seconds[n]),
            links[n] if kinds[n] == "clicked" else None,
            "scanner" if is_machine[n] else "",
        )
        for n in range(events)
    ]
    return [heard[start : start + size] for start in range(0, events, size)]


def _bare_tables(owner: Any) -> None:
    with owner.cursor() as cursor:
        for name in ("bare_insert", "bare_copy"):
            cursor.execute(f"CREATE TABLE {name} (LIKE campaigns_engagement INCLUDING ALL)")


def _insert(owner: Any, ids: list[str]) -> None:
    with owner.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO bare_insert ({COLUMNS}) SELECT {COLUMNS} FROM campaigns_engagement"  # noqa: S608
            " WHERE event_id = ANY(%s)",
            [ids],
        )


def _exported(owner: Any, ids: list[str]) -> bytes:
    """The finished rows as COPY's text."""
    written = io.BytesIO()
    with (
        owner.cursor() as cursor,
        cursor.copy(
            f"COPY (SELECT {COLUMNS} FROM campaigns_engagement WHERE event_id = ANY(%s)) TO STDOUT",  # noqa: S608
            [ids],
        ) as copy,
    ):
        for part in copy:
            written.write(part)
    return written.getvalue()


def _copy(owner: Any, rows: bytes) -> None:
    with owner.cursor() as cursor, cursor.copy(f"COPY bare_copy ({COLUMNS}) FROM STDIN") as copy:
        copy.write(rows)


def _assert_counts(events: int) -> None:
    from django.db.models import Sum  # noqa: PLC0415 - Django is set up by then

    from apps.campaigns.models import Engagement, EngagementCount  # noqa: PLC0415

    rows = Engagement.objects.count()
    found = EngagementCount.objects.aggregate(
        human=Sum("events"), machine=Sum("machine"), people=Sum("people")
    )
    assert found["human"] + found["machine"] == rows <= events
    assert found["people"] == Engagement.objects.filter(is_first=True).count()


def _reach(campaign: Any, recipients: list[tuple[int, int]]) -> dict[str, float]:
    """Milliseconds for 500 people: plain; with an operator's list, marks made; with a wish each."""
    from apps.campaigns import reach  # noqa: PLC0415 - Django is set up by then
    from apps.campaigns.models import AddressMark, EverywhereSuppression, FrequencyWish  # noqa: PLC0415

    people = [person for _, person in recipients[:CHUNK]]

    def milliseconds() -> float:
        took = []
        for _ in range(20):
            began = time.perf_counter()
            found = reach.against(campaign, people, now=NOW)
            took.append(time.perf_counter() - began)
        assert CHUNK / 12 < len(found) < CHUNK or len(found) == CHUNK
        return statistics.median(took) * 1000

    figures = {"reach_ms_per_500": milliseconds()}
    from apps.accounts.models import Person  # noqa: PLC0415

    EverywhereSuppression.objects.bulk_create(
        EverywhereSuppression(address_index=uuid4().bytes, reason="reported", since=NOW)
        for _ in range(10_000)
    )
    AddressMark.objects.bulk_create(
        AddressMark(
            workspace_id=one.workspace_id, address_index=one.email_index, everywhere_index=uuid4().bytes
        )
        for one in Person.objects.filter(pk__in=people)
    )
    figures["reach_ms_per_500_listed"] = milliseconds()
    FrequencyWish.objects.bulk_create(
        FrequencyWish(
            workspace_id=campaign.workspace_id, person_id=one, frequency="weekly", source="x", occurred_at=NOW
        )
        for one in people
    )
    figures["reach_ms_per_500_wishing"] = milliseconds()
    return figures


if __name__ == "__main__":
    main()
