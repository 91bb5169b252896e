"""Ads that have worn out: as the same people see them again, fewer click."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from apps.accounts.figures import money, number
from apps.campaigns.maths.fatigue import Wear, read
from apps.campaigns.models import Kind, Policy
from apps.campaigns.optimization.figures import Figures, Part
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.wording import chance, short
from apps.integrations.models import AdCampaign


def propose(policy: Policy, figures: Figures, parts: Sequence[Part]) -> list[Proposal]:
    """Pause what is worn out, where another ad takes its place; else a new one has to be made by a person."""
    if not parts:
        return []
    judged = read(
        # A day on which nobody says how often people saw it tells nothing of wear.
        np.array([np.where(np.isnan(one.frequency), np.nan, one.impressions) for one in parts]),
        np.array([np.minimum(one.clicks, one.impressions) for one in parts]),
        np.array([one.frequency for one in parts]),
    )
    running = Counter(one.campaign_id for one in parts)
    rows = {one.pk: row for row, one in enumerate(figures.campaigns)}
    return [
        _proposal(policy, figures, rows[part.campaign_id], part, wear, others=running[part.campaign_id] - 1)
        for part, wear in zip(parts, judged, strict=True)
        if wear.is_tired and part.campaign_id in rows
    ]


def _proposal(policy: Policy, figures: Figures, row: int, part: Part, wear: Wear, *, others: int) -> Proposal:
    campaign, home = figures.campaigns[row], figures.purse.home
    click = _worth_of_click(policy, figures, row)
    gain, low, high = (one * click for one in (wear.gain, wear.low, wear.high))
    return Proposal(
        kind=Kind.CREATIVE,
        campaign=campaign,
        target=part.key,
        target_name=part.name,
        title=f"Give {short(part.name)} in {short(campaign.name)} a rest"
        if others
        else f"Make a new ad in place of {short(part.name)} in {short(campaign.name)}",
        before=AdCampaign.Status.ACTIVE.value,
        after=AdCampaign.Status.PAUSED.value,
        confidence=float(ndtr(-wear.slope / wear.error)),
        gain=gain,
        gain_low=low,
        gain_high=high,
        is_doable=others > 0,
        reasons=[
            f"It has lost {wear.lost:.0%} of its clicks ({wear.lost_low:.0%} to {wear.lost_high:.0%}) while "
            f"people came to see it {number(wear.frequency_now, 1)} times instead of "
            f"{number(wear.frequency_then, 1)}.",
            "Seasons do not explain it: the days' ups and downs are those of all ads of the account. The "
            f"chance of so much by luck, over all ads looked at, is {chance(wear.p_value)}.",
            f"An ad as good as this one was would bring {number(wear.gain, 1)} clicks a day more, each worth "
            f"{money(click, home, exact=True)}.",
        ],
        doubts=[
            "The ad that takes its place may be worse than this one was when it was fresh.",
            "A platform that learns by itself starts anew with other ads.",
        ],
        evidence={
            "slope": wear.slope,
            "error": wear.error,
            "lost": wear.lost,
            "frequency_then": wear.frequency_then,
            "frequency_now": wear.frequency_now,
            "p_value": wear.p_value,
            "worth_of_click": click,
            "days": figures.days,
        },
    )


def _worth_of_click(policy: Policy, figures: Figures, row: int) -> float:
    """Profit of a click of the campaign before advertising, on average; 0 where nothing is known of it."""
    clicks = float(np.nansum(figures.clicks[row]))
    return float(policy.margin) * float(np.nansum(figures.conversion_value[row])) / clicks if clicks else 0.0
