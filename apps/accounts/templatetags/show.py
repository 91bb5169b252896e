"""`{% load show %}`: figures, moments, colours and small drawings."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.apps import apps
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts import figures

register = template.Library()

COLOURS = 14


@register.filter
def number(value: Any, decimals: int = 0) -> str:
    return figures.number(value, decimals)


@register.filter
def plain(value: float) -> str:
    """A figure of any size with the places that it has, at most four: 900, 0.35, 0.001."""
    return f"{value:,.4f}".rstrip("0").rstrip(".")


@register.filter
def percent(share: Any, decimals: int = 1) -> str:
    return figures.percent(share, decimals)


@register.filter
def sure(confidence: float) -> str:
    return figures.sure(confidence)


@register.filter
def times(ratio: Any, decimals: int = 1) -> str:
    return figures.times(ratio, decimals)


@register.filter
def count(amount: int, words: str) -> str:
    """`{{ 2|count:"key" }}`, `{{ 2|count:"entry,entries" }}`."""
    return figures.count(amount, *words.split(","))


@register.filter
def words(code: str) -> str:
    """A stored name as words: `api_key.revoked` → `api key revoked`."""
    return str(code).replace("_", " ").replace(".", " ").replace("api ", "API ")


@register.filter
def kind(model_name: str) -> str:
    """What people call the rows of a model: `apikey` → `API key`."""
    return _kinds().get(model_name, model_name)


@register.filter
def colour(position: int) -> str:
    """The class of a channel's colour, by its position."""
    return f"c{position % COLOURS + 1}"


@register.simple_tag(takes_context=True)
def money(context: RequestContext, amount: Any, *, exact: bool = False, currency: str = "") -> str:
    """In the workspace's currency: `{% money row.revenue %}`, `{% money price exact=True %}`."""
    return figures.money(amount, currency or context["workspace"].currency, exact=exact)


@register.simple_tag
def interval(low: Any, high: Any, decimals: int = 1, scale: int = 1) -> str:
    """`{% interval row.low row.high scale=100 %}` for shares shown as percent."""
    if low is None or high is None:
        return figures.NOTHING
    return figures.interval(low * scale, high * scale, decimals)


@register.simple_tag(takes_context=True)
def when(context: RequestContext, moment: datetime | None) -> SafeString | str:
    """The moment on the workspace's clock, and in full for machines."""
    if moment is None:
        return figures.NOTHING
    return _time(moment, figures.when(moment, _zone(context)), _zone(context))


@register.simple_tag(takes_context=True)
def ago(context: RequestContext, moment: datetime | None) -> SafeString | str:
    """How long ago, with the moment itself as a tooltip."""
    if moment is None:
        return "never"
    return _time(moment, figures.ago(moment, now=timezone.now()), _zone(context))


@register.simple_tag
def time_left(job: Any) -> str:
    return figures.time_left(done=job.done, total=job.total, started_at=job.started_at, now=timezone.now())


@register.inclusion_tag("partials/range.html")
def range_bar(
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    most: float,
    label: str,
    css: str = "",
) -> dict[str, Any]:
    """A bar on a scale from 0 to `most` with its interval drawn on it. `label` says it in words."""
    scale = 100 / most if most else 0.0
    has_interval = low is not None and high is not None
    start, end = (_clip((low or 0) * scale), _clip((high or 0) * scale)) if has_interval else (0.0, 0.0)
    return {
        "value": _clip(value * scale),
        "has_interval": has_interval,
        "start": start,
        "end": end,
        "width": round(end - start, 2),
        "css": css,
        "label": label,
    }


@register.simple_tag
def table_rows(rows: Sequence[Sequence[str]], texts: Any = 1) -> SafeString | str:
    """Rows of ready texts: `{% table_rows rows texts %}`. texts: how many leading columns are words, not
    numbers.

    A template's loop over the thousand cells of a large table takes as long as the rest of its page.
    """
    if not rows:
        return ""
    leading = texts or 1
    lines = ("<td>{}</td>" * leading + '<td class="n">{}</td>' * (len(row) - leading) for row in rows)
    return format_html("<tr>" + "</tr>\n<tr>".join(lines) + "</tr>", *(cell for row in rows for cell in row))


@register.inclusion_tag("partials/spark.html")
def spark(values: Sequence[float], *, label: str, css: str = "") -> dict[str, Any]:
    """A line through the values, first to last, from 0 to their largest."""
    most, last = max([*values, 0]) or 1, max(len(values) - 1, 1)
    points = " ".join(
        f"{100 * index / last:.2f},{28 - 26 * value / most:.2f}" for index, value in enumerate(values)
    )
    return {"points": points, "label": label, "css": css}


@cache
def _kinds() -> dict[str, str]:
    return {str(model._meta.model_name): words(str(model._meta.verbose_name)) for model in apps.get_models()}


def _clip(position: float) -> float:
    return round(min(max(position, 0.0), 100.0), 2)


def _zone(context: RequestContext) -> ZoneInfo:
    workspace = context.get("workspace")
    return workspace.zone if workspace else ZoneInfo("UTC")


def _time(moment: datetime, text: str, zone: ZoneInfo) -> SafeString:
    full = f"{figures.when(moment, zone)} ({zone.key})"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), full, text)
