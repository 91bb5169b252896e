"""The overview's charts with their numbers as tables, as partials/figure.html takes them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts.figures import money, number, percent
from apps.attribution import charts
from apps.attribution.reports import Link, Overview, Spread

STAGES = ("first to middle", "middle to last", "last to outcome")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """id and figure: for the script; title, note, label: in words; columns and rows: the same numbers."""

    id: str
    figure: dict[str, Any]
    title: str
    note: str
    label: str
    columns: Sequence[str]
    rows: list[list[str]]
    texts: int = 1
    tall: bool = False


def of_overview(found: Overview) -> dict[str, list[Figure]]:
    """Wide ones below one another, half-wide ones side by side."""
    return {"wide": [_daily(found), _sankey(found.links)], "half": [_touches(found.touches), _days(found.days)]}


def comparison(found: Overview) -> dict[str, Any]:
    """Chart and table of each channel's share under each model."""
    rows = [
        {"label": row.label, "token": row.token, "shares": [row.by_model.get(one.name) for one in found.models]}
        for row in found.rows
    ]
    return {"figure": plain(charts.comparison(found)), "rows": rows}


def plain(figure: Any) -> dict[str, Any]:
    """A plotly figure as the page carries it."""
    read: dict[str, Any] = json.loads(figure.to_json())
    return read


def _daily(found: Overview) -> Figure:
    return Figure(
        id="daily-figure",
        figure=plain(charts.daily(found.daily)),
        title="Revenue by day",
        note="days of the workspace's clock; by the day of the conversion",
        label="Revenue and conversions of each day",
        columns=("Day", "Conversions", "Revenue"),
        rows=[
            [f"{day.day:%d %b %Y}", number(day.conversions), money(day.revenue, found.currency)]
            for day in found.daily
        ],
    )


def _sankey(links: Iterable[Link]) -> Figure:
    return Figure(
        id="flow-figure",
        figure=plain(charts.sankey(links)),
        title="How journeys run",
        note="first → middle → last touch → outcome",
        label="Journeys from their first channel over those between to their last, and whether they converted",
        columns=("Step", "From", "To", "Journeys"),
        rows=[
            [STAGES[link.stage], link.source_label, link.target_label, number(link.journeys)] for link in links
        ],
        texts=3,
        tall=True,
    )


def _touches(spread: Spread) -> Figure:
    middle = "" if spread.median is None else f"half need {number(spread.median)} or fewer"
    return _spread("touches", "Touches to convert", "touches", spread, note=middle)


def _days(spread: Spread) -> Figure:
    middle = "" if spread.median is None else f"half take {number(spread.median, 1)} days or less"
    return _spread("days", "Days to convert", "days", spread, note=middle)


def _spread(name: str, title: str, unit: str, spread: Spread, *, note: str) -> Figure:
    total = sum(one.conversions for one in spread.bins) or 1
    return Figure(
        id=f"{name}-figure",
        figure=plain(charts.spread(spread, unit)),
        title=title,
        note=note,
        label=f"How many conversions took how many {unit}",
        columns=(unit.capitalize(), "Conversions", "Share"),
        rows=[[one.label, number(one.conversions), percent(one.conversions / total)] for one in spread.bins],
    )
