"""Figures from rows. Colours are the page's tokens, var(--c1); its script puts in what they stand for, in
either theme.
"""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from apps.attribution.channel_colours import MUTED
from apps.attribution.reports import ChannelRow, Day, Link, Overview, Spread

MOST_DAYS_AS_BARS = 120


def credit_bars(rows: Sequence[ChannelRow]) -> go.Figure:
    """Share of each channel, with the range over all models as a whisker."""
    upward = list(reversed(rows))
    bars = go.Bar(
        orientation="h",
        y=[_plain(row.label) for row in upward],
        x=[row.share for row in upward],
        marker={"color": [colour(row.token) for row in upward]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [row.high - row.share for row in upward],
            "arrayminus": [row.share - row.low for row in upward],
            "color": "var(--ink-2)",
            "thickness": 1.5,
        },
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    return _figure([bars], xaxis={"tickformat": ".0%", "rangemode": "tozero"}, showlegend=False)


def comparison(shown: Overview) -> go.Figure:
    """Each model as one bar of channels' shares, in the colours they have everywhere."""
    models = list(reversed(shown.models))
    bars = [
        go.Bar(
            orientation="h",
            name=_plain(row.label),
            y=[model.label for model in models],
            x=[max(row.by_model[model.name], 0.0) for model in models],
            marker={"color": colour(row.token)},
            hovertemplate=f"%{{y}}: {_plain(row.label)} %{{x:.1%}}<extra></extra>",
        )
        for row in shown.rows
    ]
    return _figure(bars, barmode="stack", xaxis={"tickformat": ".0%"}, legend={"traceorder": "normal"})


def sankey(links: Sequence[Link]) -> go.Figure:
    """From the first touch over the middle and the last to the outcome. A place is a node of its stage."""
    ends = [((link.stage, link.source), (link.stage + 1, link.target)) for link in links]
    nodes = list(dict.fromkeys(node for pair in ends for node in pair))
    place = {node: number for number, node in enumerate(nodes)}
    flow = go.Sankey(
        arrangement="snap",
        node={
            "label": [_plain(name.label) for _, name in nodes],
            "color": [colour(name.token) for _, name in nodes],
            "pad": 12,
            "thickness": 14,
            "line": {"width": 0},
            "hovertemplate": "%{label}: %{value:,.0f}<extra></extra>",
        },
        link={
            "source": [place[source] for source, _ in ends],
            "target": [place[target] for _, target in ends],
            "value": [link.journeys for link in links],
            "color": [colour(link.source.token, opacity=35) for link in links],
            "hovertemplate": "%{source.label} → %{target.label}: %{value:,.0f}<extra></extra>",
        },
    )
    return _figure([flow])


def spread(shown: Spread, *, unit: str) -> go.Figure:
    """How many conversions took how many touches, or days. unit: for the axis."""
    bars = go.Bar(
        x=[one.label for one in shown.bins],
        y=[one.conversions for one in shown.bins],
        marker={"color": "var(--brand)"},
        hovertemplate=f"%{{x}} {_plain(unit)}: %{{y:,.0f}}<extra></extra>",
    )
    return _figure(
        [bars],
        xaxis={"title": {"text": unit}, "type": "category", "tickangle": 0},
        yaxis={"rangemode": "tozero"},
    )


def daily(days: Sequence[Day]) -> go.Figure:
    """Revenue by day: bars for a season, a line for longer."""
    dates, amounts = [one.day.isoformat() for one in days], [float(one.revenue) for one in days]
    hover = "%{x|%-d %b %Y}: %{y:,.2f}<extra></extra>"
    trace: Any
    if len(days) <= MOST_DAYS_AS_BARS:
        trace = go.Bar(x=dates, y=amounts, marker={"color": "var(--brand)"}, hovertemplate=hover)
    else:
        line = {"color": "var(--brand)", "width": 1.5}
        trace = go.Scatter(x=dates, y=amounts, mode="lines", line=line, hovertemplate=hover)
    return _figure([trace], xaxis={"type": "date"}, yaxis={"rangemode": "tozero"}, showlegend=False)


def colour(token: str, *, opacity: int | None = None) -> str:
    """A token as the page's script reads it; opacity in percent."""
    name = "--ink-3" if token == MUTED else f"--{token}"
    return f"var({name})" if opacity is None else f"var({name}/{opacity})"


def _plain(text: str) -> str:
    """Text as it is: its braces and tags mean nothing to plotly."""
    return text.replace("%{", "% {").replace("<", "&lt;")


def _figure(traces: list[Any], **layout: Any) -> go.Figure:
    """Without template and title: the page brings its own. Empty, so that the JSON does not carry plotly's
    default.
    """
    return go.Figure(data=traces, layout={"template": {}, **layout})
