"""Campaigns and daily figures, read from each connected ad account by beat.

Figures of recent days still change, so each pull goes back as far as the platform says and writes what
differs. A pull that fails leaves what was read before, and says so on the connection.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.tasks_base import workspace_task
from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import Campaign, DayFigures
from apps.integrations.events import AdFiguresRead
from apps.integrations.models import AdCampaign, AdDay, Connection
from apps.integrations.resilience.lanes import Lane
from apps.integrations.services import Family

# The first pull of an account goes back so far.
FIRST_PULL_DAYS = 90
BATCH = 1_000
DAY_COLUMNS = [
    "currency",
    "spend",
    "impressions",
    "clicks",
    "conversions",
    "conversion_value",
    "read_at",
]
CAMPAIGN_COLUMNS = [
    "name",
    "status",
    "native_status",
    "objective",
    "currency",
    "budget",
    "budget_kind",
    "read_at",
]


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
    """Read one account. Returns the number of days' figures read. Raises errors.ServiceError."""
    connection = Connection.objects.get(pk=connection_id)
    platform = platforms.of(Client(connection, lane=Lane.MARKETING))
    now = timezone.now()
    _keep_campaigns(connection, platform.campaigns(), now=now)
    known = AdDay.objects.filter(campaign__connection=connection).exists()
    days = platform.reread_days if known else FIRST_PULL_DAYS
    since = now.date() - timedelta(days=days)
    return _keep_figures(connection, platform.figures(since, now.date()), since=since.isoformat(), now=now)


@transaction.atomic
def _keep_campaigns(connection: Connection, campaigns: Iterable[Campaign], *, now: datetime) -> None:
    rows = [
        AdCampaign(
            workspace_id=connection.workspace_id,
            connection=connection,
            external_id=one.id,
            name=one.name[:400],
            status=one.status,
            native_status=one.native_status[:60],
            objective=one.objective[:120],
            currency=one.budget.currency if one.budget else "",
            budget=one.budget.amount if one.budget else None,
            budget_kind=one.budget_kind or "",
            read_at=now,
        )
        for one in campaigns
    ]
    _upsert(AdCampaign, rows, unique=["workspace", "connection", "external_id"], update=CAMPAIGN_COLUMNS)


@transaction.atomic
def _keep_figures(connection: Connection, figures: Iterable[DayFigures], *, since: str, now: datetime) -> int:
    """Figures of a campaign that was not listed (deleted long ago) have nowhere to go and are left out."""
    known = dict(AdCampaign.objects.filter(connection=connection).values_list("external_id", "pk"))
    rows = [
        AdDay(
            workspace_id=connection.workspace_id,
            campaign_id=known[one.campaign_id],
            on=one.on,
            currency=one.spend.currency,
            spend=one.spend.amount,
            impressions=one.impressions,
            clicks=one.clicks,
            conversions=one.conversions,
            conversion_value=one.conversion_value,
            read_at=now,
        )
        for one in figures
        if one.campaign_id in known
    ]
    _upsert(AdDay, rows, unique=["workspace", "campaign", "on"], update=DAY_COLUMNS)
    event = AdFiguresRead(workspace_id=connection.workspace_id, connection_id=connection.pk, since=since)
    events.publish(event)
    return len(rows)


def _upsert(model: Any, rows: list[Any], *, unique: list[str], update: list[str]) -> None:
    for start in range(0, len(rows), BATCH):
        model.objects.bulk_create(
            rows[start : start + BATCH], update_conflicts=True, unique_fields=unique, update_fields=update
        )
