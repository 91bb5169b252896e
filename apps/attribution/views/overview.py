from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.doors import chart_page, page
from apps.accounts.permissions import may
from apps.attribution import drawings, model_guide, reports, wording
from apps.attribution.models import Conversion
from apps.attribution.reports import Overview, PathRow
from apps.attribution.views import figures
from apps.attribution.views.asking import Asked, asked
from apps.attribution.views.csv_answer import csv_answer

READY = "ready"
PATHS_SHOWN = 10
STEPS_SHOWN = 8


@chart_page
@require_safe
@page("attribution:read")
def overview(request: HttpRequest) -> HttpResponse:
    question = asked(request)
    seen = reports.glimpse(request.actor, question.query, model=question.model, now=question.now)
    context = {**question.context(), "found": seen, "link": _link(request)}
    if seen.state == READY:
        context |= drawings.kept(
            _decided_by(request, seen, question), lambda: _told(request, seen, question, context)
        )
    else:
        context["has_any_conversion"] = Conversion.objects.filter(is_counted=True).exists()
    return render(request, "attribution/overview.html", context)


@require_safe
@page("attribution:read")
def export(request: HttpRequest) -> Any:
    """The rows of the overview as a file: each channel's figures, and its revenue under every model."""
    question = asked(request)
    found = reports.overview(request.actor, question.query, model=question.model, now=question.now)
    if found.state == "computing":
        return render(request, "attribution/export_later.html", {"found": found}, status=202)
    name = f"{request.workspace.slug} {question.model}"
    return csv_answer(name, reports.credit_table(found), day=timezone.localdate(question.now))


def _decided_by(request: HttpRequest, seen: Overview, question: Asked) -> tuple[object, ...]:
    """All that decides what _told makes, beside the templates."""
    asked_ = (question.is_comparing, question.period, question.goal, question.goal_label)
    asks = (request.GET.urlencode(), request.workspace.time_zone, may(request.actor, "imports:write"))
    return (*reports.decided_by(seen), *asked_, *asks)


def _told(request: HttpRequest, seen: Overview, question: Asked, context: dict[str, Any]) -> dict[str, Any]:
    """The page of one answer, but for how long ago it was computed: words, and its cards as they are sent."""
    found = reports.filled(seen)
    told = _ready(request, found, question)
    cards = render_to_string("attribution/overview_cards.html", {**context, **told, "found": found}, request)
    return {name: told[name] for name in ("line", "size", "sureness", "agreement")} | {"cards": cards}


def _ready(request: HttpRequest, found: Overview, question: Asked) -> dict[str, Any]:
    rows = found.rows
    return {
        "line": wording.comparison(found)
        if question.is_comparing
        else wording.first_line(found, period=question.period, goal=question.goal),
        "size": wording.size(found),
        "agreement": wording.agreement(found),
        "sureness": wording.sureness(found, day=_day(request, found)),
        "beyond_chance": wording.beyond_chance(found),
        "chosen_by_itself": wording.chosen_by_itself(found),
        "beliefs": model_guide.BELIEFS,
        "callout": _callout(request, found),
        "facts": _facts(request, found),
        "most": max(max(row.high, row.share, row.surely.share[1] if row.surely else 0) for row in rows) or 1,
        "total_cpa": _cpa(found),
        "comparison": figures.comparison(found),
        "charts": figures.of_overview(found),
        "paths": [_path(request, row) for row in found.paths[:PATHS_SHOWN]],
    }


def _facts(request: HttpRequest, found: Overview) -> list[dict[str, Any]]:
    """What was earned, and how often, leads to the journeys that it is counted from."""
    journeys = {"href": reverse("attribution:journeys") + _link(request)}
    revenue, conversions, *others = wording.facts(found)
    return [revenue | journeys, conversions | journeys, *others]


def _day(request: HttpRequest, found: Overview) -> str:
    computed = timezone.localtime(found.computed_at, request.workspace.zone)
    return f"{computed.day} {computed:%b %Y}"


def _cpa(found: Overview) -> Decimal | None:
    totals = found.totals
    return totals.cost / totals.conversions if totals and totals.cost else None


def _callout(request: HttpRequest, found: Overview) -> dict[str, str] | None:
    """What wants attention, with the page on which something can be done about it."""
    said = wording.callout(found)
    if said is None:
        return None
    if said.what == "few":
        return {"text": said.text, "href": _bring(request), "label": "Bring in the past"}
    if said.what == "unknown":
        return {"text": said.text, "href": reverse("attribution:first-event"), "label": "How to track visits"}
    address = reverse("attribution:channel", args=[said.about]) + _link(request)
    label = "See its campaigns" if said.what == "loss" else "See what it is made of"
    return {"text": said.text, "href": address, "label": label}


def _bring(request: HttpRequest) -> str:
    return reverse("attribution:import") if may(request.actor, "imports:write") else ""


def _path(request: HttpRequest, row: PathRow) -> dict[str, Any]:
    chosen = request.GET.copy()
    chosen.setlist("path", row.keys)
    return {
        "row": row,
        "steps": row.channels[:STEPS_SHOWN],
        "more": max(len(row.channels) - STEPS_SHOWN, 0),
        "href": f"{reverse('attribution:journeys')}?{chosen.urlencode()}",
    }


def _link(request: HttpRequest) -> str:
    """The question as it stands in an address."""
    return f"?{request.GET.urlencode()}" if request.GET else ""
