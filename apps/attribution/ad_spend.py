"""What connected ad accounts cost becomes the spend of their campaigns, each time their figures are read.

A day of an ad account is one of the account's own zone, as the platform bills it.
"""

from datetime import date, datetime

import structlog

from apps.accounts import scoping
from apps.accounts.permissions import system
from apps.attribution import exchange, spend
from apps.attribution.records import SpendIn
from apps.integrations import currencies
from apps.integrations.models import AdDay, Connection
from apps.integrations.remarks import remarks

log = structlog.get_logger(__name__)

# As touches name their platform: spend and touches of a campaign meet in one source.
PLATFORMS = {
    "google_ads": "google",
    "linkedin_ads": "linkedin",
    "meta_ads": "meta",
    "tiktok_ads": "tiktok",
    "x_ads": "x",
}
BATCH = 1_000


def take_over(connection_id: int, *, since: date, now: datetime) -> int:
    """Keep the days of a connection from `since` on; answers how many. What is in a currency that the
    workspace has no rate for is left out and told.
    """
    kept = 0
    for rows in _in_batches(connection_id, since):
        verdicts = spend.store(system(scoping.current_id()), rows, now=now)
        refused = {str(one.errors["currency"][0]) for one in verdicts if one.errors}
        if refused:
            log.warning("ad_spend.refused", connection=connection_id, reasons=sorted(refused))
        kept += sum(not one.errors for one in verdicts)
    return kept


@remarks
def what_cannot_be_counted(connection: Connection) -> list[str]:
    """For each currency of the account that the workspace has no rate for, what to do."""
    purse = exchange.purse()
    unknown = [one for one in currencies.charged_in(connection) if purse.rate(one) is None]
    return [f"What it costs is not counted. {purse.what_is_missing(one)}" for one in unknown]


def _in_batches(connection_id: int, since: date) -> list[list[SpendIn]]:
    days = AdDay.objects.filter(campaign__connection_id=connection_id, on__gte=since)
    rows = [_spent(day) for day in days.select_related("campaign__connection").order_by("on", "campaign")]
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def _spent(day: AdDay) -> SpendIn:
    return SpendIn(
        platform=PLATFORMS[day.campaign.connection.service],
        campaign_id=day.campaign.external_id,
        day=day.on,
        amount=day.spend,
        currency=day.currency,
        impressions=day.impressions,
        clicks=day.clicks,
    )
