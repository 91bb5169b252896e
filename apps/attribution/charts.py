"""Figures from rows, as the JSON that plotly's script draws: {"data": traces, "layout": layout}. They are
plain dicts, since plotly's own classes take longer to check them than the page takes to be made.

Colours are the page's tokens, var(--c1); its script puts in what they stand for, in either theme.
"""

from collections.abc import Sequence
from typing import Any

from apps.attribution.channel_colours import MUTED
from apps.attribution.reports import ChannelRow, Day, Link, Overview, Spread

MOST_DAYS_AS_BARS = 120

Drawn = dict[str, Any]


def comparison(shown: Overview) -> Drawn:
    """Each model as one bar of channels' shares, in the colours they have everywhere."""
    models = list(reversed(shown.models))
    bars = [
        {
            "type": "bar",
            "orientation": "h",
            "name": _plain(row.label),
            "y": [model.label for model in models],
            "x": [max(row.by_model[model.name], 0.0) for model in models],
            "marker": {"color": colour(row.token)},
            "customdata": [_ends(row, model.name) for model in models],
            "hovertemplate": f"%{{y}}: {_plain(row.label)} %{{x:.1%}}%{{customdata}}<extra></extra>",
        }
        for row in shown.rows
    ]
    return _figure(bars, barmode="stack", xaxis={"tickformat": ".0%"}, legend={"traceorder": "normal"})


def spans(shown: Overview, row: ChannelRow) -> Drawn:
    """One channel's share under each model, with its 95 % interval as a whisker."""
    models = [model for model in reversed(shown.models) if model.name in row.surely_by_model]
    shares = [row.by_model[model.name] for model in models]
    ends = [row.surely_by_model[model.name] for model in models]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "y": [model.label for model in models],
        "x": shares,
        "marker": {"color": colour(row.token), "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - share for share, (_, high) in zip(shares, ends, strict=True)],
            "arrayminus": [share - low for share, (low, _) in zip(shares, ends, strict=True)],
            "color": "var(--ink-2)",
            "thickness": 1.5,
        },
        "customdata": [_ends(row, model.name) for model in models],
        "hovertemplate": "%{y}: %{x:.1%}%{customdata}<extra></extra>",
    }
    return _figure([dots], xaxis={"tickformat": ".0%", "rangemode": "tozero"}, showlegend=False)


def _ends(row: ChannelRow, model: str) -> str:
    ends = row.surely_by_model.get(model)
    return f" ({ends[0] * 100:.1f}\N{EN DASH}{ends[1] * 100:.1f} %)" if ends else ""


def sankey(links: Sequence[Link]) -> Drawn:
    """From the first touch over the middle and the last to the outcome. A place is a node of its stage."""
    ends = [((link.stage, link.source), (link.stage + 1, link.target)) for link in links]
    nodes = list(dict.fromkeys(node for pair in ends for node in pair))
    place = {node: number for number, node in enumerate(nodes)}
    flow = {
        "type": "sankey",
        "arrangement": "snap",
        "node": {
            "label": [_plain(name.label) for _, name in nodes],
            "color": [colour(name.token) for _, name in nodes],
            "pad": 12,
            "thickness": 14,
            "line": {"width": 0},
            "hovertemplate": "%{label}: %{value:,.0f}<extra></extra>",
        },
        "link": {
            "source": [place[source] for source, _ in ends],
            "target": [place[target] for _, target in ends],
            "value": [link.journeys for link in links],
            "color": [colour(link.source.token, opacity=35) for link in links],
            "hovertemplate": "%{source.label} → %{target.label}: %{value:,.0f}<extra></extra>",
        },
    }
    return _figure([flow])


def spread(shown: Spread, *, unit: str) -> Drawn:
    """How many conversions took how many touches, or days. unit: for the axis."""
    bars = {
        "type": "bar",
        "x": [one.label for one in shown.bins],
        "y": [one.conversions for one in shown.bins],
        "marker": {"color": "var(--brand)"},
        "hovertemplate": f"%{{x}} {_plain(unit)}: %{{y:,.0f}}<extra></extra>",
    }
    return _figure(
        [bars],
        xaxis={"title": {"text": unit}, "type": "category", "tickangle": 0},
        yaxis={"rangemode": "tozero"},
    )


def daily(days: Sequence[Day]) -> Drawn:
    """Revenue by day: bars for a season, a line for longer."""
    dates, amounts = [one.day.isoformat() for one in days], [float(one.revenue) for one in days]
    shape: Drawn = {"type": "scatter", "mode": "lines", "line": {"color": "var(--brand)", "width": 1.5}}
    if len(days) <= MOST_DAYS_AS_BARS:
        shape = {"type": "bar", "marker": {"color": "var(--brand)"}}
    trace = shape | {"x": dates, "y": amounts, "hovertemplate": "%{x|%-d %b %Y}: %{y:,.2f}<extra></extra>"}
    return _figure(
        [trace],
        xaxis={"type": "date", "tickformat": "%-d %b\n%Y"},
        yaxis={"rangemode": "tozero"},
        showlegend=False,
    )


def colour(token: str, *, opacity: int | None = None) -> str:
    """A token as the page's script reads it; opacity in percent."""
    name = "--ink-3" if token == MUTED else f"--{token}"
    return f"var({name})" if opacity is None else f"var({name}/{opacity})"


def _plain(text: str) -> str:
    """Text as it is: its braces and tags mean nothing to plotly."""
    return text.replace("%{", "% {").replace("<", "&lt;")


def _figure(traces: list[Drawn], **layout: Any) -> Drawn:
    """Without template and title: the page brings its own."""
    return {"data": traces, "layout": {"template": {}, **layout}}
