"""Where the next pound goes: the plan, other totals while somebody drags, and the engine at work."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.doors import back, chart_page, page
from apps.accounts.figures import SIGNS, money, number
from apps.campaigns import charts, wording
from apps.campaigns.forms import ReasonForm, TotalForm
from apps.campaigns.models import Policy, Run, RunForecast
from apps.campaigns.optimization import policies, runs, what_if
from apps.campaigns.optimization.what_if import Curved
from apps.campaigns.reports import engine, inbox
from apps.campaigns.reports import plan as plans
from apps.campaigns.reports.plan import Plan
from apps.campaigns.views.frame import shown

ALL_RUNS = 50


@chart_page
@require_safe
@page("optimization:read")
def plan(request: HttpRequest) -> HttpResponse:
    """Where would the next pound earn most, and what should move for that?"""
    found = engine.read(now=timezone.now())
    context: dict[str, Any] = {
        "engine": found,
        "switch": found.switch,
        "waiting": inbox.counts()["to_decide"],
    }
    run = what_if.latest()
    curved = what_if.curved(run) if run else None
    made = plans.of_run(run, curved) if run and curved else None
    if run is None or curved is None or made is None:
        context |= {"run": run, "missing": plans.missing()}
        context["left_out"] = plans.left_out(run) if run else []
        return shown(request, "plan_missing.html", context)
    context |= {
        "run": run,
        "plan": made,
        "line": plans.line_of(made, run.currency),
        "facts": _facts(made, run),
        "stale": plans.stale_words(curved),
        "left_out": plans.left_out(run),
        "unusual": plans.unusual(run),
        "forecasts": list(RunForecast.objects.filter(run=run).order_by("scenario")),
        "foreseen_from": run.last_day and run.last_day + timedelta(days=1),
        **_frontier(curved, made, run),
        **_tried(request, found.switch.policy, curved, made, run),
    }
    return shown(request, "plan.html", context)


@require_safe
@page("optimization:read")
def plan_for(request: HttpRequest) -> HttpResponse:
    """The answer for another total, as the part of the page that changes."""
    if not request.htmx:
        asked = urlencode({"total": request.GET.get("total", "")})
        return redirect(f"{reverse('optimization:plan')}?{asked}")
    run = what_if.latest()
    curved = what_if.curved(run) if run else None
    made = plans.of_run(run, curved) if run and curved else None
    if run is None or curved is None or made is None:
        return redirect("optimization:plan")
    context = {"run": run, "plan": made, **_tried(request, policies.get(), curved, made, run)}
    return render(request, "optimization/plan_rows.html", context)


@require_POST
@page("optimization:write")
def run_now(request: HttpRequest) -> HttpResponse:
    """Have the engine look at all campaigns now; once, however often it is asked."""
    is_waiting = runs.working() is not None
    runs.ask(request.actor)
    begun = "It looks at all campaigns now. What it finds appears here by itself."
    messages.success(request, "It is looking already." if is_waiting else begun)
    return redirect("optimization:plan")


@require_safe
@page("optimization:read")
def engine_at_work(request: HttpRequest) -> HttpResponse:
    """What does it do now, what did it do, and when does it look again?"""
    if request.htmx:
        found = engine.read(now=timezone.now())
        return render(request, "optimization/engine_part.html", {"engine": found, "is_live": True})
    found = engine.read(now=timezone.now(), latest=ALL_RUNS)
    return shown(request, "engine.html", {"engine": found, "switch": found.switch})


@require_POST
@page("optimization:stop")
def stop(request: HttpRequest) -> HttpResponse:
    policies.stop(request.actor, reason=ReasonForm(request.POST).said, now=timezone.now())
    messages.success(request, "Everything is stopped. Nothing more is carried out.")
    return back(request, fallback=reverse("optimization:plan"))


@require_POST
@page("optimization:approve")
def start(request: HttpRequest) -> HttpResponse:
    policies.restart(request.actor, now=timezone.now())
    messages.success(request, "Changes are carried out again. What was cancelled stays cancelled.")
    return back(request, fallback=reverse("optimization:plan"))


def _tried(request: HttpRequest, policy: Policy, found: Curved, made: Plan, run: Run) -> dict[str, Any]:
    """The plan of the total that was asked for; without one, or with one that cannot be used, the run's."""
    form = TotalForm(request.GET if "total" in request.GET else None, now=found.total)
    trial = None
    if form.is_valid():
        trial = plans.for_total(policy, found, form.cleaned_data["total"], currency=run.currency)
    return {
        "form": form,
        "trial": trial,
        "trial_line": plans.trial_line(trial, run.currency) if trial else None,
        "trial_profit": plans.profit_words(trial, run.currency) if trial else "",
        "shown": trial or made,
        "at": trial.total if trial else made.total,
        "margin": float(policy.margin),
    }


def _facts(made: Plan, run: Run) -> list[dict[str, str]]:
    currency = run.currency
    return [
        {
            "label": "Revenue a day",
            "value": f"{wording.amount(made.revenue, currency)}",
            "note": f"{wording.amount(made.revenue_now, currency)} with today's budgets",
        },
        {
            "label": "Budget a day",
            "value": wording.amount(made.total, currency),
            "note": f"{wording.amount(made.moved, currency)} of it moves",
        },
        {
            "label": f"The next {money(1, currency)} brings",
            "value": money(made.marginal_return, currency, exact=True),
            "note": "of revenue, wherever it may still go",
        },
        {
            "label": "Could a plan be better?",
            "value": "No" if made.gap < 1e-6 else f"{number(100 * made.gap, 4)} %",
            "note": "proven: by these curves no other within the limits earns more"
            if made.gap < 1e-6
            else "at most, by the proof that came with it",
        },
    ]


def _frontier(found: Curved, made: Plan, run: Run) -> dict[str, Any]:
    points, currency = plans.frontier(found), run.currency
    return {
        "frontier": charts.frontier(
            points, made, now=(made.total_now, made.revenue_now), sign=SIGNS.get(currency, f"{currency} ")
        ),
        "frontier_columns": ["Total a day", "Revenue a day", f"The next {money(1, currency)} brings"],
        "frontier_rows": [
            [
                wording.amount(one.total, currency),
                wording.amount(one.revenue, currency),
                money(one.marginal_return, currency, exact=True),
            ]
            for one in points
        ],
    }
