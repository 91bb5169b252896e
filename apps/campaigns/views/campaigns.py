"""Campaigns: all at a glance, and one with everything that became of it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.doors import back, chart_page, page, refusals_in
from apps.accounts.figures import money, percent
from apps.accounts.models import Person
from apps.accounts.paging import slice_of
from apps.accounts.permissions import may
from apps.campaigns import campaign_charts, campaign_reports, campaign_wording, campaigns, splitting
from apps.campaigns.campaign_reports import Report
from apps.campaigns.models import Campaign, Engagement, Recipient
from apps.campaigns.offline import edited
from apps.campaigns.views.campaign_forms import NameForm

State = Campaign.State
SIZE = 25
PEOPLE_SHOWN = 50
# Where the number is not called by the state that stands behind it.
GROUPS = {"skipped": "Not written to"}


@require_safe
@page("campaigns:read")
def listed(request: HttpRequest) -> HttpResponse:
    """What is being sent, and how far has it come?"""
    group = "archived" if request.GET.get("state") == "archived" else ""
    state = request.GET.get("state", "") if request.GET.get("state") in State.values else ""
    rows = Campaign.objects.filter(archived_at__isnull=not group)
    found = slice_of(rows.filter(state=state) if state else rows, request.GET, size=SIZE)
    lines = campaign_reports.lines(found.rows)
    context = {
        "lines": lines,
        "line": campaign_wording.list_line(lines),
        "slice": found,
        "edits": len(edited.waiting()),
        "state": state or group,
        "states": State.choices,
        "has_any": bool(lines) or Campaign.objects.exists(),
        "is_moving": any(one.campaign.state in (State.RUNNING, State.SCHEDULED) for one in lines),
    }
    template = "campaign_rows.html" if request.htmx else "campaigns.html"
    return render(request, f"campaigns/{template}", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def new(request: HttpRequest) -> HttpResponse:
    form = NameForm(request.POST or None, initial={"kind": request.GET.get("kind", "")})
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            made = campaigns.create(request.actor, now=timezone.now(), **form.cleaned_data)
            return redirect("campaigns:build", campaign_id=made.public_id, step="audience")
    return render(request, "campaigns/campaign_new.html", {"form": form}, status=400 if form.errors else 200)


@chart_page
@require_safe
@page("campaigns:read")
def campaign(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    """What did it do? The answer as a sentence, the chart, the rows."""
    found = campaigns.find(campaign_id)
    if found.state == State.DRAFT and may(request.actor, "campaigns:write") and not found.archived_at:
        return redirect("campaigns:build", campaign_id=campaign_id, step="check")
    now = timezone.now()
    report = campaign_reports.read(found, now=now)
    keys = [one.content.key for one in report.variants]
    currency, judged_by = request.workspace.currency, splitting.judged_by(found)
    context = {
        "found": found,
        "report": report,
        "line": campaign_wording.headline(report, currency),
        "facts": _facts(report, currency),
        "variants": [_variant_row(one, report, currency) for one in report.variants],
        "brought_revenue": campaign_wording.brought_words(report.brought_revenue, currency, is_money=True),
        "brought_conversions": campaign_wording.brought_words(
            report.brought_conversions, currency, is_money=False
        ),
        "own_hours": campaign_wording.own_hours_words(report.own_hours, judged_by),
        "blocks": campaign_wording.blocks_words(report.blocks, judged_by),
        "settled": campaign_wording.settled_words(report),
        "skipped": campaign_wording.skipped_words(report.skipped),
        "hours": campaign_wording.hours_words(report, request.workspace.zone, now=now),
        "figure": campaign_charts.clicks(report.hours, keys) if report.hours else None,
        "columns": ["Hour", *(f"Variant {key}" for key in keys)],
        "rows": campaign_charts.rows(report.hours, keys),
        "is_moving": found.state in (State.RUNNING, State.SCHEDULED),
        "pace": _pace(report),
        "done": report.sent + report.refused + report.uncertain + report.was_skipped,
        "total": report.recipients - report.held_out,
    }
    return render(request, "campaigns/campaign.html", context)


@require_safe
@page("people:read")
def people(request: HttpRequest, campaign_id: UUID, group: str) -> HttpResponse:
    """Who stands behind a number?"""
    found = campaigns.find(campaign_id)
    behind = _behind(found, group)
    if behind is None:
        return redirect("campaigns:campaign", campaign_id=campaign_id)
    rows = slice_of(behind, request.GET, size=PEOPLE_SHOWN)
    known = Person.objects.in_bulk([one.person_id for one in rows.rows])
    context = {
        "found": found,
        "group": group,
        "slice": rows,
        "title": GROUPS.get(group, group.replace("_", " ").capitalize()),
        "rows": [
            (one, known.get(one.person_id), campaign_wording.why_words(getattr(one, "reason", "")))
            for one in rows.rows
        ],
    }
    return render(request, "campaigns/campaign_people.html", context)


@require_POST
@page("campaigns:stop")
def pause(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    found = campaigns.pause(request.actor, campaigns.find(campaign_id), now=timezone.now())
    messages.success(request, f"{found.name} is paused. What is on its way right now still arrives.")
    return back(request, fallback=_address(campaign_id))


@require_POST
@page("campaigns:send")
def resume(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    found = campaigns.resume(request.actor, campaigns.find(campaign_id), now=timezone.now())
    messages.success(request, f"{found.name} goes on with those who have not got it.")
    return back(request, fallback=_address(campaign_id))


@require_POST
@page("campaigns:stop")
def cancel(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    reason = request.POST.get("reason", "")[:300]
    found = campaigns.cancel(request.actor, campaigns.find(campaign_id), now=timezone.now(), reason=reason)
    said = "a draft again" if found.state == State.DRAFT else "cancelled: nobody else gets it"
    messages.success(request, f"{found.name} is {said}.")
    return back(request, fallback=_address(campaign_id))


@require_POST
@page("campaigns:write")
def duplicate(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    made = campaigns.duplicate(request.actor, campaigns.find(campaign_id), now=timezone.now())
    messages.success(request, "A copy, as a draft. Its words wait for a yes again.")
    return redirect("campaigns:build", campaign_id=made.public_id, step="audience")


@require_POST
@page("campaigns:write")
def archive(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    found = campaigns.archive(request.actor, campaigns.find(campaign_id), now=timezone.now())
    messages.success(request, f"{found.name} is put away.")
    return redirect("campaigns:list")


def _pace(report: Report) -> int:
    """After how many seconds the page asks anew: people click and buy on after the last message; 0: never."""
    if report.campaign.state in (State.RUNNING, State.SCHEDULED):
        return 5
    return 30 if report.campaign.state == State.DONE and not report.is_closed else 0


def _address(campaign_id: UUID) -> str:
    return reverse("campaigns:campaign", args=[campaign_id])


def _behind(found: Campaign, group: str) -> QuerySet[Any] | None:
    """The rows behind a number: recipients in a state, or what people did for the first time."""
    if group in Recipient.State.values:
        return Recipient.objects.filter(campaign=found, state=group)
    if group in Engagement.Kind.values:
        return Engagement.objects.filter(campaign=found, kind=group, is_machine=False, is_first=True)
    return None


def _facts(report: Report, currency: str) -> list[dict[str, Any]]:
    """Each number with the people behind it."""
    heard, campaign_id = report.heard, report.campaign.public_id
    told = [
        ("Sent", report.sent, "sent", f"of {report.recipients - report.held_out:,} to be written to"),
        ("Clicked", heard.clicked, "clicked", f"people; machines clicked {heard.machine_clicks:,} times"),
        ("Converted", report.converted, "", f"{money(report.revenue, currency)}, {_days(report)}"),
        ("Held out", report.held_out, "held_out", "got nothing, to compare with"),
        ("Not written to", report.was_skipped, "skipped", "the reasons are below"),
        ("Unsubscribed", heard.unsubscribed, "unsubscribed", ""),
        ("Bounced", heard.bounced, "bounced", ""),
        ("Complained", heard.complained, "complained", "said that it was spam"),
    ]
    return [
        {
            "label": label,
            "value": f"{value:,}",
            "note": note,
            "href": reverse("campaigns:people", args=[campaign_id, group]) if value and group else "",
        }
        for label, value, group, note in told
    ]


def _days(report: Report) -> str:
    return f"within {report.campaign.goal_days:g} days of the message"


def _variant_row(one: Any, report: Report, currency: str) -> dict[str, Any]:
    """A variant as the table tells it."""
    judged, foretold = one.judged, one.prediction.get("click") or {}
    has_foretold = bool(foretold)
    return {
        "variant": one,
        "subject": campaign_wording.subject_words(one.content.subject),
        "rate": percent(one.click_rate),
        "interval": ""
        if one.click_low is None
        else f"{100 * one.click_low:.1f} to {percent(one.click_high)}",
        "revenue": money(one.revenue, currency),
        "p_best": percent(judged.p_best, 0) if judged is not None and judged.p_best is not None else "",
        "loss": percent(judged.expected_loss, 2)
        if judged is not None and judged.expected_loss is not None
        else "",
        "foretold": f"{100 * foretold['low']:.1f} to {percent(foretold['high'])}" if has_foretold else "",
        "is_prior_only": bool(one.prediction.get("is_prior_only")),
        "came_true": has_foretold
        and one.click_rate is not None
        and foretold["low"] <= one.click_rate <= foretold["high"],
    }
