"""Experiments: all at a glance, one read in words, and a new one."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import Invalid
from apps.accounts.permissions import may, require
from apps.attribution import experiment_lists, experiment_wording, experiments, reports
from apps.attribution.experiments import Shown
from apps.attribution.models import Allocation, Experiment, Look, Variant
from apps.attribution.views.experiment_forms import DecideForm, ExperimentForm

State = Experiment.State
LOOKS_SHOWN = 20


@require_safe
@page("attribution:read")
def listed(request: HttpRequest) -> HttpResponse:
    found = experiment_lists.overview(now=timezone.now())
    context = {
        "found": found,
        "line": experiment_wording.list_line(found),
        "methods": experiment_wording.METHODS,
    }
    return render(request, "attribution/experiments.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("experiments:write")
def new(request: HttpRequest) -> HttpResponse:
    form = ExperimentForm(request.POST or None, goals=reports.conversion_types())
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            made = experiments.create(request.actor, now=timezone.now(), **form.chosen)
            messages.success(request, "Kept as a draft. Start it when everything is right.")
            return redirect("attribution:experiment", key=made.key)
    return render(
        request, "attribution/experiment_new.html", {"form": form}, status=400 if form.errors else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:read")
def experiment(request: HttpRequest, key: str) -> HttpResponse:
    """One experiment. Opening the page takes no look."""
    found = experiments.find(key)
    names = dict(Variant.objects.filter(experiment=found).order_by("position").values_list("key", "name"))
    form = DecideForm(request.POST or None, experiment=found, names=names)
    if request.method == "POST":
        require(request.actor, "experiments:write")
        if _act(request, found, form):
            return redirect("attribution:experiment", key=key)
    shown = experiments.read(found, now=timezone.now())
    context = _context(request, found, shown, names)
    return render(
        request, "attribution/experiment.html", {**context, "form": form}, status=400 if form.errors else 200
    )


def _act(request: HttpRequest, found: Experiment, form: DecideForm) -> bool:
    """Do what was asked for; False where the form holds what cannot be used."""
    deed = request.POST.get("do", "")
    if deed == "decide":
        return _decide(request, found, form)
    if deed not in DEEDS:
        raise Invalid({"do": ["Choose what to do."]}, "Choose what to do with the experiment.")
    act, words = DEEDS[deed]
    act(request.actor, found, now=timezone.now())
    messages.success(request, words)
    return True


DEEDS: dict[str, tuple[Callable[..., Experiment], str]] = {
    "start": (experiments.start, "It runs. Units are let in from now on."),
    "stop": (experiments.stop, "Stopped. What comes of those who are in is still counted."),
}


def _decide(request: HttpRequest, found: Experiment, form: DecideForm) -> bool:
    if form.is_valid():
        with refusals_in(form):
            experiments.decide(
                request.actor,
                found,
                winner=form.cleaned_data["winner"] or None,
                reason=form.cleaned_data["reason"],
                despite_reading=form.cleaned_data["despite_reading"],
                now=timezone.now(),
            )
            messages.success(request, "Decided, and written down.")
    return not form.errors


def _context(request: HttpRequest, found: Experiment, shown: Shown, names: dict[str, str]) -> dict[str, Any]:
    workspace, now = request.workspace, timezone.now()
    shares = experiments.current_shares(found)
    read = experiment_wording.variants(found, shown.reading, shown, names, shares, workspace=workspace)
    watched = experiment_wording.variants(found, shown.watched, shown, names, shares, workspace=workspace)
    return {
        "experiment": found,
        "shown": shown,
        "line": experiment_wording.first_line(found, shown, names, zone=workspace.zone),
        "needed": experiment_wording.still_needed(found, shown, now=now),
        "next_turn": experiment_wording.next_turn(found, now=now, zone=workspace.zone),
        "rows": read,
        "watched": watched if shown.watched else [],
        "most": max((row.high for row in (*read, *watched)), default=0.0) or 1.0,
        "ratio": _ratio(shown, names),
        "odds": experiment_wording.odds_of(shown),
        "method": experiment_wording.METHODS[found.reading],
        "figure": experiment_wording.figure_label(found),
        "units": experiment_wording.UNITS[found.unit],
        "because": experiment_wording.told(shown.reading["because"], names) if shown.reading else "",
        "looks": _looks(found, names),
        "phases": _phases(found),
        "may_decide": found.state in (State.RUNNING, State.STOPPED)
        and may(request.actor, "experiments:write"),
    }


def _looks(found: Experiment, names: dict[str, str]) -> list[tuple[Look, str]]:
    """The latest, each with what it said."""
    rows = Look.objects.filter(experiment=found).order_by("-number").defer("figures")[:LOOKS_SHOWN]
    return [(look, experiment_wording.told(look.verdict, names)) for look in rows]


def _ratio(shown: Shown, names: dict[str, str]) -> list[dict[str, Any]]:
    """How many units each variant has, beside how many it should have."""
    ratio = shown.sample_ratio
    if ratio is None:
        return []
    in_order = list(shown.by_variant)
    return [
        {"name": names[key], "units": units, "expected": expected}
        for key, units, expected in zip(in_order, ratio.units, ratio.expected, strict=True)
    ]


def _phases(found: Experiment) -> list[dict[str, Any]]:
    """Shares over time; none where they never changed."""
    rows = Allocation.objects.filter(experiment=found).select_related("variant")
    phases: dict[int, dict[str, Any]] = {}
    for row in rows.order_by("-phase", "variant__position"):
        phase = phases.setdefault(
            row.phase, {"number": row.phase, "starts_at": row.starts_at, "reason": row.reason, "shares": {}}
        )
        phase["shares"][row.variant.name] = row.share
    shown = [{**one, "words": experiment_wording.shares_of(one["shares"])} for one in phases.values()]
    return shown[:LOOKS_SHOWN] if len(shown) > 1 else []
