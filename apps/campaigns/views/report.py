"""The business report: what marketing brought, and to whom the report goes."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.doors import chart_page, page
from apps.accounts.figures import SIGNS
from apps.accounts.permissions import may
from apps.campaigns import charts
from apps.campaigns.bi import health, pdf, schedule, words
from apps.campaigns.bi.summary import Summary, summary
from apps.campaigns.models import Recommendation, ReportSchedule, RunForecast
from apps.campaigns.optimization import what_if

PERIODS = (7, 30, 90, 365)


@chart_page
@require_safe
@page("campaigns:read")
def report(request: HttpRequest) -> HttpResponse:
    """What did marketing bring?"""
    now, days = timezone.now(), _days(request)
    found = summary(request.actor, days=days, now=now)
    plan, seen = schedule.get(), health.look(now=now)
    context: dict[str, Any] = {
        "found": found,
        "days": days,
        "periods": PERIODS,
        "line": words.first_line(found.figures, found.currency),
        "facts": _facts(found),
        "doubts": words.doubts(found.figures),
        "segments": [
            (
                one.label,
                one.customers,
                words.value(one.value, found.currency),
                words.ends(one.value, found.currency) or words.TOO_FEW,
            )
            for one in found.segments
        ],
        "health": seen,
        "parts": _parts(seen),
        **_forecast(),
        "waiting": Recommendation.objects.filter(state="proposed", expires_at__gt=now).count(),
        "plan": plan,
        "cadences": ReportSchedule.Cadence.choices,
        "readers": "\n".join(plan.to) if may(request.actor, "people:read") else "",
        "hours": range(24),
    }
    if found.days:
        context["daily"] = charts.business_days(
            found.days, sign=SIGNS.get(found.currency, f"{found.currency} ")
        )
        context["daily_columns"] = ["Day", "Revenue", "Spend", "Conversions", "Clicks", "Campaigns"]
        context["daily_rows"] = [
            [one.day.isoformat(), one.revenue, one.spend, one.conversions, one.clicks, one.campaigns]
            for one in found.days
        ]
    return render(request, "campaigns/report.html", context)


@require_safe
@page("campaigns:read")
def report_pdf(request: HttpRequest) -> HttpResponse:
    """The same on paper."""
    now = timezone.now()
    found = summary(request.actor, days=_days(request), now=now)
    workspace = request.workspace
    name = f"{slugify(workspace.name)}-marketing-{found.end.isoformat()}.pdf"
    return HttpResponse(
        pdf.render(found, name=workspace.name, zone=workspace.zone, now=now),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@require_POST
@page("campaigns:send")
def report_schedule(request: HttpRequest) -> HttpResponse:
    """Say to whom it goes, and how often."""
    hour = request.POST.get("at_hour", "8")
    schedule.change(
        request.actor,
        cadence=request.POST.get("cadence", "never"),
        at_hour=int(hour) if hour.isascii() and hour.isdigit() and len(hour) < 3 else -1,
        to=request.POST.get("to", "").replace(",", "\n").splitlines(),
        now=timezone.now(),
    )
    messages.success(request, "The report's schedule is kept.")
    return redirect("campaigns:report")


def _days(request: HttpRequest) -> int:
    given = request.GET.get("days", "30")
    days = int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 30
    return days if days in PERIODS else 30


def _facts(found: Summary) -> list[dict[str, str]]:
    return [
        {
            "label": words.LABELS[key],
            "value": words.headline(one, found.currency),
            "note": words.note(one, found.currency),
        }
        for key, one in found.figures.items()
    ]


def _parts(seen: health.Health) -> list[tuple[str, health.Part]]:
    return [
        ("Delivery", seen.delivery),
        ("AI content", seen.ai),
        ("Attribution", seen.attribution),
        ("Viral growth", seen.viral),
        ("Integrations", seen.integrations),
    ]


def _forecast() -> dict[str, Any]:
    """What the engine foresees of all ad campaigns, of its last run."""
    run = what_if.latest()
    if run is None:
        return {}
    foreseen = list(RunForecast.objects.filter(run=run).order_by("scenario"))
    return {"forecasts": foreseen, "foreseen_from": run.last_day and run.last_day + timedelta(days=1)}
