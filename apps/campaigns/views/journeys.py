"""Journeys as they are: which there are, how one does, who is where, what colleagues are to do."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import people
from apps.accounts.doors import page, refusals_in
from apps.accounts.paging import slice_of
from apps.accounts.permissions import may
from apps.campaigns import flags
from apps.campaigns.journey_forms import NewJourneyForm
from apps.campaigns.journeys import drafts, figures, patterns, switches, todo, transfers
from apps.campaigns.journeys.drafts import NotReady
from apps.campaigns.models import Journey, JourneyRun, JourneyTask, JourneyVersion
from apps.campaigns.views import journey_frames as frames

SIZE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:read")
def journeys(request: HttpRequest) -> HttpResponse:
    """Who is led where, and is anything wrong?"""
    form = NewJourneyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            made = drafts.create(request.actor, now=timezone.now(), **form.cleaned_data)
            return redirect("campaigns:journey-edit", made.public_id)
    flights = dict(
        JourneyRun.objects.filter(is_open=True).values_list("journey").annotate(people=Count("pk"))
    )
    troubles = dict(
        JourneyRun.objects.filter(is_open=True)
        .exclude(trouble="")
        .values_list("journey")
        .annotate(people=Count("pk"))
    )
    found = slice_of(Journey.objects.all(), request.GET, size=SIZE)
    rows = [
        {"journey": one, "in_flight": flights.get(one.pk, 0), "troubles": troubles.get(one.pk, 0)}
        for one in found.rows
    ]
    context: dict[str, Any] = {
        "form": form,
        "slice": found,
        "rows": rows,
        "live": Journey.objects.filter(state=Journey.State.LIVE).count(),
        "in_flight": sum(flights.values()),
        "patterns": patterns.PATTERNS.values(),
        "tasks": todo.open_tasks().count(),
        "off": flags.off_words(flags.JOURNEYS, request.workspace),
    }
    return render(request, "campaigns/journeys.html", context, status=400 if form.errors else 200)


@require_safe
@page("campaigns:read")
def journey(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """Where are they, and what becomes of them?"""
    found = drafts.find(journey_id)
    number = _asked_version(request.GET, found)
    version = JourneyVersion.objects.filter(journey=found, number=number).first()
    graph = version.graph if version else found.draft
    told = figures.of(found, version=number if version else None)
    everything = figures.of(found)
    context = {
        "journey": found,
        "version": number if version else 0,
        "versions": figures.versions(found),
        "picture": frames.picture_of(found, graph, told, version=number),
        "rows": frames.rows_of(found, graph, told, version=number),
        "outcomes": frames.outcomes_of(found, told),
        "told": told,
        "everything": everything,
        "troubles": JourneyRun.objects.filter(journey=found, is_open=True).exclude(trouble="").count(),
        "tasks": JourneyTask.objects.filter(journey=found, state=JourneyTask.State.OPEN).count(),
        "has_draft": bool(version) and drafts.as_draft(version.graph) != found.draft,
        "ways_in": frames.ways_in(graph),
        "off": flags.off_words(flags.JOURNEYS, request.workspace),
    }
    return render(request, "campaigns/journey.html", context)


def _asked_version(asked: QueryDict, found: Journey) -> int:
    text = asked.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else found.live


@require_POST
@page("campaigns:send")
def publish(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """Make the draft the version that people enter."""
    found = drafts.find(journey_id)
    try:
        version = drafts.publish(request.actor, found, now=timezone.now())
    except NotReady as refusal:
        messages.error(request, refusal.detail)
        return redirect("campaigns:journey-edit", journey_id)
    messages.success(request, f"Version {version.number} is live. Who was under way stays on theirs.")
    return redirect("campaigns:journey", journey_id)


@require_POST
@page("campaigns:stop")
def pause(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """Nobody enters and nobody moves."""
    reason = request.POST.get("reason", "")[:300]
    switches.pause(request.actor, drafts.find(journey_id), reason=reason, now=timezone.now())
    messages.success(request, "Paused: nobody enters and nobody moves.")
    return redirect("campaigns:journey", journey_id)


@require_POST
@page("campaigns:send")
def resume(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """Go on."""
    switches.resume(request.actor, drafts.find(journey_id), now=timezone.now())
    messages.success(request, "It goes on.")
    return redirect("campaigns:journey", journey_id)


@require_POST
@page("campaigns:stop")
def stop(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """For good."""
    reason = request.POST.get("reason", "")[:300]
    switches.stop(request.actor, drafts.find(journey_id), reason=reason, now=timezone.now())
    messages.success(request, "Stopped: everybody has left it.")
    return redirect("campaigns:journey", journey_id)


@require_safe
@page("campaigns:read")
def standing(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """Who is behind a number of the picture? ?step= who stands there; with &way= who went that way."""
    found = drafts.find(journey_id)
    step, way = request.GET.get("step", ""), request.GET.get("way", "")
    version = _asked_version(request.GET, found) if request.GET.get("version") else None
    if way:
        rows = slice_of(figures.took(found, step=step, way=way, version=version), request.GET, size=SIZE)
        runs = [(move.run, move.at, move.because) for move in rows.rows]
    else:
        rows = slice_of(figures.standing_at(found, step=step, version=version), request.GET, size=SIZE)
        runs = [(run, run.clock, run.trouble) for run in rows.rows]
    may_name = may(request.actor, "people:read")
    names: dict[int, dict[str, str | None]] = {}
    if request.GET.get("names") and may_name:
        shown = [run.person for run, _, _ in runs if run.person.erased_at is None]
        names = people.reveal_many(request.actor, shown, now=timezone.now(), reason="journey")
    context = {
        "journey": found,
        "slice": rows,
        "rows": [
            {"run": run, "at": at, "note": note, "name": names.get(run.person_id, {})}
            for run, at, note in runs
        ],
        "step": step,
        "way": frames.way_words(way) if way else "",
        "may_name": may_name,
        "has_names": bool(names),
    }
    return render(request, "campaigns/journey_people.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:send")
def move(request: HttpRequest, journey_id: UUID) -> HttpResponse:
    """How many would go where, if people moved to the live version?"""
    found = drafts.find(journey_id)
    asked = request.POST or request.GET
    was = int(asked["was"]) if asked.get("was", "").isdigit() and len(asked["was"]) < 9 else 0
    frame = frames.transfer_of(found, was, asked)
    if request.method == "POST" and frame["lines"] is not None:
        rule = frame["rule"]
        lines = transfers.transfer(
            request.actor, found, was=was, to=found.live, rule=rule, now=timezone.now()
        )
        moved = sum(line.people for line in lines)
        messages.success(request, f"{moved:,} people were moved.")
        return redirect("campaigns:journey", journey_id)
    return render(request, "campaigns/journey_move.html", {"journey": found, "was": was, **frame})


@require_safe
@page("campaigns:read")
def tasks(request: HttpRequest) -> HttpResponse:
    """What do journeys ask of us?"""
    is_settled = request.GET.get("state") == "settled"
    now = timezone.now()
    if is_settled:
        found = slice_of(todo.settled_tasks(), request.GET, size=SIZE)
        rows, late = found.rows, 0
    else:
        found, rows = None, list(todo.open_tasks()[:SIZE])
        late = JourneyTask.objects.filter(state=JourneyTask.State.OPEN, due_at__lt=now).count()
    counted = JourneyTask.objects.aggregate(open=Count("pk", filter=Q(state=JourneyTask.State.OPEN)))
    context = {"slice": found, "rows": rows, "late": late, "now": now, "is_settled": is_settled, **counted}
    return render(request, "campaigns/journey_tasks.html", context)


@require_POST
@page("campaigns:write")
def settle(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Done, or not to be done."""
    is_done = request.POST.get("is_done") == "yes"
    task = todo.settle(request.actor, task_id, is_done=is_done, now=timezone.now())
    messages.success(request, f"{task.title}: {task.get_state_display()}.")
    return redirect("campaigns:journey-tasks")
