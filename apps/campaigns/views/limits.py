"""What the engine may do: its limits, who approves, and what it may do by itself."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.doors import page, refusals_in
from apps.accounts.figures import duration
from apps.accounts.permissions import require
from apps.campaigns import wording
from apps.campaigns.forms import AutoForm, CapForm, PolicyForm
from apps.campaigns.models import AutoRule, Kind, SpendCap
from apps.campaigns.optimization import ledger, policies
from apps.campaigns.optimization.ledger import Standing
from apps.campaigns.views.frame import shown


@require_http_methods(["GET", "HEAD", "POST"])
@page("optimization:read")
def limits(request: HttpRequest) -> HttpResponse:
    """What may it do, how much of it is used, and who approves?"""
    form = PolicyForm(request.POST or None, initial=PolicyForm.initial_of(policies.get()))
    if request.method == "POST":
        require(request.actor, "optimization:approve")
        if form.is_valid():
            with refusals_in(form):
                policies.change(request.actor, form.cleaned_data, now=timezone.now())
                messages.success(request, "It holds from now on.")
                return redirect("optimization:limits")
    return _page(request, policy_form=form)


@require_POST
@page("optimization:approve")
def auto(request: HttpRequest) -> HttpResponse:
    """What of one kind may be carried out without a person."""
    form = AutoForm(request.POST)
    if form.is_valid():
        with refusals_in(form):
            kind = form.cleaned_data["kind"]
            policies.set_auto(request.actor, kind, form.terms(), now=timezone.now())
            messages.success(request, f"{wording.KIND_WORDS[Kind(kind)]}: it holds from now on.")
            return redirect("optimization:limits")
    return _page(request, auto_form=form)


@require_POST
@page("optimization:approve")
def cap(request: HttpRequest) -> HttpResponse:
    """Set a cap, or take away one of an account or a campaign."""
    form = CapForm(request.POST)
    if "remove" in request.POST:
        form.fields["amount"].required = False
    if form.is_valid():
        with refusals_in(form):
            amount = None if "remove" in request.POST else form.cleaned_data["amount"]
            ledger.set_cap(
                request.actor, form.cleaned_data["measure"], amount, now=timezone.now(), **form.scope()
            )
            messages.success(request, "The cap is gone." if amount is None else "The cap holds from now on.")
            return redirect("optimization:limits")
    return _page(request, cap_form=form)


def _page(
    request: HttpRequest,
    *,
    policy_form: PolicyForm | None = None,
    auto_form: AutoForm | None = None,
    cap_form: CapForm | None = None,
) -> HttpResponse:
    """All forms, that of the refused input as it was typed."""
    policy, day = policies.get(), ledger.today(request.workspace, timezone.now())
    rows = [_cap_row(one) for one in ledger.standings(day=day)]
    form = policy_form or PolicyForm(initial=PolicyForm.initial_of(policy))
    context: dict[str, Any] = {
        "form": form,
        "groups": [(title, [form[name] for name in names]) for title, names in PolicyForm.GROUPS],
        "autos": [
            {
                "rule": rule,
                "label": wording.KIND_WORDS[Kind(kind)],
                "form": _auto_form(auto_form, rule),
            }
            for kind, rule in policies.auto_rules().items()
        ],
        "rows": rows,
        "full": sum(row["is_full"] for row in rows),
        "cap_form": cap_form or CapForm(),
        "policy": policy,
        "pause": duration(3600 * policy.cooldown_hours),
    }
    bound = [one for one in (policy_form, auto_form, cap_form) if one is not None and one.errors]
    return shown(request, "limits.html", context, status=400 if bound else 200)


def _auto_form(refused: AutoForm | None, rule: AutoRule) -> AutoForm:
    """The form of a kind; the refused one, as it was typed, if it is of this kind."""
    if refused is not None and refused.data.get("kind") == rule.kind:
        refused.auto_id = f"id_{rule.kind}_%s"
        return refused
    return AutoForm(initial=AutoForm.initial_of(rule), auto_id=f"id_{rule.kind}_%s")


def _cap_row(one: Standing) -> dict[str, Any]:
    """A cap with what its form sends."""
    cap: SpendCap = one.cap
    key = "all"
    if cap.campaign_id is not None:
        key = f"campaign:{cap.campaign_id}"
    elif cap.connection is not None:
        key = f"account:{cap.connection.public_id}"
    share = min(100.0, float(100 * one.used / cap.amount)) if cap.amount else 100.0
    return {
        "standing": one,
        "of": key,
        "share": round(share, 1),
        "label": f"{share:.0f} % used",
        "is_full": one.used >= cap.amount,
    }
