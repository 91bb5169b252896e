"""What platforms tell of an ad account, kept as rows: read again, the same row changes."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction

from apps.integrations.connectors.ads.platform import (
    Campaign,
    Creative,
    CreativeDay,
    DayFigures,
    Figures,
    Group,
    SegmentDay,
)
from apps.integrations.models import (
    AdCampaign,
    AdCreative,
    AdCreativeDay,
    AdDay,
    AdGroup,
    AdSegmentDay,
    Connection,
)
from apps.integrations.money import Money

BATCH = 1_000
FIGURES = ["currency", "spend", "impressions", "clicks", "conversions", "conversion_value", "read_at"]
BUDGET = ["currency", "budget", "budget_kind"]
CAMPAIGN = ["name", "status", "native_status", "objective", *BUDGET, "read_at"]
GROUP = ["name", "status", "bid", "bid_strategy", *BUDGET, "read_at"]


def keep_campaigns(connection: Connection, campaigns: Iterable[Campaign], *, now: datetime) -> int:
    """now: when the reading began. What a platform was told since is not overwritten by what it said then."""
    return _keep_campaigns(connection, list(campaigns), now=now)


@transaction.atomic
def _keep_campaigns(connection: Connection, campaigns: list[Campaign], *, now: datetime) -> int:
    known = AdCampaign.objects.filter(connection=connection).order_by("pk").select_for_update(no_key=True)
    newer = {key for key, read_at in known.values_list("external_id", "read_at") if read_at > now}
    rows = (
        AdCampaign(
            workspace_id=connection.workspace_id,
            connection=connection,
            external_id=one.id,
            name=one.name[:400],
            status=one.status,
            native_status=one.native_status[:60],
            objective=one.objective[:120],
            read_at=now,
            **_budget(one),
        )
        for one in campaigns
        if one.id not in newer
    )
    return _upsert(AdCampaign, rows, unique=["workspace", "connection", "external_id"], update=CAMPAIGN)


@transaction.atomic
def keep_groups(connection: Connection, groups: Iterable[Group], *, now: datetime) -> int:
    """Of campaigns that were listed. Those that are listed no more have ended."""
    known = _known(AdCampaign, connection=connection)
    rows = (
        AdGroup(
            workspace_id=connection.workspace_id,
            campaign_id=known[one.campaign_id],
            external_id=one.id,
            name=one.name[:400],
            status=one.status,
            bid=one.bid.amount if one.bid else None,
            bid_strategy=one.bid_strategy[:60],
            read_at=now,
            **_budget(one, one.bid),
        )
        for one in groups
        if one.campaign_id in known
    )
    kept = _upsert(AdGroup, rows, unique=["workspace", "campaign", "external_id"], update=GROUP)
    _end_others(AdGroup, connection, now)
    return kept


@transaction.atomic
def keep_creatives(connection: Connection, creatives: Iterable[Creative], *, now: datetime) -> int:
    """Of campaigns that were listed. Those that are listed no more have ended."""
    known = _known(AdCampaign, connection=connection)
    groups = _known(AdGroup, campaign__connection=connection)
    rows = (
        AdCreative(
            workspace_id=connection.workspace_id,
            campaign_id=known[one.campaign_id],
            group_id=groups.get(one.group_id),
            external_id=one.id,
            name=one.name[:400],
            status=one.status,
            read_at=now,
        )
        for one in creatives
        if one.campaign_id in known
    )
    columns = ["group", "name", "status", "read_at"]
    kept = _upsert(AdCreative, rows, unique=["workspace", "campaign", "external_id"], update=columns)
    _end_others(AdCreative, connection, now)
    return kept


@transaction.atomic
def keep_days(connection: Connection, figures: Iterable[DayFigures], *, now: datetime) -> int:
    """Figures of a campaign that was not listed (deleted long ago) have nowhere to go and are left out."""
    known = _known(AdCampaign, connection=connection)
    rows = (
        AdDay(workspace_id=connection.workspace_id, campaign_id=known[one.campaign_id], **_figures(one, now))
        for one in figures
        if one.campaign_id in known
    )
    return _upsert(AdDay, rows, unique=["workspace", "campaign", "on"], update=FIGURES)


@transaction.atomic
def keep_creative_days(connection: Connection, figures: Iterable[CreativeDay], *, now: datetime) -> int:
    known = _known(AdCreative, campaign__connection=connection)
    rows = (
        AdCreativeDay(
            workspace_id=connection.workspace_id,
            creative_id=known[one.creative_id],
            reach=one.reach,
            frequency=one.frequency,
            **_figures(one, now),
        )
        for one in figures
        if one.creative_id in known
    )
    columns = [*FIGURES, "reach", "frequency"]
    return _upsert(AdCreativeDay, rows, unique=["workspace", "creative", "on"], update=columns)


@transaction.atomic
def keep_segment_days(connection: Connection, figures: Iterable[SegmentDay], *, now: datetime) -> int:
    known = _known(AdCampaign, connection=connection)
    rows = (
        AdSegmentDay(
            workspace_id=connection.workspace_id,
            campaign_id=known[one.campaign_id],
            dimension=one.segment.dimension,
            value=one.segment.value[:120],
            label=one.label[:200],
            **_figures(one, now),
        )
        for one in figures
        if one.campaign_id in known
    )
    unique = ["workspace", "campaign", "dimension", "value", "on"]
    return _upsert(AdSegmentDay, rows, unique=unique, update=[*FIGURES, "label"])


def _known(model: Any, **of: Any) -> dict[str, int]:
    return dict(model.objects.filter(**of).values_list("external_id", "pk"))


def _budget(one: Campaign | Group, bid: Money | None = None) -> dict[str, Any]:
    money = one.budget or bid
    return {
        "currency": money.currency if money else "",
        "budget": one.budget.amount if one.budget else None,
        "budget_kind": one.budget_kind or "",
    }


def _figures(one: Figures, now: datetime) -> dict[str, Any]:
    return {
        "on": one.on,
        "currency": one.spend.currency,
        "spend": one.spend.amount,
        "impressions": one.impressions,
        "clicks": one.clicks,
        "conversions": one.conversions,
        "conversion_value": one.conversion_value,
        "read_at": now,
    }


def _end_others(model: Any, connection: Connection, now: datetime) -> None:
    unlisted = model.objects.filter(campaign__connection=connection, read_at__lt=now)
    unlisted.exclude(status=AdCampaign.Status.ENDED).update(status=AdCampaign.Status.ENDED)


def _upsert(model: Any, rows: Iterable[Any], *, unique: list[str], update: list[str]) -> int:
    """A row that came twice, on two pages that shifted meanwhile, is written once."""
    names = [model._meta.get_field(name).attname for name in unique]
    kept = 0
    for some in _batches(iter(rows)):
        once = list({tuple(getattr(row, name) for name in names): row for row in some}.values())
        model.objects.bulk_create(once, update_conflicts=True, unique_fields=unique, update_fields=update)
        kept += len(once)
    return kept


def _batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while some := list(islice(rows, BATCH)):
        yield some
