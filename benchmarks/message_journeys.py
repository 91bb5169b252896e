"""Claims: 100,000 people who wait cost a sweep nothing, and moving them costs little beside writing it down.

    PYTHONPATH=. .venv/bin/python benchmarks/message_journeys.py [--people 100000] [--moving 20000]

The limit, in the same run: the rows of the same moves (the move, the run's new place, the task, the count)
written by plain statements, 500 people at a time, with no engine that decides anything.
"""

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import keep

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BATCH = 500
PEOPLE = """
    INSERT INTO accounts_person (workspace_id, public_id, external_id, traits)
    SELECT %s, gen_random_uuid(), 'bench-' || n, '{}' FROM generate_series(1, %s) AS n RETURNING id
"""
PLAIN_MOVES = """
    INSERT INTO campaigns_journeymove
        (workspace_id, run_id, journey_id, version, number, step, way, because, at)
    SELECT workspace_id, id, journey_id, version, 100 + %s, step, 'then', '', now()
    FROM campaigns_journeyrun WHERE workspace_id = %s AND id = ANY(%s)
"""
PLAIN_TASKS = """
    INSERT INTO campaigns_journeytask
        (workspace_id, public_id, run_id, journey_id, person_id, number, step, title, note, due_at, state,
         settled_by, created_at)
    SELECT workspace_id, gen_random_uuid(), id, journey_id, person_id, 100, step, 'Call', '', now(), 'open',
           '', now()
    FROM campaigns_journeyrun WHERE workspace_id = %s AND id = ANY(%s)
"""
PLAIN_RUNS = """
    UPDATE campaigns_journeyrun SET moves = moves + 2, due_at = due_at + interval '1 second'
    WHERE workspace_id = %s AND id = ANY(%s)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=100_000)
    arguments.add_argument("--moving", type=int, default=20_000)
    asked = arguments.parse_args()
    logging.disable()
    with benchmark_database(name="bench_message_journeys", keep=False):
        from apps.accounts import scoping  # noqa: PLC0415 - Django is set up by then

        place = workspace("journeys", now=NOW)
        with scoping.workspace(place):
            figures = _measure(place, asked.people, asked.moving)
    print(
        f"{figures['entered_per_second']:,} people a second enter; with {asked.people:,} waiting and nobody"
        f" due a sweep takes {figures['sweep_with_nobody_due_ms']:.2f} ms"
    )
    print(
        f"{figures['moves_per_second']:,} moves a second: {1 / figures['ratio_to_plain']:.2f} times as long"
        f" as the plain statements ({figures['plain_moves_per_second']:,})"
    )
    keep(f"message_journeys-{asked.people}", **figures)


def _measure(place: Any, people: int, moving: int) -> dict[str, Any]:
    from apps.campaigns.journeys import moving as engine  # noqa: PLC0415
    from apps.campaigns.journeys import sweep  # noqa: PLC0415

    journey, ids = _journey(place, people), _people(place, people)
    entering = _timed(lambda: _enter(journey, ids))
    first = _timed(lambda: engine.move_due(journey.pk, now=NOW, most=10 * people))
    idle = statistics.median(
        _timed(lambda: sweep._due("id", "j.workspace_id = (SELECT %s::bigint)", [place.pk], NOW))
        for _ in range(20)
    )
    due = _make_due(place, moving)
    took = _timed(lambda: engine.move_due(journey.pk, now=NOW + timedelta(days=1, minutes=1), most=moving))
    plain = _timed(lambda: _plainly(place, due))
    # Each goes from the wait to the task and from the task to the next wait.
    return {
        "waiting": people,
        "entered_per_second": round(people / entering),
        "first_taken_up_per_second": round(people / first),
        "sweep_with_nobody_due_ms": round(1_000 * idle, 2),
        "moves_per_second": round(2 * moving / took),
        "plain_moves_per_second": round(2 * moving / plain),
        "ratio_to_plain": round(plain / took, 3),
    }


def _timed(deed: Callable[[], Any]) -> float:
    began = time.perf_counter()
    deed()
    return time.perf_counter() - began


def _journey(place: Any, people: int) -> Any:
    from apps.accounts.permissions import system  # noqa: PLC0415
    from apps.campaigns.journeys import drafts, graph  # noqa: PLC0415

    steps = {
        "wait": {"kind": "wait", "days": 1, "next": "call"},
        "call": {"kind": "task", "title": "Call", "next": "rest"},
        "rest": {"kind": "wait", "days": 30, "next": ""},
    }
    draft = graph.EMPTY | {"entries": [{"kind": "api"}], "first": "wait", "steps": steps}
    actor = system(place.pk)
    made = drafts.create(actor, name="Road", draft=draft, entries_a_day=people, now=NOW)
    drafts.publish(actor, made, now=NOW)
    return made


def _people(place: Any, people: int) -> list[int]:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, [place.pk, people])
        found = [pk for (pk,) in cursor.fetchall()]
        cursor.execute("ANALYZE accounts_person")
    return found


def _enter(journey: Any, ids: list[int]) -> None:
    from apps.campaigns.journeys import entering  # noqa: PLC0415
    from apps.campaigns.journeys.sources import Happening  # noqa: PLC0415

    for start in range(0, len(ids), 2_000):
        part = [
            Happening(person_id=one, cause="api:1", occurred_at=NOW) for one in ids[start : start + 2_000]
        ]
        entering.enter(journey.pk, part, now=NOW, is_asked=True)


def _make_due(place: Any, moving: int) -> list[int]:
    """All others wait on: only these are moved and measured."""
    from apps.campaigns.models import JourneyRun  # noqa: PLC0415

    due = list(JourneyRun.objects.order_by("pk").values_list("pk", flat=True)[:moving])
    later = NOW + timedelta(days=20)
    JourneyRun.objects.exclude(pk__in=due).update(due_at=later, until=later)
    return due


def _plainly(place: Any, due: list[int]) -> None:
    from django.db import connection, transaction  # noqa: PLC0415

    for start in range(0, len(due), BATCH):
        part = due[start : start + BATCH]
        with transaction.atomic(), connection.cursor() as cursor:
            for number in (1, 2):
                cursor.execute(PLAIN_MOVES, [number, place.pk, part])
            cursor.execute(PLAIN_TASKS, [place.pk, part])
            cursor.execute(PLAIN_RUNS, [place.pk, part])


if __name__ == "__main__":
    main()
