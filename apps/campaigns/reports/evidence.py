"""What stands behind a recommendation: the days of what it changes, its curve, the figures as they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from apps.accounts.figures import DASH, money, number, percent
from apps.attribution import exchange
from apps.campaigns import wording
from apps.campaigns.maths.plan_doubt import Z95
from apps.campaigns.models import Change, Kind, Recommendation
from apps.campaigns.optimization import figures
from apps.campaigns.optimization.figures import Part
from apps.integrations.models import AdDay

DAYS = 90
MOST_ROWS = 50
CURVE_POINTS = 60
# Shown on the chart of the curve, or nothing that a person asks for.
NOT_TOLD = {"scale", "exponent", "exponent_error", "from", "until", "campaign_ids"}
LABELS = {
    "campaigns": "Campaigns",
    "size": "Share by which a budget moves",
    "dimension": "Told apart by",
    "spend": "Spend of these days",
    "clicks": "Clicks of these days",
    "conversions": "Conversions of these days",
    "worth": "What one is worth",
    "worth_low": "The same, lower end of its 95 % interval",
    "worth_high": "The same, upper end of its 95 % interval",
    "unit": "One of",
    "ratio": "Cost of a conversion, times the rest's",
    "ratio_low": "The same, lower end of its 95 % interval",
    "ratio_high": "The same, upper end of its 95 % interval",
    "lost": "Share of clicks lost to wear",
    "slope": "Log of the click rate, by log of the frequency",
    "error": "The same, standard error",
    "frequency_then": "Times that a person saw it, at first",
    "frequency_now": "Times that a person sees it now",
    "worth_of_click": "Profit of a click, before advertising",
    "p_value": "Chance alone would show as much with probability",
    "days": "Days of history",
    "spend_now": "Spend a day, now",
    "budget_now": "Budget a day, now",
    "budget_planned": "Budget a day, planned",
    "marginal_return": "Revenue that one more unit of spend brings here",
    "price_of_money": "Profit that a unit of spend brings elsewhere in the plan",
    "margin": "Share of revenue that is left before advertising",
    "binds": "What holds it there",
}
OF_MONEY = {
    "spend", "worth", "worth_low", "worth_high", "worth_of_click", "spend_now", "budget_now",
    "budget_planned", "marginal_return", "price_of_money",
}  # fmt: skip
OF_SHARES = {"size", "lost", "margin"}


@dataclass(frozen=True, kw_only=True)
class Day:
    """Money is the workspace's. is_changed: a change of the campaign was carried out that day."""

    on: date
    spend: float
    revenue: float
    clicks: float
    conversions: float
    is_changed: bool


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Revenue a day by spend a day: the curve with its 95 % interval, and the days it was learnt from."""

    spend: Sequence[float]
    revenue: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    days: Sequence[Day]
    now: float
    planned: float
    exponent: float
    exponent_error: float

    def at(self, spend: float) -> tuple[float, ...]:
        """Revenue at a spend, and the ends of its interval."""
        return tuple(float(np.interp(spend, self.spend, one)) for one in (self.revenue, self.low, self.high))


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures that came as a list, with a column a name."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """days_of: what the days are of, in words."""

    days: Sequence[Day]
    days_of: str
    curve: Curve | None
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Table]


def read(found: Recommendation, *, until: date) -> Evidence:
    """until: the last day that is over."""
    days, days_of = _days(found, until)
    home = exchange.purse().home
    learnt_until = _day(found.evidence.get("until")) or found.created_at.date()
    return Evidence(
        days=days,
        days_of=days_of,
        curve=_curve(found.evidence, [one for one in days if one.on <= learnt_until]),
        facts=[
            (LABELS.get(key, _words(key)), _fact(key, value, home))
            for key, value in sorted(found.evidence.items(), key=lambda item: _place(item[0]))
            if key not in NOT_TOLD and _is_fact(value)
        ],
        tables=[table for key, value in found.evidence.items() if (table := _table(key, value))],
    )


def _days(found: Recommendation, until: date) -> tuple[list[Day], str]:
    """Of the segment or the ad that is changed, or of the whole campaign; of a test, none of its many."""
    if found.kind == Kind.BUDGET_TEST:
        return [], ""
    done = Change.objects.filter(campaign=found.campaign_id, state=Change.State.DONE)
    changed = set(done.values_list("day", flat=True))
    part = _part_of(found, until)
    if part is not None:
        return _days_of_part(part, changed), f"{found.campaign.name}, {part.name}"
    purse = exchange.purse()
    rows = AdDay.objects.filter(
        campaign=found.campaign_id, on__gt=until - timedelta(days=DAYS), on__lte=until
    ).order_by("on")
    return [
        Day(
            on=row.on,
            spend=float(row.spend) * rate,
            revenue=float(row.conversion_value or 0) * rate,
            clicks=float(row.clicks or 0),
            conversions=float(row.conversions or 0),
            is_changed=row.on in changed,
        )
        for row in rows
        if (rate := float(purse.rate(row.currency) or 0))
    ], found.campaign.name


def _part_of(found: Recommendation, until: date) -> Part | None:
    sources = {Kind.TARGETING: figures.segments, Kind.CREATIVE: figures.creatives}
    source = sources.get(Kind(found.kind))
    if source is None:
        return None
    parts = source([found.campaign], until=until, days=DAYS)
    return next((one for one in parts if one.key == found.target), None)


def _days_of_part(part: Part, changed: set[date]) -> list[Day]:
    return [
        Day(
            on=on,
            spend=float(part.spend[place]),
            revenue=float(part.conversion_value[place]),
            clicks=float(part.clicks[place]),
            conversions=float(part.conversions[place]),
            is_changed=on in changed,
        )
        for place in range(len(part.spend))
        if np.isfinite(part.spend[place]) and (on := part.first_day + timedelta(days=place))
    ]


def _curve(told: dict[str, Any], days: Sequence[Day]) -> Curve | None:
    """Through today's level: at the present spend the power of the curve makes no difference."""
    scale, k, error = (_number(told.get(key)) for key in ("scale", "exponent", "exponent_error"))
    now = _number(told.get("budget_now")) or _number(told.get("spend_now"))
    if not (scale and k and now):
        return None
    planned = _number(told.get("budget_planned")) or now
    most = 1.15 * max(now, planned, *(one.spend for one in days), 0.0)
    spend = np.linspace(most / CURVE_POINTS, most, CURVE_POINTS)
    level, doubt = scale * now**k, Z95 * (error or 0.0)
    ends = [level * (spend / now) ** max(k - doubt, 0.0), level * (spend / now) ** (k + doubt)]
    return Curve(
        spend=spend.tolist(),
        revenue=(scale * spend**k).tolist(),
        low=np.minimum(*ends).tolist(),
        high=np.maximum(*ends).tolist(),
        days=[one for one in days if one.spend > 0],
        now=now,
        planned=planned,
        exponent=k,
        exponent_error=error or 0.0,
    )


def _table(key: str, value: Any) -> Table | None:
    """A list of figures with names, or with none."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    names = dict.fromkeys(name for one in value for name in one)
    # The order in which they were written is not kept: words first, then figures.
    columns = sorted(names, key=lambda name: (not any(isinstance(one.get(name), str) for one in value), name))
    rows = [[_told(one.get(name)) for name in columns] for one in value[:MOST_ROWS]]
    return Table(title=_words(key), columns=[_words(name) for name in columns], rows=rows)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _fact(key: str, value: Any, home: str) -> str:
    """A figure with its unit."""
    amount = _number(value)
    if amount is not None and key in OF_MONEY:
        return money(amount, home, exact=True)
    if amount is not None and key in OF_SHARES:
        return percent(amount)
    if amount is not None and key == "p_value":
        return wording.chance(amount)
    return wording.binds(value) or "nothing" if key == "binds" else _told(value)


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value[:MOST_ROWS])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 4 if abs(value) < 1 else 2)
    return number(value) if isinstance(value, int) else DASH if value is None else str(value)


def _is_fact(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, str) for one in value)
    return not isinstance(value, dict) and value not in {"", None}


def _place(key: str) -> tuple[int, str]:
    """Known figures as they are listed above, then the others."""
    return (list(LABELS).index(key), key) if key in LABELS else (len(LABELS), key)


def _words(key: str) -> str:
    return key.replace("_", " ").capitalize()
