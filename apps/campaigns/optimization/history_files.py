"""Curves from a file of history: campaign, date, spend and revenue, one row a campaign and day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from apps.attribution import row_files
from apps.campaigns.maths.response.curves import Curves
from apps.campaigns.maths.response.fit import fit_curves
from apps.campaigns.optimization.plan_cells import Fault, Faults, number, printable

COLUMNS = ("campaign", "date", "spend", "revenue")
MOST_DAYS = 1_100


@dataclass(frozen=True, kw_only=True)
class History:
    """curves: of the campaigns in the file's order of first mention; silent: why some have none."""

    campaigns: list[str]
    curves: Curves
    first_day: date
    last_day: date
    silent: dict[str, str]


@dataclass(frozen=True)
class _Day:
    campaign: str
    on: date
    spend: float
    revenue: float


def read(rows: Iterable[row_files.Row]) -> History:
    """Fit the curves of a history. Raises PlanFileRefused with the lines that cannot be used."""
    faults, seen = Faults(), dict[tuple[str, date], int]()
    days = [day for row in rows if (day := faults.of(row, lambda row: _day(row, seen))) is not None]
    faults.refuse()
    first, last = min(day.on for day in days), max(day.on for day in days)
    if (last - first).days >= MOST_DAYS:
        faults.add(f"It spans {(last - first).days + 1:,} days. Keep the last {MOST_DAYS:,} at most.")
        faults.refuse()
    names = list(dict.fromkeys(day.campaign for day in days))
    spend, revenue = (np.full((len(names), (last - first).days + 1), np.nan) for _ in range(2))
    places = {name: place for place, name in enumerate(names)}
    for day in days:
        column = (day.on - first).days
        spend[places[day.campaign], column] = day.spend
        revenue[places[day.campaign], column] = day.revenue
    curves = fit_curves(spend, revenue)
    silent = {
        name: str(reason).replace("_", " ")
        for name, reason in zip(names, curves.reasons, strict=True)
        if reason is not None
    }
    return History(campaigns=names, curves=curves, first_day=first, last_day=last, silent=silent)


def _day(row: row_files.Row, seen: dict[tuple[str, date], int]) -> _Day:
    campaign = printable(str(row.values.get("campaign") or "").strip())
    if not campaign:
        raise Fault("the campaign has no name. Write one in the column campaign.")
    on = _date(row)
    if (campaign, on) in seen:
        raise Fault(f"{campaign!r} on {on} is on line {seen[campaign, on]} already. Keep one of the two.")
    seen[campaign, on] = row.line
    spend, revenue = number(row, "spend"), number(row, "revenue")
    if spend is None or revenue is None:
        raise Fault("spend or revenue is empty. Write 0 for none, or leave the day out where it is unknown.")
    return _Day(campaign, on, spend, revenue)


def _date(row: row_files.Row) -> date:
    given = row.values.get("date")
    if isinstance(given, date):
        return given
    text = str(given or "").strip()
    try:
        on = date.fromisoformat(text)
    except ValueError:
        raise Fault(f"date is {printable(text)!r}. Write a day like 2026-11-30.") from None
    if not date(1970, 1, 1) <= on <= date(2200, 1, 1) - timedelta(days=1):
        raise Fault(f"date is {on}. Write a day between 1970 and 2199.")
    return on
