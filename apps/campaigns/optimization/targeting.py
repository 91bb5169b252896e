"""Segments whose conversions cost more than their money would buy elsewhere, beyond doubt: leave them out."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from apps.accounts.figures import money
from apps.attribution import exchange
from apps.campaigns.maths.response.curves import Curves
from apps.campaigns.maths.segments import ALPHA, Cost, Segment, judge
from apps.campaigns.models import Kind, Policy
from apps.campaigns.optimization.figures import Figures, Part
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.optimization.sending import EXCLUDED, REACHED
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import Dimension
from apps.integrations.models import AdCampaign

Z95 = 1.959963984540054
# Segments are read for so many days (integrations/ads_pull.py).
DAYS = 28


def propose(policy: Policy, figures: Figures, curves: Curves, parts: Sequence[Part]) -> list[Proposal]:
    """Of each campaign the segments that are worse beyond doubt (Holm over its segments)."""
    by_campaign: dict[int, list[Part]] = defaultdict(list)
    for one in parts:
        by_campaign[one.campaign_id].append(one)
    made = []
    for row, campaign in enumerate(figures.campaigns):
        mine = [one for one in by_campaign[campaign.pk] if float(np.nansum(one.spend)) > 0]
        if campaign.status != AdCampaign.Status.ACTIVE or not mine:
            continue
        costs = judge(
            [_segment(one) for one in mine],
            dispersion=_dispersion(figures.conversions[row]),
            marginal_return=float(curves.k[row]),
        )
        worth = _worth(policy, figures, row)
        made += [
            _proposal(campaign, part, cost, worth)
            for part, cost in zip(mine, costs, strict=True)
            if cost.is_worse and worth
        ]
    return made


def _segment(part: Part) -> Segment:
    dimension, _, _ = part.key.partition(":")
    return Segment(
        dimension=dimension,
        name=part.name,
        spend=float(np.nansum(part.spend)),
        conversions=float(np.nansum(part.conversions)),
    )


def _dispersion(conversions: np.ndarray) -> float:
    """Variance of a day's conversions over their mean, at least that of counts."""
    known = conversions[np.isfinite(conversions)]
    if known.size < 2 or not known.mean():
        return 1.0
    return max(1.0, float(known.var(ddof=1) / known.mean()))


def _worth(policy: Policy, figures: Figures, row: int) -> float:
    """Profit of a conversion before advertising; 0 where nothing is known of it."""
    conversions = float(np.nansum(figures.conversions[row]))
    value = float(np.nansum(figures.conversion_value[row]))
    return float(policy.margin) * value / conversions if conversions else 0.0


def _proposal(campaign: AdCampaign, part: Part, cost: Cost, worth: float) -> Proposal:
    home = exchange.purse().home
    dimension = Dimension(cost.segment.dimension)
    is_doable = dimension in platforms.excludes(campaign.connection.service)
    here, elsewhere = (
        "infinitely much" if np.isinf(one) else money(one, home, exact=True)
        for one in (cost.cpa, cost.rest_cpa)
    )
    gain, low, high = (one * worth / DAYS for one in (cost.gain, cost.gain_low, cost.gain_high))
    error = (high - low) / (2 * Z95)
    return Proposal(
        kind=Kind.TARGETING,
        campaign=campaign,
        target=part.key,
        target_name=part.name,
        title=f"Leave {part.name} ({dimension.value}) out of {campaign.name}",
        before=REACHED,
        after=EXCLUDED,
        confidence=float(ndtr(gain / error)) if error else 1.0,
        gain=gain,
        gain_low=low,
        gain_high=high,
        is_doable=is_doable,
        reasons=[
            f"A conversion costs {here} there and {elsewhere} elsewhere: {cost.ratio:.1f} times as much "
            f"({cost.low:.1f} to {cost.high:.1f}).",
            f"From {money(cost.segment.spend, home)} and {cost.segment.conversions:,.0f} conversions in "
            f"{DAYS} days. The chance of so few by luck, over all segments looked at, is {cost.p_value:.1e}.",
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
