"""Wedding days and emergencies: what is on, what was, and which days and messages they are about."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import workspaces
from apps.accounts.doors import page, refusals_in
from apps.accounts.permissions import require
from apps.integrations import modes
from apps.integrations.forms import EmergencyForm, WeddingDaysForm


@require_http_methods(["GET", "HEAD", "POST"])
@page("integrations:read")
def wedding_days(request: HttpRequest) -> HttpResponse:
    """A POST changes which days and messages they are about."""
    kept = {
        "days": modes.days_of(request.workspace),
        "templates": "\n".join(sorted(modes.templates_of(request.workspace))),
    }
    form = WeddingDaysForm(request.POST or None, initial=kept)
    if request.method == "POST":
        require(request.actor, "workspace:manage")
        if form.is_valid():
            with refusals_in(form):
                workspaces.change(request.actor, now=timezone.now(), settings=form.settings())
                modes.keep_up(now=timezone.now())
                messages.success(request, "Saved.")
                return redirect("integrations:wedding-days")
    return _shown(request, form=form, emergency=EmergencyForm())


@require_POST
@page("incidents:act")
def begin(request: HttpRequest) -> HttpResponse:
    emergency = EmergencyForm(request.POST)
    if emergency.is_valid():
        with refusals_in(emergency):
            modes.begin_emergency(request.actor, now=timezone.now(), **emergency.cleaned_data)
            messages.success(request, "Only what cannot wait is done from now on.")
            return redirect("integrations:wedding-days")
    return _shown(request, form=WeddingDaysForm(), emergency=emergency)


@require_POST
@page("incidents:act")
def end(request: HttpRequest) -> HttpResponse:
    reason = request.POST.get("reason", "").replace("\0", "").strip()[:300]
    spell = modes.end(request.actor, reason=reason, now=timezone.now())
    messages.success(request, f"The {spell.get_kind_display()} is over. What waited goes on.")
    return redirect("integrations:wedding-days")


def _shown(request: HttpRequest, *, form: WeddingDaysForm, emergency: EmergencyForm) -> HttpResponse:
    context: dict[str, Any] = {
        "mode": modes.active(timezone.now()),
        "days": [day.capitalize() for day in modes.days_of(request.workspace)],
        "spells": modes.latest(),
        "form": form,
        "emergency": emergency,
    }
    status = 400 if form.errors or emergency.errors else 200
    return render(request, "integrations/wedding_days.html", context, status=status)
