"""Figures of campaigns as the JSON that plotly's script draws; colours are the page's tokens."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from apps.campaigns.campaign_reports import Hour

Drawn = dict[str, Any]
HOUR = timedelta(hours=1)


def clicks(hours: Sequence[Hour], keys: Sequence[str]) -> Drawn:
    """People who clicked, added up hour by hour, a line for each variant."""
    return {
        "data": [_line(hours, key, place) for place, key in enumerate(keys)],
        "layout": {
            "hovermode": "x unified",
            "legend": {"orientation": "h"},
            "xaxis": {"type": "date"},
            "yaxis": {"title": {"text": "people who clicked"}, "rangemode": "tozero"},
        },
    }


def rows(hours: Sequence[Hour], keys: Sequence[str]) -> list[list[str]]:
    """The same numbers, newest first."""
    return [
        [f"{one.hour:%-d %b %Y, %H:%M}", *(f"{one.clicked.get(key, 0):,}" for key in keys)]
        for one in reversed(hours)
    ]


def _line(hours: Sequence[Hour], key: str, place: int) -> Drawn:
    """From nothing at the beginning of the first hour; what an hour brought stands at its end."""
    total, heights = 0, [0]
    for one in hours:
        total += one.clicked.get(key, 0)
        heights.append(total)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"Variant {key}",
        "x": [hours[0].hour.isoformat(), *((one.hour + HOUR).isoformat() for one in hours)],
        "y": heights,
        "line": {"color": f"var(--c{place + 1})", "width": 2},
        "hovertemplate": f"%{{y:,}} by variant {key}<extra></extra>",
    }
