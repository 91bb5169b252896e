"""Lift tests: what channels caused as measured, beside what each model says."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts.doors import page, refusals_in
from apps.accounts.permissions import may, require
from apps.attribution import channel_colours, lift_tests, model_guide, reports
from apps.attribution.models import LiftTest
from apps.attribution.reports import MODEL_LABELS
from apps.attribution.views.experiment_forms import LiftTestForm
from apps.attribution.wording import Line

MOST_SHOWN = 200


@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:read")
def listed(request: HttpRequest) -> HttpResponse:
    form = None
    if request.method == "POST":
        require(request.actor, "attribution:write")
        form = _form(request)
        if form.is_valid() and _enter(request, form):
            return redirect("attribution:lift-tests")
    elif "add" in request.GET and may(request.actor, "attribution:write"):
        form = _form(request)
    rows = _rows(request.GET.get("channel", ""))
    context = {
        "tests": rows,
        "line": _line(rows),
        "form": form,
        "channel": request.GET.get("channel", ""),
        "model_label": model_guide.label_of(model_guide.DEFAULT),
    }
    return render(
        request, "attribution/lift_tests.html", context, status=400 if form and form.errors else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:read")
def lift_test(request: HttpRequest, lift_test_id: int) -> HttpResponse:
    found = lift_tests.find(lift_test_id)
    if request.method == "POST":
        require(request.actor, "attribution:write")
        lift_tests.retire(
            request.actor, found, now=timezone.now(), reason=request.POST.get("reason", "")[:500]
        )
        messages.success(request, "It counts no more. It stays here to be read.")
        return redirect("attribution:lift-test", lift_test_id=lift_test_id)
    ratios = [
        {**row, "label": MODEL_LABELS.get(row["model"], row["model"])} for row in lift_tests.ratios(found)
    ]
    highs = [row["multiplier"].high for row in ratios if row["multiplier"]]
    context = {
        "test": found,
        "name": channel_colours.names()[found.channel.key],
        "ratios": ratios,
        "most": max([*highs, 1.0]),
        **_ends(found),
    }
    return render(request, "attribution/lift_test.html", context)


def _form(request: HttpRequest) -> LiftTestForm:
    known = [(one.key, one.label) for one in reports.channels()]
    return LiftTestForm(request.POST or None, channels=known, goals=reports.conversion_types())


def _enter(request: HttpRequest, form: LiftTestForm) -> bool:
    given, now = form.chosen, timezone.now()
    with refusals_in(form):
        if "rows" in given:
            kept = {name: value for name, value in given.items() if name not in NOT_OF_GEO}
            lift_tests.enter_regions(request.actor, now=now, **kept)
        else:
            lift_tests.enter(request.actor, now=now, **given)
        messages.success(request, "Kept. It is being held against what the models say.")
    return not form.errors


NOT_OF_GEO = {"last_day", "incremental", "standard_error"}


def _rows(channel: str) -> list[dict[str, Any]]:
    """Tests, newest first, with the ratio under the model that pages show first."""
    rows = LiftTest.objects.select_related("channel").order_by("-pk")
    if channel:
        rows = rows.filter(channel__key=channel)
    names = channel_colours.names()
    return [
        {"test": test, "name": names[test.channel.key], "ratio": _default_ratio(test), **_ends(test)}
        for test in rows[:MOST_SHOWN]
    ]


def _ends(test: LiftTest) -> dict[str, float]:
    """The 95 % interval of what it caused."""
    reach = 1.96 * test.standard_error
    return {"low": test.incremental - reach, "high": test.incremental + reach}


def _default_ratio(test: LiftTest) -> Any:
    found = {row["model"]: row["multiplier"] for row in lift_tests.ratios(test)}
    return found.get(model_guide.DEFAULT)


def _line(rows: list[dict[str, Any]]) -> Line:
    """Whether models pay a channel more or less than it was measured to cause."""
    live = [row for row in rows if row["test"].retired_at is None]
    over = [row for row in live if row["ratio"] is not None and row["ratio"].high < 1]
    under = [row for row in live if row["ratio"] is not None and row["ratio"].low > 1]
    if over:
        names = ", ".join(dict.fromkeys(row["name"].label for row in over))
        return Line(f"{names}:", "credited with more than it caused", "as far as tests can tell.")
    if under:
        names = ", ".join(dict.fromkeys(row["name"].label for row in under))
        return Line(f"{names}:", "caused more than it is credited with", "as far as tests can tell.")
    if live:
        return Line("No test", "contradicts", "what the models say.")
    return Line("No channel's effect", "has been measured", "yet.")
