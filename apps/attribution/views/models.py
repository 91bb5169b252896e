from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts.doors import page, refusals_in
from apps.accounts.permissions import require
from apps.attribution import channel_colours, goals, markov_training, model_guide, questions
from apps.attribution.channel_colours import Names
from apps.attribution.forms import TrainForm
from apps.attribution.markov_training import Status
from apps.attribution.models import ModelRun
from apps.attribution.questions import Query

STRONGEST = 3
ONE = timedelta(seconds=1)


@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:read")
def models(request: HttpRequest) -> HttpResponse:
    form = TrainForm(request.POST or None)
    if request.method == "POST":
        require(request.actor, "attribution:write")
        if form.is_valid() and _train(request, form):
            return redirect("attribution:models")
    names = channel_colours.names()
    chains = [_chain(request, one, names) for one in markov_training.status()]
    trained = [one for one in chains if one["run"]]
    context = {
        "form": form,
        "chains": chains,
        "trained": trained,
        "stale": [one for one in trained if not one["status"].is_current],
        "guides": model_guide.GUIDES.values(),
        "beliefs": model_guide.BELIEFS,
    }
    return render(request, "attribution/models.html", context, status=400 if form.errors else 200)


def _train(request: HttpRequest, form: TrainForm) -> bool:
    since, until = form.days(timezone.localdate())
    start, end = questions.period(request.workspace, since, until)
    with refusals_in(form):
        markov_training.start(
            request.actor,
            int(form.cleaned_data["order"]),
            start=start,
            end=end,
            lens=goals.default(request.workspace).lens,
        )
        messages.success(request, "It is being trained. This page shows when it is done.")
    return not form.errors


def _chain(request: HttpRequest, status: Status, names: Names) -> dict[str, Any]:
    run = status.run
    if run is None:
        return {"status": status, "run": None}
    effects = sorted(run.figures["removal_effects"].items(), key=lambda one: -one[1])
    return {
        "status": status,
        "run": run,
        "window": _window(request, run),
        "states": run.figures["states"],
        "p_conversion": run.figures["p_conversion"],
        "strongest": [(names[key].label, effect) for key, effect in effects[:STRONGEST]],
    }


def _window(request: HttpRequest, run: ModelRun) -> str:
    """The period that a version learnt from, in words."""
    query = Query.of_params({name: value for name, value in run.params.items() if name != "order"})
    if query.start is None or query.end is None:
        return "all time"
    zone = request.workspace.zone
    first, last = query.start.astimezone(zone), (query.end - ONE).astimezone(zone)
    return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}"
