"""Figures of optimisation as the JSON that plotly's script draws; colours are the page's tokens."""

from collections.abc import Sequence
from typing import Any

from apps.campaigns.bi.summary import Day as BusinessDay
from apps.campaigns.content.predictions import Scored
from apps.campaigns.maths.reliability import Bin
from apps.campaigns.optimization.what_if import Point
from apps.campaigns.reports.evidence import Curve, Day
from apps.campaigns.reports.plan import Plan

Drawn = dict[str, Any]


def frontier(points: Sequence[Point], plan: Plan | None, *, now: tuple[float, float], sign: str) -> Drawn:
    """Revenue by total budget at its best; where we are, and where the plan is. now: total and revenue."""
    money = f"{_plain(sign)}%{{x:,.0f}} a day: {_plain(sign)}%{{y:,.0f}}"
    traces: list[Drawn] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "The best of each total",
            "x": [one.total for one in points],
            "y": [one.revenue for one in points],
            "line": {"color": "var(--brand)", "width": 2},
            "hovertemplate": f"{money} at its best<extra></extra>",
        },
        _place("Where we are", now, "var(--ink-2)", "circle-open", f"{money} today<extra></extra>"),
    ]
    if plan is not None:
        ends = (plan.total, plan.revenue)
        traces.append(_place("Where the plan is", ends, "var(--brass)", "diamond", f"{money}<extra></extra>"))
    return _figure(
        traces,
        xaxis=_money_axis("total budget a day", sign),
        yaxis=_money_axis("revenue a day", sign),
    )


def curve(found: Curve, *, sign: str) -> Drawn:
    """The curve in its band, the days that it was learnt from, and both budgets upon it."""
    money = f"{_plain(sign)}%{{x:,.2f}} a day: {_plain(sign)}%{{y:,.2f}}"
    band = {
        "type": "scatter",
        "mode": "lines",
        "name": "95 % interval",
        "x": [*found.spend, *reversed(found.spend)],
        "y": [*found.high, *reversed(found.low)],
        "fill": "toself",
        "fillcolor": "var(--brand/16)",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    days = {
        "type": "scatter",
        "mode": "markers",
        "name": "A day",
        "x": [one.spend for one in found.days],
        "y": [one.revenue for one in found.days],
        "marker": {"color": "var(--ink-3/60)", "size": 5},
        "customdata": [f"{one.on.day} {one.on:%b %Y}" for one in found.days],
        "hovertemplate": f"%{{customdata}}, {money}<extra></extra>",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "Expected revenue",
        "x": found.spend,
        "y": found.revenue,
        "line": {"color": "var(--brand)", "width": 2},
        "hovertemplate": f"{money} expected<extra></extra>",
    }
    now = (found.now, found.at(found.now)[0])
    planned = (found.planned, found.at(found.planned)[0])
    return _figure(
        [
            band,
            days,
            line,
            _place("Budget now", now, "var(--ink-2)", "circle-open", f"{money} now<extra></extra>"),
            _place("Budget planned", planned, "var(--brass)", "diamond", f"{money} planned<extra></extra>"),
        ],
        xaxis=_money_axis("spend a day", sign),
        yaxis=_money_axis("revenue a day", sign),
    )


def daily(days: Sequence[Day], *, sign: str) -> Drawn:
    """Spend as bars, revenue as a line, and a mark where a change was made."""
    dates = [one.on.isoformat() for one in days]
    told = f"%{{x|%-d %b %Y}}: {_plain(sign)}%{{y:,.2f}}"
    traces: list[Drawn] = [
        {
            "type": "bar",
            "name": "Spend",
            "x": dates,
            "y": [one.spend for one in days],
            "marker": {"color": "var(--c2)"},
            "hovertemplate": f"{told} spent<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Revenue",
            "x": dates,
            "y": [one.revenue for one in days],
            "line": {"color": "var(--c1)", "width": 1.5},
            "hovertemplate": f"{told} of revenue<extra></extra>",
        },
    ]
    changed = [one for one in days if one.is_changed]
    if changed:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "Changed here",
                "x": [one.on.isoformat() for one in changed],
                "y": [one.revenue for one in changed],
                "marker": {"color": "var(--brass)", "symbol": "diamond", "size": 10},
                "hovertemplate": "%{x|%-d %b %Y}: changed<extra></extra>",
            }
        )
    return _figure(traces, xaxis={"type": "date", "tickformat": "%-d %b\n%Y"}, yaxis=_money_axis("", sign))


def reliability(bins: Sequence[Bin]) -> Drawn:
    """On the diagonal, as many claims came true as were claimed."""
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "x": [0.4, 1],
        "y": [0.4, 1],
        "line": {"color": "var(--ink-3)", "dash": "dot", "width": 1},
        "hoverinfo": "skip",
    }
    dots = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [one.claimed for one in bins],
        "y": [one.rate for one in bins],
        "line": {"color": "var(--brand)", "width": 1.5},
        "marker": {"size": 8},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [one.rate_high - one.rate for one in bins],
            "arrayminus": [one.rate - one.rate_low for one in bins],
            "color": "var(--ink-2)",
            "thickness": 1.5,
        },
        "hovertemplate": "claimed %{x:.0%}: %{y:.0%} came true<extra></extra>",
    }
    return _figure(
        [diagonal, dots],
        xaxis={"tickformat": ".0%", "title": {"text": "claimed"}, "range": [0.4, 1.02]},
        yaxis={"tickformat": ".0%", "title": {"text": "came true"}, "range": [0, 1.05]},
        showlegend=False,
    )


def foretold(rows: Sequence[Scored]) -> Drawn:
    """Each variant's rate as it came, beside the middle and the interval that were foretold. On the diagonal
    both are the same.
    """
    most = 1.05 * max(max(one.high, one.came) for one in rows)
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, most],
        "y": [0, most],
        "line": {"color": "var(--ink-3)", "dash": "dot", "width": 1},
        "hoverinfo": "skip",
    }
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [one.middle for one in rows],
        "y": [one.came for one in rows],
        "marker": {
            "size": 8,
            "color": ["var(--ink-3)" if one.is_prior_only else "var(--brand)" for one in rows],
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.middle for one in rows],
            "arrayminus": [one.middle - one.low for one in rows],
            "color": "var(--ink-2)",
            "thickness": 1,
        },
        "customdata": [_plain(f"{one.content.campaign.name}: {one.content.key}") for one in rows],
        "hovertemplate": "%{customdata}<br>foretold %{x:.1%}, came %{y:.1%}<extra></extra>",
    }
    return _figure(
        [diagonal, dots],
        xaxis={"tickformat": ".0%", "title": {"text": "foretold"}, "range": [0, most]},
        yaxis={"tickformat": ".0%", "title": {"text": "came"}, "range": [0, most]},
        showlegend=False,
    )


def _place(name: str, at: tuple[float, float], colour: str, symbol: str, told: str) -> Drawn:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [at[0]],
        "y": [at[1]],
        "marker": {"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2, "color": colour}},
        "hovertemplate": told,
    }


def business_days(days: Sequence[BusinessDay], *, sign: str) -> Drawn:
    """Spend as bars and revenue as a line, day by day."""
    dates = [one.day.isoformat() for one in days]
    told = f"%{{x|%-d %b %Y}}: {_plain(sign)}%{{y:,.2f}}"
    return _figure(
        [
            {
                "type": "bar",
                "name": "Spend",
                "x": dates,
                "y": [float(one.spend) for one in days],
                "marker": {"color": "var(--c2)"},
                "hovertemplate": f"{told} spent<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Revenue",
                "x": dates,
                "y": [float(one.revenue) for one in days],
                "line": {"color": "var(--c1)", "width": 1.5},
                "hovertemplate": f"{told} of revenue<extra></extra>",
            },
        ],
        yaxis=_money_axis("a day", sign),
    )


def _money_axis(title: str, sign: str) -> Drawn:
    return {"title": {"text": title}, "rangemode": "tozero", "tickprefix": _plain(sign), "tickformat": ",~r"}


def _plain(text: str) -> str:
    """Text as it is: its braces and tags mean nothing to plotly."""
    return text.replace("%{", "% {").replace("<", "&lt;")


def _figure(traces: list[Drawn], **layout: Any) -> Drawn:
    """Without template and title: the page brings its own."""
    return {"data": traces, "layout": {"template": {}, **layout}}
