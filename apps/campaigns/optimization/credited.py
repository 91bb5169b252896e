"""Revenue as attribution credits it, in place of what platforms claim for themselves.

Platforms say on which days their campaigns earned, each by its own count; attribution says how much of it is
theirs. So a campaign's days keep their shape, and are scaled to what it was credited over the whole period.
"""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from apps.accounts.permissions import system
from apps.attribution import analysis, model_guide
from apps.attribution.ad_spend import PLATFORMS
from apps.attribution.questions import Query
from apps.campaigns.models import Policy
from apps.campaigns.optimization.figures import Figures, Floats
from apps.integrations.models import AdCampaign

MODEL = model_guide.DEFAULT
Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Credit:
    """figures: with the revenue to reckon with. factors: (campaigns,) credited over claimed, 1 where
    platforms' own figures count. note: what a reader of the plan must know of it.
    """

    figures: Figures
    factors: Floats
    note: str = ""


def applied(policy: Policy, known: Figures, *, zone: ZoneInfo, now: datetime) -> Credit:
    """The figures as the policy wants revenue counted. May start a job of attribution; no transaction may
    span it.
    """
    as_claimed = Credit(figures=known, factors=np.ones(len(known.campaigns)))
    if policy.counts_revenue_by != Policy.RevenueBy.ATTRIBUTION:
        return as_claimed
    earned = _credited(policy, known, zone=zone, now=now)
    if earned is None:
        words = "Attribution is still being computed, so revenue is what platforms claim."
        return replace(as_claimed, note=words)
    claimed = np.nansum(known.conversion_value, axis=1)
    credit = np.array([earned.get(key_of(one), 0.0) for one in known.campaigns])
    factors = np.divide(credit, claimed, out=np.ones_like(claimed), where=claimed > 0)
    label = model_guide.label_of(MODEL)
    return Credit(
        figures=replace(known, conversion_value=known.conversion_value * factors[:, None]),
        factors=factors,
        note=f"Revenue is what attribution credits ({label}): {credit.sum() / claimed.sum():.0%} of what the "
        "platforms claim."
        if claimed.sum()
        else "",
    )


def key_of(campaign: AdCampaign) -> Key:
    """How attribution's sources name a campaign."""
    return PLATFORMS[campaign.connection.service], campaign.external_id


def _credited(policy: Policy, known: Figures, *, zone: ZoneInfo, now: datetime) -> dict[Key, float] | None:
    """Revenue by campaign over the days of the figures; None while a first answer is computed."""
    start = datetime.combine(known.first_day, time(), tzinfo=zone)
    end = datetime.combine(known.last_day + timedelta(days=1), time(), tzinfo=zone)
    query = Query(models=(MODEL,), start=start, end=end, group_by="campaign")
    result = analysis.ask(system(policy.workspace_id), query, now=now).result
    if result is None:
        return None
    return {(row.platform, row.campaign_id): float(row.revenue) for row in result.rows if not row.is_none}
