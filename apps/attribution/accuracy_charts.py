"""Figures of accuracy: skill by night, and what was told against what happened."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import plotly.graph_objects as go

from apps.attribution.models import ModelAccuracy

MOST_LINES = 5
# Up to so many nights each has its tick; plotly would mark hours between them.
FEW = 8
DAY_MS = 86_400_000

Trend = Sequence[tuple[date, Mapping[str, ModelAccuracy]]]


def trend(nights: Trend, models: Sequence[tuple[str, str]]) -> go.Figure:
    """models: name and label; one line each, in the order of the tokens' colours."""
    lines = [
        go.Scatter(
            mode="lines+markers",
            name=label,
            x=[night.isoformat() for night, rows in nights if name in rows],
            y=[rows[name].skill for _, rows in nights if name in rows],
            line={"color": f"var(--c{place})", "width": 1.5},
            marker={"size": 5},
            hovertemplate=f"%{{x|%-d %b %Y}}: {label} %{{y:.2%}}<extra></extra>",
        )
        for place, (name, label) in enumerate(models, start=1)
    ]
    layout: dict[str, Any] = {
        "xaxis": {"type": "date", "tickformat": "%-d %b\n%Y", "dtick": DAY_MS if len(nights) < FEW else None},
        "yaxis": {"tickformat": ".1%"},
    }
    return go.Figure(data=lines, layout={"template": {}, **layout})


def reliability(row: ModelAccuracy) -> go.Figure:
    """On the diagonal, as many convert as were told."""
    told, seen = [one[0] for one in row.bins], [one[1] for one in row.bins]
    most = max([*told, *seen]) * 1.05
    line = go.Scatter(
        mode="lines",
        x=[0, most],
        y=[0, most],
        line={"color": "var(--ink-3)", "dash": "dot", "width": 1},
        hoverinfo="skip",
    )
    dots = go.Scatter(
        mode="lines+markers",
        x=told,
        y=seen,
        line={"color": "var(--brand)", "width": 1.5},
        marker={"size": 7},
        hovertemplate="told %{x:.1%}: %{y:.1%} converted<extra></extra>",
    )
    layout = {
        "xaxis": {"tickformat": ".0%", "title": {"text": "told"}, "rangemode": "tozero"},
        "yaxis": {"tickformat": ".0%", "rangemode": "tozero"},
        "showlegend": False,
    }
    return go.Figure(data=[line, dots], layout={"template": {}, **layout})


def plain(figure: go.Figure) -> Any:
    """As a page carries it."""
    return json.loads(figure.to_json())
