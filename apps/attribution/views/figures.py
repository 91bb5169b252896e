"""The overview's charts with their numbers as tables, as partials/figure.html takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts.figures import interval, money, number, percent
from apps.attribution import charts
from apps.attribution.reports import ChannelRow, Link, Overview, Spread

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


def of_overview(found: Overview) -> dict[str, Figure | list[Figure]]:
    """Revenue by day, the flow of journeys, and side by side what it takes to convert."""
    spreads = [_touches(found.touches), _days(found.days)] if found.touches and found.days else []
    return {"daily": _daily(found), "flow": _sankey(found.links), "half": spreads}


def comparison(found: Overview) -> dict[str, Any]:
    """Chart and table of each channel's share under each model; the table's are ready texts."""
    rows = [
        {
            "label": row.label,
            "token": row.token,
            "shares": [(percent(row.by_model[one.name]), _ends(row, one.name)) for one in found.models],
        }
        for row in found.rows
    ]
    drawn = charts.comparison(found)
    drawn["layout"]["showlegend"] = False  # the page has its own, which wraps on narrow screens
    return {"figure": drawn, "rows": rows}


def spans(found: Overview, row: ChannelRow) -> Figure | None:
    """One channel under each model with how sure that is; None where there is not enough data."""
    if not row.surely_by_model:
        return None
    return Figure(
        id="spans-figure",
        figure=charts.spans(found, row),
        title="What each model says, and how sure it is",
        note=f"share of the {found.measure}; whiskers: 95 % intervals, what chance alone leaves open",
        label=f"Share of {row.label} under each model, with its interval",
        columns=("Model", "Share", "From", "To"),
        rows=[
            [model.label, percent(row.by_model[model.name]), *(percent(end) for end in ends)]
            for model in found.models
            if (ends := row.surely_by_model.get(model.name))
        ],
        tall=True,
    )


def _ends(row: ChannelRow, model: str) -> str:
    ends = row.surely_by_model.get(model)
    return interval(ends[0] * 100, ends[1] * 100, 1) if ends else ""


def _daily(found: Overview) -> Figure:
    drawn = charts.daily(found.daily)
    drawn["layout"]["yaxis"] |= {
        "tickprefix": money(0, found.currency).removesuffix("0"),
        "tickformat": ",",
    }
    return Figure(
        id="daily-figure",
        figure=drawn,
        title="Revenue by day",
        note="days of the workspace's clock; by the day of the conversion",
        label="Revenue and conversions of each day",
        columns=("Day", "Conversions", "Revenue"),
        rows=[
            [f"{day.day:%d %b %Y}", number(day.conversions), money(day.revenue, found.currency)]
            for day in found.daily
        ],
    )


def _sankey(links: Sequence[Link]) -> Figure:
    return Figure(
        id="flow-figure",
        figure=charts.sankey(links),
        title="How journeys run",
        note="first → middle → last touch → outcome",
        label="Journeys from their first channel to their last, and whether they converted",
        columns=("Step", "From", "To", "Journeys"),
        rows=[
            [STAGES[link.stage], link.source.label, link.target.label, number(link.journeys)]
            for link in links
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
        figure=charts.spread(spread, unit=unit),
        title=title,
        note=note,
        label=f"How many conversions took how many {unit}",
        columns=(unit.capitalize(), "Conversions", "Share"),
        rows=[[one.label, number(one.conversions), percent(one.conversions / total)] for one in spread.bins],
    )
