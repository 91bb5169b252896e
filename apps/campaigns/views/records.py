"""What was done, and what came of it."""

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from apps.accounts.doors import chart_page, page
from apps.accounts.figures import interval, number, sure
from apps.accounts.paging import slice_of
from apps.attribution.spreadsheets import csv_lines
from apps.campaigns import charts
from apps.campaigns.models import Change, Kind
from apps.campaigns.optimization import outcomes, track_record
from apps.campaigns.reports import history, inbox, record
from apps.campaigns.views.frame import shown

SIZE = 50
MOST_OUTCOMES = 100


@require_safe
@page("optimization:read")
def log(request: HttpRequest) -> HttpResponse:
    """What was changed, by whom, and did it work?"""
    group = request.GET.get("state", "")
    group = group if group in history.GROUPS else ""
    kind = request.GET.get("kind", "")
    kind = kind if kind in Kind.values else ""
    found = slice_of(history.changes(group=group, kind=kind), request.GET, size=SIZE)
    context = {
        "slice": found,
        "rows": history.rows(found.rows),
        "done": Change.objects.filter(state=Change.State.DONE).count(),
        "not_done": Change.objects.filter(state__in=history.GROUPS["not_done"]).count(),
        "group": group,
        "groups": list(history.GROUPS),
        "kind": kind,
        "kinds": inbox.kinds(),
    }
    return shown(request, "log.html", context)


@require_safe
@page("optimization:read")
def export(request: HttpRequest) -> Any:
    """Every step of every recommendation, as a file for a spreadsheet."""
    rows = list(history.lines())  # the workspace's scope ends before the answer is sent
    name = f"{slugify(request.workspace.name)}-optimisation-{timezone.localdate().isoformat()}.csv"
    return StreamingHttpResponse(
        csv_lines(rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@chart_page
@require_safe
@page("optimization:read")
def track(request: HttpRequest) -> HttpResponse:
    """Does what is claimed come true?"""
    rows = outcomes.latest()
    read = track_record.read(rows)
    context: dict[str, Any] = {
        "record": read,
        "line": record.line_of(read, request.workspace.currency),
        "rows": rows[:MOST_OUTCOMES],
        "more": max(0, len(rows) - MOST_OUTCOMES),
        "demoted": record.demoted(),
        "promised": track_record.PROMISED,
        "least": track_record.LEAST_DECIDED,
    }
    if read.bins:
        context["reliability"] = charts.reliability(read.bins)
        context["reliability_columns"] = ["Claimed", "Claims", "Came true", "Rate, %", "95 % interval"]
        context["reliability_rows"] = [
            [
                sure(one.claimed),
                number(one.count),
                number(one.hits),
                number(100 * one.rate),
                interval(100 * one.rate_low, 100 * one.rate_high, 0),
            ]
            for one in read.bins
        ]
    return shown(request, "track_record.html", context)
