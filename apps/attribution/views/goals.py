from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import Invalid
from apps.accounts.permissions import require
from apps.attribution import goals, reports
from apps.attribution.goals import Reach
from apps.attribution.lenses import Lens, wrong_choices
from apps.attribution.models import Goal
from apps.attribution.views.goal_form import GoalForm

DEEDS: dict[str, tuple[Callable[..., Goal], dict[str, Any], str]] = {
    "archive": (goals.archive, {}, "Archived. Nothing is lost: bring it back whenever you want."),
    "restore": (goals.restore, {}, "Back in use."),
    "default": (goals.change, {"is_default": True}, "Pages show this goal first now."),
    "plain": (goals.change, {"is_default": False}, "Pages show all conversions first now."),
}


@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:read")
def listed(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        require(request.actor, "attribution:write")
        return _act(request)
    found = goals.listed()
    everything = goals.every(request.workspace)
    everything.is_default = not any(goal.is_default for goal in found)
    now = timezone.now()
    context = {
        "goals": [(goal, goals.reach(goal.lens, now=now)) for goal in [*found, everything]],
        "default": next((goal for goal in found if goal.is_default), everything),
        "archived": Goal.objects.exclude(archived_at=None).order_by("-archived_at"),
        "days": goals.REACH_DAYS,
    }
    return render(request, "attribution/goals.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:write")
def edit(request: HttpRequest) -> HttpResponse:
    """One goal, or a new one where the address names none."""
    key = request.GET.get("goal", "")
    goal = goals.named(request.workspace, key) if key else None
    form = _form(request, goal)
    if request.method == "POST" and form.is_valid() and _save(request, form, goal):
        return redirect("attribution:goals")
    lens = form.lens if form.is_bound and form.is_valid() else (goal or goals.every(request.workspace)).lens
    context = {"form": form, "goal": goal, "reach": _reach(lens)}
    return render(request, "attribution/goals_edit.html", context, status=400 if form.errors else 200)


@require_POST
@page("attribution:write")
def reach(request: HttpRequest) -> HttpResponse:
    """How many conversions the form's goal would count, as a part of the page."""
    form = _form(request, None)
    found = _reach(form.lens) if form.is_valid() else None
    return render(request, "attribution/goals_reach.html", {"reach": found})


def _form(request: HttpRequest, goal: Goal | None) -> GoalForm:
    start = goals.as_plain(goal or goals.every(request.workspace))
    if goal is None:
        start["label"] = ""
    return GoalForm(request.POST or None, start=start, types=reports.conversion_types())


def _save(request: HttpRequest, form: GoalForm, goal: Goal | None) -> bool:
    given, now = form.goal, timezone.now()
    with refusals_in(form):
        if goal is None:
            goals.create(request.actor, now=now, **given)
        else:
            goals.change(request.actor, goal.key, now=now, **given)
    if form.errors:
        return False
    messages.success(request, f"{given['label']} is kept. Reports offer it from now on.")
    return True


def _act(request: HttpRequest) -> HttpResponse:
    known = DEEDS.get(request.POST.get("do", ""))
    if known is None:
        raise Invalid({"do": ["Choose what to do with the goal."]}, "Choose what to do with the goal.")
    deed, given, words = known
    deed(request.actor, request.POST.get("goal", ""), now=timezone.now(), **given)
    messages.success(request, words)
    return redirect("attribution:goals")


def _reach(lens: Lens) -> Reach | None:
    return None if wrong_choices(lens) else goals.reach(lens, now=timezone.now())
