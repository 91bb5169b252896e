"""Recommendations: what to decide on, everything behind each, and what became of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.doors import back, chart_page, page
from apps.accounts.errors import DomainError
from apps.accounts.figures import SIGNS, count, money, number
from apps.accounts.paging import slice_of
from apps.accounts.permissions import may
from apps.campaigns import charts, wording
from apps.campaigns.forms import ReasonForm
from apps.campaigns.models import Kind, Outcome, Recommendation
from apps.campaigns.optimization import by_hand, decisions, execute, policies, previews
from apps.campaigns.reports import budget_test, evidence, history, inbox
from apps.campaigns.reports.evidence import Curve, Day
from apps.campaigns.views.frame import shown

State = Recommendation.State
SIZE = 25
# So many points of a curve stand in its table.
TABLE_POINTS = 12


@require_safe
@page("optimization:read")
def listed(request: HttpRequest) -> HttpResponse:
    """What waits for a yes or a no, and what became of the rest?"""
    group, kind = _known(request, "state", inbox.GROUPS), _known(request, "kind", Kind.values)
    waiting = inbox.to_decide(kind=kind) if group in {"", "to_decide"} else []
    rows = inbox.listed(group=group, kind=kind)
    rest = None if group == "to_decide" else slice_of(rows, request.GET, size=SIZE)
    found = [*waiting, *(rest.rows if rest else ())]
    items = inbox.items(found, policies.get(), request.workspace, now=timezone.now())
    context = {
        "counts": inbox.counts(),
        "waiting": items[: len(waiting)],
        "rest": items[len(waiting) :],
        "slice": rest,
        "group": group,
        "groups": list(inbox.GROUPS),
        "kind": kind,
        "kinds": inbox.kinds(),
        "most": inbox.MOST_TO_DECIDE,
    }
    return shown(request, "recommendations.html", context)


@require_POST
@page("optimization:approve")
def approve_many(request: HttpRequest) -> HttpResponse:
    """Say yes to each that is ticked; what cannot be approved says why, and the others are."""
    refused: list[str] = []
    asked = _chosen(request)
    for public_id in asked:
        try:
            decisions.approve(request.actor, public_id, now=timezone.now())
        except DomainError as error:
            refused.append(error.detail)
    if len(asked) > len(refused):
        yes = count(len(asked) - len(refused), "recommendation")
        messages.success(request, f"You said yes to {yes}.")
    for words in dict.fromkeys(refused):
        messages.error(request, f"{count(refused.count(words), 'recommendation')}: {words}")
    if not asked:
        messages.error(request, "Tick what you approve first.")
    return back(request, fallback=reverse("optimization:recommendations"))


@chart_page
@require_safe
@page("optimization:read")
def recommendation(request: HttpRequest, recommendation_id: UUID) -> HttpResponse:
    """What exactly, why, how sure, what would make it wrong, and what became of it."""
    found, now = decisions.get(recommendation_id), timezone.now()
    [item] = inbox.items([found], policies.get(), request.workspace, now=now)
    seen = evidence.read(found, until=timezone.localdate(now) - timedelta(days=1))
    sign = SIGNS.get(request.workspace.currency, f"{request.workspace.currency} ")
    is_test = found.kind == Kind.BUDGET_TEST
    test = budget_test.of(found, today=timezone.localdate(now)) if is_test else None
    can_roll_back = found.state in Recommendation.IN_FORCE and found.is_doable and not is_test
    can_stop = test is not None and test.can_be_stopped
    can_see_calls = found.is_doable and not is_test and (item.can_be_rejected or can_roll_back)
    context = {
        "item": item,
        "found": found,
        "evidence": seen,
        "kind_word": wording.KIND_WORDS[Kind(found.kind)],
        "steps": history.steps(found, with_audit=may(request.actor, "audit:read")),
        "outcomes": list(Outcome.objects.filter(recommendation=found).order_by("after_days")),
        "can_roll_back": can_roll_back,
        "can_see_calls": can_see_calls,
        "can_stop": can_stop,
        "has_buttons": may(request.actor, "optimization:write")
        and (item.can_be_rejected or can_roll_back or can_stop),
        "is_test": is_test,
        "test": test,
        **_drawn(seen.days, seen.curve, request.workspace.currency, sign),
    }
    return shown(request, "recommendation.html", context)


@require_POST
@page("optimization:approve")
def approve(request: HttpRequest, recommendation_id: UUID) -> HttpResponse:
    found = decisions.approve(request.actor, recommendation_id, now=timezone.now())
    leaves = "It is approved, and leaves as soon as nothing stands in the way."
    messages.success(request, leaves if found.state == State.APPROVED else found.state_reason)
    return back(request, fallback=_address(recommendation_id))


@require_POST
@page("optimization:approve")
def reject(request: HttpRequest, recommendation_id: UUID) -> HttpResponse:
    reason = ReasonForm(request.POST).said
    decisions.reject(request.actor, recommendation_id, reason=reason, now=timezone.now())
    messages.success(request, "It is rejected, and the same is not proposed again for two weeks.")
    return back(request, fallback=_address(recommendation_id))


@require_POST
@page("optimization:approve")
def done_by_hand(request: HttpRequest, recommendation_id: UUID) -> HttpResponse:
    by_hand.done(request.actor, recommendation_id, now=timezone.now())
    messages.success(request, "It is noted as made by hand, and measured like any other.")
    return back(request, fallback=_address(recommendation_id))


@require_POST
@page("optimization:approve")
def carry_out(request: HttpRequest, recommendation_id: UUID) -> HttpResponse:
    execute.begin(request.actor, recommendation_id, now=timezone.now())
    messages.success(request, "It is on its way.")
    return redirect(_address(recommendation_id))


@require_POST
@page("optimization:approve")
def roll_back(request: HttpRequest, recommendation_id: UUID) -> HttpResponse:
    found = execute.roll_back(request.actor, recommendation_id, now=timezone.now())
    is_test = found.kind == Kind.BUDGET_TEST
    before = "Budgets are" if is_test else "What was there before is"
    messages.success(request, f"{before} being restored.")
    return redirect(_address(recommendation_id))


@require_POST
@page("optimization:write")
def calls(request: HttpRequest, recommendation_id: UUID) -> HttpResponse:
    """A dry run. A POST, because it asks the platform and takes a while; it changes nothing."""
    found = decisions.get(recommendation_id)
    is_undo = found.state in Recommendation.IN_FORCE
    context = {
        "found": found,
        "is_undo": is_undo,
        "rehearsed": previews.calls(found, is_undo=is_undo),
        "obstacle": previews.obstacle(found, is_undo=is_undo, now=timezone.now()),
    }
    template = "calls_part.html" if request.htmx else "calls.html"
    return shown(request, template, context)


def _address(recommendation_id: UUID) -> str:
    return reverse("optimization:recommendation", args=[recommendation_id])


def _known(request: HttpRequest, name: str, values: Any) -> str:
    asked = request.GET.get(name, "")
    return asked if asked in values else ""


def _chosen(request: HttpRequest) -> list[UUID]:
    """What was ticked, each once; what is no id is no recommendation of ours."""
    found = []
    for text in dict.fromkeys(request.POST.getlist("chosen")[: inbox.MOST_TO_DECIDE]):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _drawn(days: Any, curve: Curve | None, currency: str, sign: str) -> dict[str, Any]:
    """Both figures, with the numbers behind them."""
    drawn: dict[str, Any] = {}
    if days:
        drawn["daily"] = charts.daily(days, sign=sign)
        drawn["daily_columns"] = ["Day", "Spend", "Clicks", "Conversions", "Revenue"]
        drawn["daily_rows"] = [_day_row(one, currency) for one in reversed(days)]
    if curve is not None:
        places = [curve.spend[-1] * step / TABLE_POINTS for step in range(1, TABLE_POINTS + 1)]
        drawn["curve"] = charts.curve(curve, sign=sign)
        drawn["curve_columns"] = ["Spend a day", "Revenue a day", "95 % interval"]
        drawn["curve_rows"] = [_curve_row(curve, one, currency) for one in places]
    return drawn


def _day_row(one: Day, currency: str) -> list[str]:
    return [
        f"{one.on.day} {one.on:%b %Y}",
        money(one.spend, currency, exact=True),
        number(one.clicks),
        number(one.conversions, 1),
        money(one.revenue, currency, exact=True),
    ]


def _curve_row(curve: Curve, spend: float, currency: str) -> list[str]:
    revenue, low, high = curve.at(spend)
    return [
        wording.amount(spend, currency),
        wording.amount(revenue, currency),
        wording.span(low, high, currency),
    ]
