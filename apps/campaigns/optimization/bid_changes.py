"""Bids that are above or below what their clicks are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from scipy.special import betainc, betaincinv

from apps.accounts.figures import money
from apps.attribution import exchange
from apps.campaigns.maths.rates import ShrunkRates, shrunk_rates
from apps.campaigns.models import Kind, Policy
from apps.campaigns.optimization.figures import Figures
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.optimization.rounding import whole
from apps.integrations.models import AdCampaign, AdGroup

DAYS = 28
# A bid this near to what a click is worth is left as it is.
NEAR = 0.1
LEAST_CLICKS, LEAST_CONFIDENCE = 100, 0.7
# Strategies whose bid is for a click; a cost cap is for a conversion.
PER_CLICK = {"MANUAL_CPC", "ENHANCED_CPC", "MAX"}
PER_CONVERSION = {"COST_CAP", "LOWEST_COST_WITH_BID_CAP", "MAXIMIZE_CONVERSIONS", "TARGET_CPA"}


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A campaign's last weeks, in the workspace's currency. value: of a conversion, as profit or target."""

    clicks: float
    conversions: float
    spend: float
    value: float

    @property
    def cost_per_click(self) -> float:
        return self.spend / self.clicks


def propose(policy: Policy, figures: Figures) -> list[Proposal]:
    """Changes of bids of groups that set one, where it is clear on which side of a click's worth they are."""
    last = slice(-DAYS, None)
    clicks = np.nansum(figures.clicks[:, last], axis=1)
    conversions = np.minimum(np.nansum(figures.conversions[:, last], axis=1), clicks)
    if not clicks.sum():
        return []
    rates = shrunk_rates(conversions, clicks)
    rows = {one.pk: row for row, one in enumerate(figures.campaigns)}
    groups = AdGroup.objects.filter(
        campaign__in=list(rows), bid__isnull=False, status=AdCampaign.Status.ACTIVE
    ).select_related("campaign__connection")
    made = []
    for group in groups.order_by("pk"):
        row = rows[group.campaign_id]
        seen = _seen(policy, figures, row, last, clicks[row], conversions[row])
        if seen is not None and (proposal := _proposal(policy, group, seen, rates, row)):
            made.append(proposal)
    return made


def _seen(
    policy: Policy, figures: Figures, row: int, last: slice, clicks: float, conversions: float
) -> _Seen | None:
    """None where there is not enough to judge a bid by."""
    if clicks < LEAST_CLICKS or not conversions:
        return None
    revenue = float(np.nansum(figures.conversion_value[row, last]))
    worth = revenue / conversions * float(policy.margin)
    if policy.target_cost_per_conversion is not None:
        worth = float(policy.target_cost_per_conversion)
    if not worth:
        return None
    spend = float(np.nansum(figures.spend[row, last]))
    return _Seen(clicks=float(clicks), conversions=float(conversions), spend=spend, value=worth)


def _proposal(policy: Policy, group: AdGroup, seen: _Seen, rates: ShrunkRates, row: int) -> Proposal | None:
    bid, step = group.bid, policy.largest_change_percent / 100
    rate = exchange.purse().rate(group.currency or group.campaign.currency)
    if bid is None or rate is None or group.bid_strategy not in PER_CLICK | PER_CONVERSION:
        return None
    is_per_click = group.bid_strategy in PER_CLICK
    ideal = (rates.mean[row] if is_per_click else 1.0) * seen.value / float(rate)
    share = float(np.clip(ideal / float(bid) - 1, -step, step))
    if abs(ideal / float(bid) - 1) < NEAR:
        return None
    confidence = _chance(rates, row, seen, is_raise=share > 0)
    if confidence < LEAST_CONFIDENCE:
        return None
    after = whole(Decimal(repr(float(bid) * (1 + share))), towards=bid, currency=group.campaign.currency)
    gains = [_gain(worth, seen, share) for worth in _worths(rates, row, seen)]
    return _told(group, bid, after, confidence, gains, seen, rates, row, is_per_click=is_per_click)


def _chance(rates: ShrunkRates, row: int, seen: _Seen, *, is_raise: bool) -> float:
    """Probability that a click is worth more than it costs (for a raise), or less."""
    successes, failures = _belief(rates, row, seen)
    even = min(1.0, seen.cost_per_click / seen.value)
    below = float(betainc(successes, failures, even))
    return 1 - below if is_raise else below


def _worths(rates: ShrunkRates, row: int, seen: _Seen) -> Sequence[float]:
    """What a click is worth: expected, and the ends of the 95 % interval."""
    successes, failures = _belief(rates, row, seen)
    ends = betaincinv(successes, failures, np.array([0.025, 0.975]))
    return [float(one) * seen.value for one in (rates.mean[row], *ends)]


def _belief(rates: ShrunkRates, row: int, seen: _Seen) -> tuple[float, float]:
    return rates.alpha + seen.conversions, rates.beta + seen.clicks - seen.conversions


def _gain(worth: float, seen: _Seen, share: float) -> float:
    """Profit a day where clicks follow the bid in proportion."""
    return share * seen.clicks / DAYS * (worth - seen.cost_per_click)


def _told(
    group: AdGroup,
    bid: Decimal,
    after: Decimal,
    confidence: float,
    gains: Sequence[float],
    seen: _Seen,
    rates: ShrunkRates,
    row: int,
    *,
    is_per_click: bool,
) -> Proposal:
    campaign, home = group.campaign, exchange.purse().home
    worth, cost, value = (
        money(one, home, exact=True)
        for one in (rates.mean[row] * seen.value, seen.cost_per_click, seen.value)
    )
    verb, unit = "Raise" if after > bid else "Lower", "click" if is_per_click else "conversion"
    shown = [money(one, campaign.currency, exact=True) for one in (bid, after)]
    low, high = sorted(gains[1:])
    return Proposal(
        kind=Kind.BID,
        campaign=campaign,
        target=group.external_id,
        target_name=group.name,
        title=f"{verb} the bid of {group.name} from {shown[0]} to {shown[1]} a {unit}",
        before=f"{bid.normalize():f}",
        after=f"{after.normalize():f}",
        confidence=confidence,
        gain=gains[0],
        gain_low=low,
        gain_high=high,
        reasons=[
            f"A click is worth {worth} ({rates.low[row]:.2%} to {rates.high[row]:.2%} convert, each worth "
            f"{value}), and costs {cost}.",
            f"From {seen.clicks:,.0f} clicks and {seen.conversions:,.0f} conversions in {DAYS} days.",
        ],
        doubts=[
            "The gain assumes that clicks follow the bid in proportion; auctions may answer more or less.",
            "A platform that steers by itself learns anew after a change of its bid.",
        ],
        evidence={
            "clicks": seen.clicks,
            "conversions": seen.conversions,
            "spend": seen.spend,
            "rate": float(rates.mean[row]),
            "rate_low": float(rates.low[row]),
            "rate_high": float(rates.high[row]),
            "value": seen.value,
            "days": DAYS,
        },
    )
