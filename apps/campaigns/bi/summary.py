"""What marketing brought in a period: the figures of the summary, each with its doubt."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import sqrt
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from apps.accounts.errors import Invalid
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import goals, model_guide, questions, reports
from apps.attribution.maths.experiments.proportions import wilson
from apps.attribution.money import quantise
from apps.attribution.questions import Query
from apps.attribution.reports import ChannelRow, Overview
from apps.campaigns.bi import figures, incremental, refreshing
from apps.campaigns.bi.figures import MONEY, PERCENT, Figure
from apps.campaigns.models import CustomerValue, RoiDay

MOST_DAYS = 400
DIRECT = "direct"
# People who clicked before a rate says anything.
LEAST_CLICKERS = 100
# Customers before the spread of what they are worth says how sure the mean is.
LEAST_CUSTOMERS = 30
NO_SPEND = "No spend is known in this period. Connect an ad account, or enter it."
Z = 1.959963984540054
# Each person once: who clicked in several campaigns converted where the goal of one of them was reached
# within its window. Clicks stay with who was absorbed, conversions go to the survivor: both count there.
CLICKED_AND_CONVERTED = """
    WITH clicked AS (
        SELECT coalesce(p.merged_into_id, p.id) AS person_id, c.goal, c.goal_days AS days,
               min(e.occurred_at) AS at
        FROM campaigns_engagement e
        JOIN campaigns_campaign c ON c.workspace_id = e.workspace_id AND c.id = e.campaign_id
        JOIN accounts_person p ON p.workspace_id = e.workspace_id AND p.id = e.person_id
        WHERE e.workspace_id = (SELECT %s::bigint) AND e.kind = 'clicked' AND e.is_first
          AND NOT e.is_machine AND e.occurred_at >= %s AND e.occurred_at < %s
        GROUP BY 1, c.id, c.goal, c.goal_days
    ), people AS (
        SELECT person_id, bool_or(EXISTS (
            SELECT 1 FROM attribution_conversion o
            WHERE o.workspace_id = (SELECT %s::bigint) AND o.person_id = clicked.person_id AND o.is_counted
              AND (clicked.goal = '' OR o.conversion_type = clicked.goal)
              AND o.occurred_at >= clicked.at
              AND o.occurred_at < clicked.at + clicked.days * interval '1 day')) AS has_converted
        FROM clicked GROUP BY person_id)
    SELECT count(*), count(*) FILTER (WHERE has_converted) FROM people
"""
# Pages, the API and the gauge of a minute share one reading of those who clicked.
RATE_KEPT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class ChannelFigures:
    """A channel's credit and cost; low and high are of the revenue, None where there is too little data."""

    key: str
    label: str
    revenue: Decimal
    low: Decimal | None
    high: Decimal | None
    conversions: float
    cost: Decimal | None
    roas: float | None
    cpa: Decimal | None


@dataclass(frozen=True, kw_only=True)
class SegmentValue:
    """What a customer of a first channel has been worth so far, on average."""

    channel: str
    label: str
    customers: int
    value: Figure


@dataclass(frozen=True, kw_only=True)
class Day:
    day: date
    revenue: Decimal
    conversions: int
    spend: Decimal
    campaigns: int
    clicks: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """uncredited: revenue of conversions that no touch led to; with the channels' it is the total."""

    start: date
    end: date
    currency: str
    computed_at: datetime
    refreshed_at: datetime | None
    is_computing: bool
    figures: dict[str, Figure]
    channels: list[ChannelFigures]
    uncredited: Decimal
    total: Decimal | None
    segments: list[SegmentValue]
    days: list[Day]


def summary(actor: Actor, *, days: int = 30, until: date | None = None, now: datetime) -> Summary:
    """The last days in the workspace's zone, `until` among them, or else today. Raises Invalid."""
    if not 1 <= days <= MOST_DAYS:
        raise Invalid({"days": [f"From 1 to {MOST_DAYS}."]})
    workspace: Workspace = Workspace.objects.get()
    end = until or timezone.localtime(now, workspace.zone).date()
    start = end - timedelta(days=days - 1)
    seen = _overview(actor, workspace, start, end, now=now)
    refreshed_at = refreshing.refreshed_at()
    rows = list(RoiDay.objects.filter(day__range=(start, end)).order_by("day"))
    return Summary(
        start=start,
        end=end,
        currency=workspace.currency,
        computed_at=now,
        refreshed_at=refreshed_at,
        is_computing=seen.state == "computing",
        figures=_figures(seen, workspace, start, end, refreshed_at=refreshed_at, now=now),
        channels=[_channel(row, workspace.currency) for row in seen.rows if not row.is_none],
        uncredited=sum((row.revenue for row in seen.rows if row.is_none), Decimal(0)),
        total=None if seen.totals is None else seen.totals.revenue,
        segments=_segments(workspace.currency, refreshed_at),
        days=[_day(row, workspace.currency) for row in rows],
    )


def _overview(actor: Actor, workspace: Workspace, start: date, end: date, *, now: datetime) -> Overview:
    since, until = questions.period(workspace, start, end)
    query = Query(start=since, end=until, **vars(goals.default(workspace).lens))
    return reports.overview(actor, query, model=model_guide.DEFAULT, now=now)


def _figures(
    seen: Overview,
    workspace: Workspace,
    start: date,
    end: date,
    *,
    refreshed_at: datetime | None,
    now: datetime,
) -> dict[str, Figure]:
    earned, currency = attributed(seen), workspace.currency
    return {
        "roi": roi(earned, seen),
        "attributed_revenue": earned,
        "incremental_revenue": incremental.revenue(workspace, start, end, now=now),
        "spend": _spend(seen, currency),
        "conversion_rate": conversion_rate(workspace, start, end, now=now),
        "acquisition_cost": acquisition_cost(workspace, refreshed_at, now=now),
        "viral_coefficient": figures.of("viral_coefficient", now),
        "churn": figures.of("churn", now),
    }


def attributed(seen: Overview) -> Figure:
    """Revenue that the chosen model credits to channels that somebody works on: all but direct, and all that
    had a touch. The total is counted; the interval is of its split.
    """
    if seen.state != "ready" or seen.totals is None:
        return Figure(unit=MONEY, because=_why_not(seen))
    others = [row for row in seen.rows if row.is_none or row.key == DIRECT]
    value = seen.totals.revenue - sum((row.revenue for row in others), Decimal(0))
    ends = [row.surely.revenue for row in others if row.surely is not None]
    is_sure = seen.is_sure and len(ends) == len(others)
    return Figure(
        unit=MONEY,
        value=value,
        low=float(seen.totals.revenue - sum((high for _, high in ends), Decimal(0))) if is_sure else None,
        high=float(seen.totals.revenue - sum((low for low, _ in ends), Decimal(0))) if is_sure else None,
        n=seen.totals.conversions,
        what="conversions",
        as_of=seen.computed_at,
        doubt=f"{seen.model.label} shares credit by paths; only a lift test shows what was caused.",
    )


def roi(earned: Figure, seen: Overview) -> Figure:
    """What came back on what was spent, less what was spent, in percent."""
    if earned.value is None:
        return Figure(unit=PERCENT, because=earned.because)
    cost = seen.totals.cost if seen.totals else Decimal(0)
    if cost <= 0:
        return Figure(unit=PERCENT, because=NO_SPEND)
    low, high = (None if end is None else (end / float(cost) - 1) * 100 for end in (earned.low, earned.high))
    return Figure(
        unit=PERCENT,
        value=float((Decimal(earned.value) - cost) / cost * 100),
        low=low,
        high=high,
        n=earned.n,
        what=earned.what,
        as_of=earned.as_of,
        doubt="Of revenue, not of profit; what is spent outside ad accounts is not in it.",
    )


def _spend(seen: Overview, currency: str) -> Figure:
    if seen.totals is None:
        return Figure(unit=MONEY, because=_why_not(seen))
    if seen.totals.cost <= 0:
        return Figure(unit=MONEY, because=NO_SPEND)
    return Figure(
        unit=MONEY,
        value=quantise(seen.totals.cost, currency),
        as_of=seen.computed_at,
        doubt="Counted, not estimated; what is spent outside ad accounts is not in it.",
    )


def recent_conversion_rate(*, days: int, now: datetime) -> Figure:
    """The same of the last days, today among them, as the summary has it."""
    workspace: Workspace = Workspace.objects.get()
    end = timezone.localtime(now, workspace.zone).date()
    return conversion_rate(workspace, end - timedelta(days=days - 1), end, now=now)


def conversion_rate(workspace: Workspace, start: date, end: date, *, now: datetime) -> Figure:
    """Of the people who clicked a message, the share that reached the goal of a campaign that they clicked
    in, within its window (Wilson). Up to RATE_KEPT_SECONDS old.
    """
    people, converted, counted_at = _clicked_and_converted(workspace, start, end, now=now)
    if people < LEAST_CLICKERS:
        short = f"{people:,} of {LEAST_CLICKERS} people have clicked a message."
        return Figure(
            unit=PERCENT, n=people, what="people who clicked", because=f"Not enough data yet: {short}"
        )
    low, high = wilson(converted, people)
    return Figure(
        unit=PERCENT,
        value=converted / people * 100,
        low=low * 100,
        high=high * 100,
        n=people,
        what="people who clicked",
        as_of=counted_at,
        doubt="Windows of the latest clicks are still open.",
    )


def _clicked_and_converted(
    workspace: Workspace, start: date, end: date, *, now: datetime
) -> tuple[int, int, datetime]:
    """People who clicked, those of them who converted, and when they were counted."""
    key = f"bi:clicked:{workspace.pk}:{start}:{end}"
    known: tuple[int, int, datetime] | None = cache.get(key)
    if known is None:
        since, until = questions.period(workspace, start, end)
        with connection.cursor() as cursor:
            cursor.execute(CLICKED_AND_CONVERTED, [workspace.pk, since, until, workspace.pk])
            [(people, converted)] = cursor.fetchall()
        known = (people, converted, now)
        cache.set(key, known, RATE_KEPT_SECONDS)
    return known


def acquisition_cost(workspace: Workspace, refreshed_at: datetime | None, *, now: datetime) -> Figure:
    """Spend of the last 30 days for each customer whose first conversion fell into them."""
    if refreshed_at is None:
        return Figure(
            unit=MONEY, because="It is being worked out for the first time; look again in a minute."
        )
    recent = CustomerValue.objects.aggregate(n=Sum("recent"))["n"] or 0
    today = timezone.localtime(now, workspace.zone).date()
    days = RoiDay.objects.filter(day__gt=today - timedelta(days=30), day__lte=today)
    month: Decimal | None = days.aggregate(spend=Sum("spend"))["spend"]
    if not month:
        return Figure(unit=MONEY, because="No spend is known in the last 30 days.")
    if not recent:
        return Figure(unit=MONEY, because="Nobody became a customer in the last 30 days.")
    return Figure(
        unit=MONEY,
        value=quantise(month / recent, workspace.currency),
        low=float(month) / (recent + Z * sqrt(recent)),
        high=float(month) / max(recent - Z * sqrt(recent), 1.0),
        n=recent,
        what="new customers of the last 30 days",
        as_of=refreshed_at,
        doubt="Customers who would have come without marketing are among them.",
    )


def _segments(currency: str, refreshed_at: datetime | None) -> list[SegmentValue]:
    labels = {one.key: one.label for one in reports.channels()}
    return [
        SegmentValue(
            channel=one.channel,
            label=labels.get(one.channel, one.channel or "No touch before"),
            customers=one.customers,
            value=lifetime_value(one, currency, refreshed_at),
        )
        for one in CustomerValue.objects.order_by("-revenue")
    ]


def lifetime_value(of: CustomerValue, currency: str, refreshed_at: datetime | None) -> Figure:
    """The mean of what customers have been worth so far; none is taken to come yet."""
    n, mean = of.customers, float(of.revenue) / of.customers
    half = Z * sqrt(max(of.squares / n - mean * mean, 0.0) / n) if n >= LEAST_CUSTOMERS else None
    return Figure(
        unit=MONEY,
        value=quantise(of.revenue / of.customers, currency),
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        n=n,
        what="customers",
        as_of=refreshed_at,
        doubt="What is still to come is not in it.",
    )


def _day(row: RoiDay, currency: str) -> Day:
    return Day(
        day=row.day,
        revenue=quantise(row.revenue, currency),
        conversions=row.conversions,
        spend=quantise(row.spend, currency),
        campaigns=row.campaigns,
        clicks=row.clicks,
    )


def _channel(row: ChannelRow, currency: str) -> ChannelFigures:
    low, high = row.surely.revenue if row.surely else (None, None)
    return ChannelFigures(
        key=row.key,
        label=row.label,
        revenue=quantise(row.revenue, currency),
        low=None if low is None else quantise(low, currency),
        high=None if high is None else quantise(high, currency),
        conversions=row.conversions,
        cost=None if row.cost is None else quantise(row.cost, currency),
        roas=row.roas,
        cpa=None if row.cpa is None else quantise(row.cpa, currency),
    )


def _why_not(seen: Overview) -> str:
    return {
        "computing": "It is being computed; look again in a minute.",
        "no_data": "Nothing was tracked in this period.",
    }.get(seen.state, "Nothing was converted in this period.")


def _row(one: ChannelFigures | Day) -> dict[str, Any]:
    """Its money as decimals in quotes, with all their coins."""
    return {name: str(told) if isinstance(told, Decimal) else told for name, told in vars(one).items()}


def _figure(one: Figure) -> dict[str, Any]:
    return {**vars(one), "value": _plain(one.value)}


def _plain(value: float | Decimal | None) -> float | None:
    """As a number of JSON: of money in coins it has the same digits."""
    return None if value is None else float(value)


def as_json(found: Summary) -> dict[str, Any]:
    """What GET bi/summary answers: the four figures by their first names, then all of them in full."""
    first = {
        "roi": _plain(found.figures["roi"].value),
        "attributedRevenue": _plain(found.figures["attributed_revenue"].value),
        "viralCoefficient": _plain(found.figures["viral_coefficient"].value),
        "conversionRate": _plain(found.figures["conversion_rate"].value),
    }
    return {
        **first,
        "currency": found.currency,
        "from": found.start.isoformat(),
        "to": found.end.isoformat(),
        "computedAt": found.computed_at,
        "refreshedAt": found.refreshed_at,
        "figures": {name: _figure(one) for name, one in found.figures.items()},
        "channels": [_row(one) for one in found.channels],
        "uncreditedRevenue": str(quantise(found.uncredited, found.currency)),
        "totalRevenue": None if found.total is None else str(quantise(found.total, found.currency)),
        "segments": [
            {
                "channel": one.channel,
                "label": one.label,
                "customers": one.customers,
                "value": _figure(one.value),
            }
            for one in found.segments
        ],
        "days": [_row(one) for one in found.days],
    }
