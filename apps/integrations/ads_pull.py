"""Campaigns and daily figures, read from each connected ad account by beat; less often, also their groups,
ads and segments.

Figures of recent days still change, so each pull goes back as far as the platform says and writes what
differs. A pull that fails leaves what was read before, and says so on the connection. What is read of ads and
segments never holds up the figures of campaigns.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial

import structlog
from celery import shared_task
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.tasks_base import workspace_task
from apps.integrations import ad_rows, errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import AdPlatform, Dimension
from apps.integrations.events import AdFiguresRead
from apps.integrations.models import AdCreativeDay, AdDay, AdGroup, Connection
from apps.integrations.resilience.lanes import Lane
from apps.integrations.services import Family

log = structlog.get_logger(__name__)

# The first pull of an account goes back so far; of segments, which are many, each pull goes back the same.
FIRST_PULL_DAYS = 90
SEGMENT_DAYS = 28
PARTS_EVERY = timedelta(hours=3)
Part = tuple[str, Callable[[], int]]


@shared_task(name="integrations.ads_pull.sweep")
def sweep() -> int:
    """Start a pull of every ad account that is connected."""
    keys = [one.key for one in services.of_family(Family.ADS)]
    with scoping.across_workspaces("connections.sweep"):
        usable = Connection.objects.filter(service__in=keys, state=Connection.State.CONNECTED)
        found = list(usable.values_list("workspace_id", "pk"))
    for workspace_id, connection_id in found:
        pull.delay(workspace_id=workspace_id, connection_id=connection_id)
    return len(found)


@workspace_task(name="integrations.ads_pull.pull")
def pull(*, connection_id: int) -> int:
    """Read one account, and start reading its parts where they are due. Returns the number of days' figures
    read. Raises errors.ServiceError.
    """
    connection = Connection.objects.get(pk=connection_id)
    platform = platforms.of(Client(connection, lane=Lane.MARKETING))
    now = timezone.now()
    ad_rows.keep_campaigns(connection, platform.campaigns(), now=now)
    known = AdDay.objects.filter(campaign__connection=connection).exists()
    since = _since(now, platform.reread_days if known else FIRST_PULL_DAYS)
    kept = _keep_figures(connection, platform, since=since, now=now)
    if platform.dimensions and _parts_are_due(connection, now):
        pull_parts.delay(workspace_id=connection.workspace_id, connection_id=connection_id)
    return kept


@workspace_task(name="integrations.ads_pull.pull_parts")
def pull_parts(*, connection_id: int) -> int:
    """Read an account's groups, ads and segments. Returns how many of these parts could be read: one that
    the platform refuses keeps none of the others, one that cannot be had now ends it until the next time.
    """
    connection = Connection.objects.get(pk=connection_id)
    read = 0
    for name, part in _parts(connection, platforms.of(Client(connection)), now=timezone.now()):
        try:
            part()
            read += 1
        except errors.Refused as error:
            log.warning("ads_pull.part_refused", connection=connection_id, part=name, reason=error.detail)
        except errors.Unavailable as error:
            log.warning("ads_pull.part_put_off", connection=connection_id, part=name, reason=error.detail)
            break
    return read


def _parts(connection: Connection, platform: AdPlatform, *, now: datetime) -> Iterator[Part]:
    """What there is to read, in the order in which one needs the other."""
    until = now.date()
    known = AdCreativeDay.objects.filter(creative__campaign__connection=connection).exists()
    since = _since(now, platform.reread_days if known else FIRST_PULL_DAYS)
    yield "groups", lambda: ad_rows.keep_groups(connection, platform.groups(), now=now)
    yield "creatives", lambda: ad_rows.keep_creatives(connection, platform.creatives(), now=now)
    yield (
        "creative figures",
        lambda: ad_rows.keep_creative_days(connection, platform.creative_figures(since, until), now=now),
    )
    for dimension in sorted(platform.dimensions):
        yield dimension, partial(_keep_segments, connection, platform, dimension, now=now)


def _keep_segments(
    connection: Connection, platform: AdPlatform, dimension: Dimension, *, now: datetime
) -> int:
    days = platform.segment_figures(_since(now, SEGMENT_DAYS), now.date(), dimension)
    return ad_rows.keep_segment_days(connection, days, now=now)


@transaction.atomic
def _keep_figures(connection: Connection, platform: AdPlatform, *, since: date, now: datetime) -> int:
    kept = ad_rows.keep_days(connection, platform.figures(since, now.date()), now=now)
    event = AdFiguresRead(
        workspace_id=connection.workspace_id, connection_id=connection.pk, since=since.isoformat()
    )
    events.publish(event)
    return kept


def _parts_are_due(connection: Connection, now: datetime) -> bool:
    groups = AdGroup.objects.filter(campaign__connection=connection)
    read_at = groups.aggregate(at=Max("read_at"))["at"]
    return read_at is None or now - read_at >= PARTS_EVERY


def _since(now: datetime, days: int) -> date:
    return now.date() - timedelta(days=days)
