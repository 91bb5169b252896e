"""What the clock brings: every ten seconds, a task for each workspace in which somebody's time has come."""

from datetime import datetime

from celery import shared_task
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.tasks_base import workspace_task
from apps.campaigns import flags
from apps.campaigns.journeys import arrivals, hearing, moving, sources, streams
from apps.campaigns.models import Journey

# One probe of an index per journey, however many people wait.
DUE = """
    SELECT j.{column} FROM campaigns_journey AS j
    WHERE j.state = 'live' AND {scope} AND EXISTS (
        SELECT 1 FROM campaigns_journeyrun AS r
        WHERE r.workspace_id = j.workspace_id AND r.journey_id = j.id AND r.is_open AND r.due_at <= %s)
    ORDER BY 1
"""


@shared_task(name="campaigns.journeys.sweep")
def sweep() -> int:
    """Start a tick in each workspace with people due, tables to read or audiences to look at."""
    now = timezone.now()
    with scoping.across_workspaces("journeys.sweep"):
        found = set(_due("workspace_id", "TRUE", [], now))
        waiting = Q(looked_at=None) | Q(looked_at__lte=now - arrivals.LOOKS_EVERY)
        live = Journey.objects.filter(state=Journey.State.LIVE)
        found |= set(live.filter(waiting).values_list("workspace_id", flat=True))
        found |= set(_reading())
        found |= set(hearing.new_versions(now=now).values_list("workspace_id", flat=True))
    for workspace_id in sorted(found):
        tick.delay(workspace_id=workspace_id)
    return len(found)


@workspace_task(name="campaigns.journeys.tick")
def tick() -> int:
    """Read what is new, let people in, and move whoever is due. Two at once share the work."""
    now = timezone.now()
    streams.read_all(now=now)
    hearing.hear_missed(now=now)
    if not flags.is_on(flags.JOURNEYS, scoping.current_id()):
        return 0  # what is heard is kept for those in flight
    for journey in Journey.objects.filter(state=Journey.State.LIVE).order_by("pk"):
        if arrivals.is_due(journey, now=now):
            arrivals.look(journey.pk, now=now)
    moved = 0
    for journey_id in _due("id", "j.workspace_id = (SELECT %s::bigint)", [scoping.current_id()], now):
        moved += moving.move_due(journey_id, now=timezone.now())
    return moved


def _due(column: str, scope: str, given: list[int], now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(DUE.format(column=column, scope=scope), [*given, now])
        return list(dict.fromkeys(int(row[0]) for row in cursor.fetchall()))


def _reading() -> list[int]:
    """Workspaces in which a journey listens to a source that is read from a table."""
    tables = [source.key for source in sources.streams()]
    versions = hearing.versions_at_work().filter(listens__overlap=tables)
    return list(versions.order_by().values_list("workspace_id", flat=True).distinct())
