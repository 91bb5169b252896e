"""The books of the doors: accepted = stored + duplicates + dead-lettered, by day, in the storing transaction.

A record is accepted once its sender can no longer be told that it was refused. A day is one of UTC, of the
moment when the record was received.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import structlog
from celery import shared_task
from django.db import connection, transaction
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.accounts import metrics, scoping
from apps.accounts.tasks_base import workspace_task
from apps.attribution.models import DeadLetter, IntakeCount, NightCheck

log = structlog.get_logger(__name__)

COUNTS = ("accepted", "stored", "duplicates", "dead_lettered")
ADD = """
    INSERT INTO attribution_intakecount
        (workspace_id, day, door, accepted, stored, duplicates, dead_lettered, is_folded)
    VALUES (%s, %s, %s, %s, %s, %s, %s, false)
"""
# Whoever deletes a row is the one who sums it: two that fold at once share the rows between them.
FOLD = """
    WITH gone AS (
        DELETE FROM attribution_intakecount
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND day IN (
            SELECT DISTINCT day FROM attribution_intakecount
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND NOT is_folded
        ) RETURNING day, door, accepted, stored, duplicates, dead_lettered
    )
    INSERT INTO attribution_intakecount
        (workspace_id, day, door, accepted, stored, duplicates, dead_lettered, is_folded)
    SELECT %(workspace)s, day, door, sum(accepted), sum(stored), sum(duplicates), sum(dead_lettered), true
    FROM gone GROUP BY day, door
"""


@dataclass(frozen=True, kw_only=True)
class DoorDay:
    """What came in by a door on a day. letters: how many dead letters of that day and door there are."""

    day: date
    door: str
    accepted: int
    stored: int
    duplicates: int
    dead_lettered: int
    letters: dict[str, int] = field(default_factory=dict)

    @property
    def unaccounted(self) -> int:
        """Accepted and neither stored, nor known already, nor in a dead letter that is there. Should be 0."""
        return self.accepted - self.stored - self.duplicates - sum(self.letters.values())

    @property
    def balances(self) -> bool:
        return self.unaccounted == 0 and self.dead_lettered == sum(self.letters.values())


def count(
    door: str, *, at: datetime, accepted: int, stored: int = 0, duplicates: int = 0, dead_lettered: int = 0
) -> None:
    """Enter what a transaction took in, inside that transaction."""
    if not accepted:
        return
    values: list[Any] = [scoping.current_id(), at.date(), door, accepted, stored, duplicates, dead_lettered]
    with connection.cursor() as cursor:
        cursor.execute(ADD, values)


def door_days(*, since: date) -> list[DoorDay]:
    """Each day and door from `since` on, newest first."""
    letters = _letters(since)
    rows = IntakeCount.objects.filter(day__gte=since).values("day", "door").order_by("-day", "door")
    summed = {(row["day"], row["door"]): row for row in rows.annotate(**{name: Sum(name) for name in COUNTS})}
    return [
        DoorDay(
            day=day,
            door=door,
            **{name: summed.get((day, door), {}).get(name, 0) for name in COUNTS},
            letters=letters.get((day, door), {}),
        )
        for day, door in sorted(summed.keys() | letters.keys(), key=lambda key: (-key[0].toordinal(), key[1]))
    ]


def _letters(since: date) -> dict[tuple[date, str], dict[str, int]]:
    """Dead letters by day and door, and there by reason; those that a dry run found were never accepted."""
    rows = (
        DeadLetter.objects.exclude(state=DeadLetter.State.FOUND_BY_CHECK)
        .annotate(day=TruncDate("received_at", tzinfo=UTC))
        .filter(day__gte=since)
        .values_list("day", "door", "reason")
        .annotate(Count("pk"))
        .order_by()
    )
    found: dict[tuple[date, str], dict[str, int]] = defaultdict(dict)
    for day, door, reason, number in rows:
        found[(day, door)][reason] = number
    return found


@shared_task(name="attribution.intake.fold_all")
def fold_all() -> None:
    """Fold the books of each workspace that has entries of single transactions."""
    with scoping.across_workspaces("intake.fold"):
        open_books = list(
            IntakeCount.objects.filter(is_folded=False).values_list("workspace_id", flat=True).distinct()
        )
    for workspace_id in open_books:
        fold.delay(workspace_id=workspace_id)


@workspace_task(name="attribution.intake.fold")
@transaction.atomic
def fold() -> int:
    """One row for each day and door in place of one for each transaction. Answers how many rows there are."""
    with connection.cursor() as cursor:
        cursor.execute(FOLD, {"workspace": scoping.current_id()})
        return cursor.rowcount


class Intake(Collector):
    """The books of all workspaces together, as Prometheus reads them."""

    def collect(self) -> Iterator[Metric]:
        with scoping.across_workspaces("health.read"):
            sums = {str(row["door"]): row for row in _sums_by_door()}
            letters = DeadLetter.objects.exclude(state=DeadLetter.State.FOUND_BY_CHECK)
            differing = sum(map(len, NightCheck.objects.values_list("findings", flat=True)))
            by_reason = list(letters.values_list("reason", "state").annotate(Count("pk")).order_by())
        taken = CounterMetricFamily(
            "bellwether_intake_records",
            "Records taken in, by what became of them.",
            labels=["door", "outcome"],
        )
        for door, row in sums.items():
            for name in COUNTS:
                taken.add_metric([str(door), name], row[name])
        yield taken
        waiting = GaugeMetricFamily(
            "bellwether_dead_letters", "Dead letters by reason and state.", labels=["reason", "state"]
        )
        for reason, state, number in by_reason:
            waiting.add_metric([reason, state], number)
        yield waiting
        accepted, told = (
            sum(row["accepted"] for row in sums.values()),
            sum(row["stored"] + row["duplicates"] for row in sums.values()),
        )
        yield GaugeMetricFamily(
            "bellwether_night_check_findings",
            "What the last nightly looks found missing or different: 0 unless something is wrong.",
            value=differing,
        )
        yield GaugeMetricFamily(
            "bellwether_intake_unaccounted",
            "Accepted less stored, duplicates and dead letters: 0 unless something was lost.",
            value=accepted - told - sum(number for *_, number in by_reason),
        )


def _sums_by_door() -> Iterator[dict[str, Any]]:
    yield from IntakeCount.objects.order_by().values("door").annotate(**{name: Sum(name) for name in COUNTS})


metrics.collect_also(Intake())
