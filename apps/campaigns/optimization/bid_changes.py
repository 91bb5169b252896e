"""Bids that are above or below what their clicks are worth."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from scipy.special import betainc, ndtr

from apps.accounts.figures import money
from apps.attribution.exchange import Purse
from apps.campaigns.maths.rates import ShrunkRates, shrunk_rates
from apps.campaigns.models import Kind, Policy
from apps.campaigns.optimization.figures import Figures
from apps.campaigns.optimization.recommend import Proposal
from apps.campaigns.optimization.rounding import whole
from apps.campaigns.wording import short
from apps.integrations.models import AdCampaign, AdGroup

DAYS = 28
Z95 = 1.959963984540054
# A bid this near to what a click is worth is left as it is.
NEAR = 0.1
LEAST_CLICKS, LEAST_CONFIDENCE = 100, 0.7
# Strategies whose bid is for a click; a cost cap is for a conversion.
PER_CLICK = {"MANUAL_CPC", "ENHANCED_CPC", "MAX"}
PER_CONVERSION = {"COST_CAP", "LOWEST_COST_WITH_BID_CAP", "MAXIMIZE_CONVERSIONS", "TARGET_CPA"}


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A campaign's last weeks, in the workspace's currency. value: of a conversion, as profit or, where
    is_target, as the most that it may cost.
    """

    clicks: float
    conversions: float
    spend: float
    value: float
    is_target: bool

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
        if seen is not None and (proposal := _proposal(policy, group, seen, rates, figures.purse, row)):
            made.append(proposal)
    return made


def _seen(
    policy: Policy, figures: Figures, row: int, last: slice, clicks: float, conversions: float
) -> _Seen | None:
    """None where there is not enough to judge a bid by."""
    if clicks < LEAST_CLICKS or not conversions:
        return None
    revenue = float(np.nansum(figures.conversion_value[row, last]))
    worth, target = revenue / conversions * float(policy.margin), policy.target_cost_per_conversion
    if target is not None:
        worth = float(target)
    if not worth:
        return None
    spend = float(np.nansum(figures.spend[row, last]))
    return _Seen(
        clicks=float(clicks),
        conversions=float(conversions),
        spend=spend,
        value=worth,
        is_target=target is not None,
    )


def _proposal(
    policy: Policy, group: AdGroup, seen: _Seen, rates: ShrunkRates, purse: Purse, row: int
) -> Proposal | None:
    """A step towards what a click, or a conversion, is worth; None where the bid may be right."""
    rate = purse.rate(group.currency or group.campaign.currency)
    if group.bid is None or rate is None or group.bid_strategy not in PER_CLICK | PER_CONVERSION:
        return None
    bid, worth = float(group.bid) * float(rate), _worth(group, seen, rates, row)
    off = worth.value / bid - 1
    confidence = worth.chance_above(bid) if off > 0 else 1 - worth.chance_above(bid)
    if abs(off) < NEAR or confidence < LEAST_CONFIDENCE:
        return None
    step = policy.largest_change_percent / 100
    share = float(np.clip(off, -step, step))
    currency = group.campaign.currency
    after = whole(group.bid * Decimal(repr(1 + share)), towards=group.bid, currency=currency)
    return _told(group, after, confidence, seen, worth, purse)


@dataclass(frozen=True)
class _Worth:
    """What a click or a conversion is worth: with its 95 % interval, and the chance that it is more."""

    unit: str
    value: float
    low: float
    high: float
    chance_above: Callable[[float], float]


def _worth(group: AdGroup, seen: _Seen, rates: ShrunkRates, row: int) -> _Worth:
    if group.bid_strategy in PER_CLICK:
        return _worth_of_click(seen, rates, row)
    if seen.is_target:
        return _Worth("conversion", seen.value, seen.value, seen.value, lambda bid: float(seen.value > bid))
    # Orders differ about as much as they are worth.
    error = seen.value / np.sqrt(seen.conversions)
    return _Worth(
        unit="conversion",
        value=seen.value,
        low=seen.value - Z95 * error,
        high=seen.value + Z95 * error,
        chance_above=lambda bid: float(ndtr((seen.value - bid) / error)),
    )


def _worth_of_click(seen: _Seen, rates: ShrunkRates, row: int) -> _Worth:
    successes = rates.alpha + seen.conversions
    failures = rates.beta + seen.clicks - seen.conversions
    return _Worth(
        unit="click",
        value=float(rates.mean[row]) * seen.value,
        low=float(rates.low[row]) * seen.value,
        high=float(rates.high[row]) * seen.value,
        chance_above=lambda bid: float(1 - betainc(successes, failures, min(1.0, bid / seen.value))),
    )


def _told(
    group: AdGroup, after: Decimal, confidence: float, seen: _Seen, worth: _Worth, purse: Purse
) -> Proposal:
    campaign, bid, home = group.campaign, group.bid or Decimal(0), purse.home
    is_raise = after > bid
    verb = "Raise" if is_raise else "Lower"
    shown = [money(one, campaign.currency, exact=True) for one in (bid, after)]
    cost = money(seen.cost_per_click, home, exact=True)
    loses = (
        f"A {worth.unit} between the two would pay, and is left to others."
        if is_raise
        else f"Each {worth.unit} that costs more than it is worth loses money."
    )
    return Proposal(
        kind=Kind.BID,
        campaign=campaign,
        target=group.external_id,
        target_name=group.name,
        title=f"{verb} the bid of {short(group.name)} in {short(campaign.name)} from {shown[0]} to "
        f"{shown[1]} a {worth.unit}",
        before=f"{bid.normalize():f}",
        after=f"{after.normalize():f}",
        confidence=confidence,
        reasons=[
            f"{_said(seen, worth, home)}, and the bid is {shown[0]}{_at_home(bid, campaign, purse)}. {loses}",
            f"From {seen.clicks:,.0f} clicks, {cost} each, and {seen.conversions:,.0f} conversions in {DAYS} "
            "days.",
        ],
        doubts=[
            f"No gain is claimed: how many of the {worth.unit}s lie between bid and worth, the platform does "
            "not say.",
            "A platform that steers by itself learns anew after a change of its bid.",
        ],
        evidence={
            "clicks": seen.clicks,
            "conversions": seen.conversions,
            "spend": seen.spend,
            "worth": worth.value,
            "worth_low": worth.low,
            "worth_high": worth.high,
            "unit": worth.unit,
            "days": DAYS,
        },
    )


def _said(seen: _Seen, worth: _Worth, home: str) -> str:
    value, low, high = (money(one, home, exact=True) for one in (worth.value, worth.low, worth.high))
    says = "may cost" if seen.is_target else "is worth"
    return f"A {worth.unit} {says} {value}" + (f" ({low} to {high})" if low != high else "")


def _at_home(bid: Decimal, campaign: AdCampaign, purse: Purse) -> str:
    """The same in the workspace's currency, where the account has another."""
    rate = purse.rate(campaign.currency or purse.home)
    return f" ({money(bid * rate, purse.home, exact=True)})" if rate is not None and rate != 1 else ""
