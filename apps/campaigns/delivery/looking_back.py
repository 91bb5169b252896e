"""A cap that is set today counts what has left before it as well: else everybody could have it once more."""

from datetime import datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.tasks_base import workspace_task
from apps.campaigns.delivery import limits
from apps.campaigns.models import SendRun, Topic

THROUGH = """
    SELECT max(person_id) FROM (
        SELECT person_id FROM campaigns_recipient
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND campaign_id = %(campaign)s
          AND person_id > %(after)s
        ORDER BY person_id LIMIT %(step)s) AS next
"""
# Marked as whoever counts at sending does, so that none is counted twice.
COUNT = """
    WITH earlier AS (
        SELECT id, person_id, (settled_at AT TIME ZONE %(zone)s)::date AS day FROM campaigns_recipient
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND campaign_id = %(campaign)s
          AND person_id > %(after)s AND person_id <= %(through)s
          AND state IN ('sent', 'uncertain') AND NOT is_counted AND settled_at >= %(since)s
    ), counted AS (
        INSERT INTO campaigns_personday AS kept (workspace_id, person_id, day, messages)
        SELECT (SELECT %(workspace)s::bigint), person_id, day, count(*) FROM earlier
        GROUP BY person_id, day ORDER BY person_id, day
        ON CONFLICT (workspace_id, person_id, day) DO UPDATE SET messages = kept.messages + excluded.messages
        RETURNING id
    )
    UPDATE campaigns_recipient AS r SET is_counted = true, counted_on = earlier.day
    FROM earlier
    WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = earlier.id
      AND (SELECT count(*) FROM counted) > 0
"""


@workspace_task(name="campaigns.delivery.look_back")
def look_back(*, step: int = 5_000) -> int:
    """Count it for all days that the cap reaches back, some people at a time. How many messages were counted.

    Again, or by two workers at once, it counts nothing twice.
    """
    workspace, now = Workspace.objects.get(pk=scoping.current_id()), timezone.now()
    settings = limits.of_workspace(workspace, now=now)
    if settings.cap is None:
        return 0
    first = settings.zone_day - timedelta(days=settings.cap[1] - 1)
    since = datetime.combine(first, time.min, tzinfo=workspace.zone)
    return sum(_of_run(run, zone=workspace.time_zone, since=since, step=step) for run in _since(since))


def _since(since: datetime) -> list[SendRun]:
    """Runs that a cap holds for and that may have sent since then."""
    running = Q(finished_at__isnull=True) | Q(finished_at__gte=since)
    return list(SendRun.objects.filter(running).exclude(campaign__topic__basis=Topic.Basis.SERVICE))


def _of_run(run: SendRun, **told: Any) -> int:
    number, params = 0, told | {"workspace": run.workspace_id, "campaign": run.campaign_id, "after": 0}
    while (found := _some(run, params)) is not None:
        params["after"], counted = found
        number += counted
    return number


@transaction.atomic
def _some(run: SendRun, params: dict[str, Any]) -> tuple[int, int] | None:
    """Through whom it came, and how many were counted; None: there is nobody left. Under the run's lock, so
    that another worker does not count them at the same time.
    """
    if not SendRun.objects.select_for_update(no_key=True).filter(pk=run.pk).exists():
        return None
    with connection.cursor() as cursor:
        cursor.execute(THROUGH, params)
        [through] = cursor.fetchone()
        if through is None:
            return None
        cursor.execute(COUNT, params | {"through": through})
        return through, cursor.rowcount
