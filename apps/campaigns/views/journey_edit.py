"""The builder: a journey as a list of branches, step by step; nothing is live before it is published."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.doors import page, refusals_in
from apps.campaigns.journey_forms import (
    AudienceEntryForm,
    DateEntryForm,
    NewsForm,
    SettingsForm,
    StepForm,
)
from apps.campaigns.journeys import checks, drafts, edits, steps, wording
from apps.campaigns.journeys.steps import END, KINDS
from apps.campaigns.models import Journey

_FORMS: dict[str, type[forms.Form]] = {
    "event": NewsForm,
    "audience": AudienceEntryForm,
    "date": DateEntryForm,
    "goal": NewsForm,
}
ENTRY_NAMES = {
    "event": "Something happens",
    "audience": "Comes to fit an audience",
    "date": "A date comes near",
    "api": "By request",
    "goal": "Goal",
}


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def edit(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """What happens, in which order?"""
    found = drafts.find(journey_id)
    form = SettingsForm(request.POST or None, initial=SettingsForm.initial_of(found))
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            changes = form.changes(found.draft)
            drafts.change(request.actor, found, revision=_revision(request), now=timezone.now(), **changes)
            messages.success(request, "Kept.")
            return redirect("campaigns:journey-edit", journey_id)
    names = wording.names_in(found.draft)
    faults = checks.faults(found, now=timezone.now())
    context: dict[str, Any] = {
        "journey": found,
        "form": form,
        "tree": _tree(found, faults),
        "faults": faults,
        "entries": [wording.entry_words(one, names) for one in found.draft["entries"]],
        "goals": [wording.news_words(one) for one in found.draft["goals"]],
        "entry_kinds": [(kind, name) for kind, name in ENTRY_NAMES.items() if kind != "goal"],
        "has_first": found.draft["first"] in found.draft["steps"],
        "reentry": wording.reentry_words(found.draft["reentry_days"]),
    }
    return render(request, "campaigns/journey_edit.html", context, status=400 if form.errors else 200)


def _tree(found: Journey, faults: list[Any]) -> list[dict[str, Any]]:
    """A row per step and per way out of it, with how deep it lies; a step that was shown is only named."""
    graph, names = found.draft, wording.names_in(found.draft)
    words = {fault.step: fault.words for fault in faults}
    rows: list[dict[str, Any]] = []
    shown: set[str] = set()

    def show(key: str, depth: int) -> None:
        step = graph["steps"][key]
        shown.add(key)
        rows.append(
            {
                "is_step": True,
                "key": key,
                "depth": min(depth, 6),
                "kind": KINDS[step["kind"]].name,
                "words": wording.step_words(step, names),
                "fault": words.get(key, ""),
            }
        )
        ways = steps.ways_of(step)
        for way, to in ways.items():
            is_only = len(ways) == 1
            inner = depth if is_only else depth + 1
            rows.append(_way_row(graph, names, key, way, to, inner, is_only, is_shown=to in shown))
            if to in graph["steps"] and to not in shown:
                show(to, inner)

    for key in [graph["first"], *graph["steps"]]:
        if key in graph["steps"] and key not in shown:
            show(key, 0)
    return rows


def _way_row(
    graph: dict[str, Any],
    names: Any,
    key: str,
    way: str,
    to: str,
    depth: int,
    is_only: bool,
    *,
    is_shown: bool,
) -> dict[str, Any]:
    return {
        "is_step": False,
        "key": key,
        "way": way,
        "depth": min(depth, 6),
        "words": "" if is_only else steps.way_words(way),
        "is_end": to == END or to not in graph["steps"],
        "joins": wording.step_words(graph["steps"][to], names) if is_shown and to in graph["steps"] else "",
    }


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def add_step(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """Which step comes here? ?after= and &way= say where, &kind= what; without a kind all are offered."""
    found = drafts.find(journey_id)
    after, way, kind = (request.GET.get(name, "") for name in ("after", "way", "kind"))
    context = {"journey": found, "after": after, "way": way, "kinds": KINDS.values(), "title": "Add a step"}
    if kind not in KINDS:
        return render(request, "campaigns/journey_step.html", context)
    form = StepForm(request.POST or None, kind=kind, draft=found.draft, step=None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            draft, _ = edits.put_in(found.draft, form.made(), after=after, way=way)
            return _kept(request, found, draft)
    context |= {"form": form, "kind": KINDS[kind]}
    return render(request, "campaigns/journey_step.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def step(request: HttpRequest, journey_id: UUID, key: str) -> HttpResponse:
    """What does this step do, and where do its ways lead?"""
    found = drafts.find(journey_id)
    known = found.draft["steps"].get(key)
    if known is None:
        raise Http404
    form = StepForm(request.POST or None, kind=known["kind"], draft=found.draft, step=known)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            return _kept(request, found, edits.change(found.draft, key, form.made()))
    context = {
        "journey": found,
        "form": form,
        "kind": KINDS[known["kind"]],
        "key": key,
        "title": wording.step_words(known, wording.names_in(found.draft)),
    }
    return render(request, "campaigns/journey_step.html", context, status=400 if form.errors else 200)


@require_POST
@page("campaigns:write")
def remove_step(request: HttpRequest, journey_id: UUID, key: str) -> HttpResponse:
    """What led there leads on to what came after it."""
    found = drafts.find(journey_id)
    return _kept(request, found, edits.take_out(found.draft, key))


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def add_entry(request: HttpRequest, journey_id: UUID, kind: str) -> HttpResponse:
    """What brings people in, or what is it all for?"""
    found = drafts.find(journey_id)
    if kind not in ENTRY_NAMES:
        raise Http404
    form = _FORMS.get(kind, forms.Form)(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            name = "goals" if kind == "goal" else "entries"
            return _kept(request, found, {**found.draft, name: [*found.draft[name], _entry(kind, form)]})
    context = {"journey": found, "form": form, "title": ENTRY_NAMES[kind], "entry_kind": kind}
    return render(request, "campaigns/journey_step.html", context, status=400 if form.errors else 200)


def _entry(kind: str, form: Any) -> dict[str, Any]:
    if kind == "goal":
        return dict(form.news())
    if kind == "event":
        return {"kind": kind, **form.news()}
    if kind == "date":
        return {"kind": kind, **form.day()}
    return {"kind": kind, **form.cleaned_data}


@require_POST
@page("campaigns:write")
def remove_entry(request: HttpRequest, journey_id: UUID, kind: str, place: int) -> HttpResponse:
    """kind: entries or goals; place: from 0."""
    found = drafts.find(journey_id)
    if kind not in ("entries", "goals") or place >= len(found.draft[kind]):
        raise Http404
    kept = [one for number, one in enumerate(found.draft[kind]) if number != place]
    return _kept(request, found, {**found.draft, kind: kept})


@require_POST
@page("campaigns:write")
def delete(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """A draft that was never published."""
    drafts.delete(request.actor, drafts.find(journey_id), now=timezone.now())
    messages.success(request, "The draft is gone.")
    return redirect("campaigns:journeys")


def _kept(request: HttpRequest, found: Journey, draft: dict[str, Any]) -> HttpResponse:
    drafts.change(request.actor, found, revision=found.revision, draft=draft, now=timezone.now())
    return redirect("campaigns:journey-edit", found.public_id)


def _revision(request: HttpRequest) -> int | None:
    text = request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
