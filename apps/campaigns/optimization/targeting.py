"""Segments whose conversions cost more than their money would buy elsewhere, beyond doubt: leave them out."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from apps.accounts.figures import money
from apps.campaigns.maths.response.curves import Curves
from apps.campaigns.maths.segments import ALPHA, Cost, Segment, judge
from apps.campaigns.models import Kind, Policy
from apps.campaigns.optimization.figures import Figures, Part
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.optimization.sending import EXCLUDED, REACHED
from apps.campaigns.wording import chance, short
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import Dimension
from apps.integrations.models import AdCampaign

Z95 = 1.959963984540054
# Segments are read for so many days (integrations/ads_pull.py).
DAYS = 28


def propose(policy: Policy, figures: Figures, curves: Curves, parts: Sequence[Part]) -> list[Proposal]:
    """The segments that are worse beyond doubt (Holm over all of the account), each within its campaign."""
    running = {
        one.pk: row for row, one in enumerate(figures.campaigns) if one.status == AdCampaign.Status.ACTIVE
    }
    mine = [one for one in parts if one.campaign_id in running and float(np.nansum(one.spend)) > 0]
    costs = judge(
        [_segment(one) for one in mine],
        dispersion=_dispersion(figures.conversions),
        marginal_return={str(key): float(curves.k[row]) for key, row in running.items()},
    )
    made = []
    for part, cost in zip(mine, costs, strict=True):
        row = running[part.campaign_id]
        worth = _worth(policy, figures, row)
        if cost.is_worse and worth:
            made.append(_proposal(figures.campaigns[row], part, cost, worth, figures.purse.home))
    return made


def _segment(part: Part) -> Segment:
    dimension, _, _ = part.key.partition(":")
    return Segment(
        dimension=dimension,
        name=part.name,
        spend=float(np.nansum(part.spend)),
        conversions=float(np.nansum(part.conversions)),
        campaign=str(part.campaign_id),
    )


def _dispersion(conversions: np.ndarray) -> float:
    """Variance of a day's conversions over their mean, over all campaigns; at least that of counts."""
    known = np.isfinite(conversions).sum(axis=1) > 1
    if not known.any():
        return 1.0
    means, variances = np.nanmean(conversions[known], axis=1), np.nanvar(conversions[known], axis=1, ddof=1)
    return max(1.0, float(variances.sum() / means.sum())) if means.sum() else 1.0


def _worth(policy: Policy, figures: Figures, row: int) -> float:
    """Profit of a conversion before advertising; 0 where nothing is known of it."""
    conversions = float(np.nansum(figures.conversions[row]))
    value = float(np.nansum(figures.conversion_value[row]))
    return float(policy.margin) * value / conversions if conversions else 0.0


def _proposal(campaign: AdCampaign, part: Part, cost: Cost, worth: float, home: str) -> Proposal:
    dimension = Dimension(cost.segment.dimension)
    is_doable = dimension in platforms.excludes(campaign.connection.service)
    name = part.name.replace("_", " ").capitalize() if part.name.isupper() else part.name
    gain, low, high = (one * worth / DAYS for one in (cost.gain, cost.gain_low, cost.gain_high))
    error = (high - low) / (2 * Z95)
    return Proposal(
        kind=Kind.TARGETING,
        campaign=campaign,
        target=part.key,
        target_name=name,
        title=f"Leave {short(name)} ({dimension.value}) out of {short(campaign.name)}",
        before=REACHED,
        after=EXCLUDED,
        confidence=float(ndtr(gain / error)) if error else 1.0,
        gain=gain,
        gain_low=low,
        gain_high=high,
        is_doable=is_doable,
        reasons=[
            _compared(cost, home),
            f"From {money(cost.segment.spend, home)} and {cost.segment.conversions:,.0f} conversions in "
            f"{DAYS} days. The chance of so few by luck, over all segments looked at, is "
            f"{chance(cost.p_value)}.",
        ],
        doubts=[
            "People may see the ad there and buy elsewhere: a telephone that leads to a desk is counted at "
            "the desk.",
            f"At most {ALPHA:.0%} of accounts without a bad segment are told that they have one.",
        ],
        evidence={
            "dimension": dimension.value,
            "spend": cost.segment.spend,
            "conversions": cost.segment.conversions,
            "ratio": cost.ratio,
            "ratio_low": cost.low,
            "ratio_high": cost.high,
            "p_value": cost.p_value,
            "days": DAYS,
        },
    )


def _compared(cost: Cost, home: str) -> str:
    """Here against elsewhere; there are conversions elsewhere, or nothing would be said."""
    elsewhere = money(cost.rest_cpa, home, exact=True)
    ratio = f"{cost.ratio:.1f} times as much ({cost.low:.1f} to {cost.high:.1f})"
    if np.isinf(cost.cpa):
        return f"There was no conversion there, and one costs {elsewhere} elsewhere: about {ratio}."
    return f"A conversion costs {money(cost.cpa, home, exact=True)} there and {elsewhere} elsewhere: {ratio}."
