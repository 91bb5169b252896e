"""What sources cost, day by day: what is said last about a source and a day holds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.db import connection, transaction

from apps.accounts import scoping
from apps.accounts.permissions import Actor
from apps.attribution import channels, exchange, sources
from apps.attribution.channel_input import key_of
from apps.attribution.channel_rules import Origin
from apps.attribution.exchange import Purse
from apps.attribution.parsing import Errors
from apps.attribution.records import SpendIn
from apps.attribution.sources import SourceKey

KNOWN_SOURCES = """
    SELECT s.platform, s.campaign_id, s.creative_id, c.key,
        EXISTS (SELECT FROM attribution_spend x WHERE x.workspace_id = s.workspace_id AND x.source_id = s.id)
    FROM json_to_recordset(%s::json) AS r(platform text, campaign_id text)
    JOIN attribution_source s ON s.workspace_id = %s AND s.platform = r.platform
        AND s.campaign_id = r.campaign_id
    JOIN attribution_channel c ON c.workspace_id = s.workspace_id AND c.id = s.channel_id
"""
UPSERT = """
    INSERT INTO attribution_spend (workspace_id, source_id, day, amount, impressions, clicks,
        is_channel_named)
    SELECT %s, r.source, r.day, r.amount, r.impressions, r.clicks, r.is_named FROM json_to_recordset(%s::json)
        AS r(source bigint, day date, amount numeric, impressions bigint, clicks bigint, is_named boolean)
    ORDER BY r.source, r.day
    ON CONFLICT (workspace_id, source_id, day) DO UPDATE
        SET amount = excluded.amount, impressions = excluded.impressions, clicks = excluded.clicks,
            is_channel_named = excluded.is_channel_named
    RETURNING source_id, day, xmax = 0
"""

Place = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class SpendVerdict:
    """What became of one row. is_new: false when it took the place of an earlier one. errors: refused."""

    channel: str = ""
    amount: Decimal = Decimal(0)
    currency: str = ""
    is_new: bool = False
    errors: Errors = field(default_factory=dict)


def store(actor: Actor, rows: Sequence[SpendIn], *, now: datetime) -> list[SpendVerdict]:
    """Keep what was spent; verdicts are aligned with the rows. Foreign amounts go at the workspace's rate."""
    purse = exchange.purse()
    amounts = [_at_home(row, purse) for row in rows]
    with transaction.atomic():
        keys = _sources_of(rows)
        ids = sources.ids(set(keys), labels=sources.labels_of(rows))
        new = _upsert(
            {
                (ids[key], row.day): _as_row(row, ids[key], amount)
                for row, key, amount in zip(rows, keys, amounts, strict=True)
                if amount is not None
            }
        )
    return [
        SpendVerdict(channel=key.channel, amount=amount, currency=purse.home, is_new=new[(ids[key], row.day)])
        if amount is not None
        else SpendVerdict(errors={"currency": [purse.what_is_missing(row.currency)]})
        for row, key, amount in zip(rows, keys, amounts, strict=True)
    ]


def _at_home(row: SpendIn, purse: Purse) -> Decimal | None:
    rate = purse.rate(row.currency or purse.home)
    return None if rate is None else round(row.amount * rate, 4)


def _as_row(row: SpendIn, source: int, amount: Decimal) -> dict[str, Any]:
    return {
        "source": source,
        "day": row.day,
        "amount": amount,
        "impressions": row.impressions,
        "clicks": row.clicks,
        "is_named": sources.is_named(row),
    }


def _upsert(rows: dict[tuple[int, date], dict[str, Any]]) -> dict[tuple[int, date], bool]:
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, [scoping.current_id(), msgspec.json.encode(list(rows.values())).decode()])
        return {(source, day): is_new for source, day, is_new in cursor.fetchall()}


def _sources_of(rows: Sequence[SpendIn]) -> list[SourceKey]:
    """Spend belongs to the channel that its campaign's touches are in.

    The channel that was named; else that of earlier spend of the same source, so that a day sent again is
    replaced and not counted twice; else the one channel in which the campaign is known; else what the rules
    derive from platform and campaign.
    """
    with_spend, by_campaign = _known(rows)
    return [_source_of(row, with_spend, by_campaign) for row in rows]


def _source_of(
    row: SpendIn, with_spend: dict[Place, str], by_campaign: dict[tuple[str, str], set[str]]
) -> SourceKey:
    place = (row.platform, row.campaign_id, row.creative_id)
    seen_in = by_campaign[place[:2]]
    channel = (row.channel and key_of(row.channel)) or with_spend.get(place)
    if not channel and row.campaign_id and len(seen_in) == 1:
        (channel,) = seen_in
    return SourceKey(
        channel or channels.book().rules.channel_of(Origin(row.platform, campaign_id=row.campaign_id)), *place
    )


def _known(rows: Sequence[SpendIn]) -> tuple[dict[Place, str], dict[tuple[str, str], set[str]]]:
    """Channels of sources that have spend already, and the channels in which each campaign was seen."""
    campaigns = sorted({(row.platform, row.campaign_id) for row in rows})
    wanted = [{"platform": platform, "campaign_id": campaign} for platform, campaign in campaigns]
    with_spend: dict[Place, str] = {}
    by_campaign: dict[tuple[str, str], set[str]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(KNOWN_SOURCES, [msgspec.json.encode(wanted).decode(), scoping.current_id()])
        for platform, campaign, creative, channel, has_spend in cursor.fetchall():
            by_campaign[(platform, campaign)].add(channel)
            if has_spend:
                with_spend[(platform, campaign, creative)] = channel
    return with_spend, by_campaign
