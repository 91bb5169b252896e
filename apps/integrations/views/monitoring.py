"""Is anything wrong? Incidents, the rules that open them, and how every service does."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.doors import page
from apps.accounts.paging import slice_of
from apps.integrations import modes, trail
from apps.integrations.models import Incident
from apps.integrations.monitoring import incidents, rules, status

SILENCES = {"0": 0, "1": 1, "24": 24}


@require_safe
@page("integrations:read")
def listed(request: HttpRequest) -> HttpResponse:
    rows = Incident.objects.select_related("acknowledged_by")
    over = rows.filter(state=Incident.State.RESOLVED)
    context: dict[str, Any] = {
        "going_on": incidents.going_on(),
        "slice": slice_of(over, request.GET, size=25),
    }
    return render(request, "integrations/incidents.html", context)


@require_safe
@page("integrations:read")
def incident(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = incidents.find(public_id)
    stream = incidents.stream_of(found)
    context = {
        "incident": found,
        "steps": trail.steps_of(stream),
        "faults": list(trail.faults(stream)),
    }
    return render(request, "integrations/incident.html", context)


@require_POST
@page("incidents:act")
def acknowledge(request: HttpRequest, public_id: UUID) -> HttpResponse:
    incidents.acknowledge(request.actor, incidents.find(public_id), now=timezone.now())
    messages.success(request, "It is yours. Nobody else will be woken.")
    return redirect("integrations:incident", public_id=public_id)


@require_POST
@page("incidents:act")
def resolve(request: HttpRequest, public_id: UUID) -> HttpResponse:
    why = request.POST.get("why", "").replace("\0", "").strip()[:300]
    incidents.resolve_by_hand(request.actor, incidents.find(public_id), why=why, now=timezone.now())
    messages.success(request, "It is resolved. Whoever was told hears of it.")
    return redirect("integrations:incident", public_id=public_id)


@require_safe
@page("integrations:read")
def rules_listed(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    found = rules.listed()
    context = {
        "rules": [{"rule": one, "is_silent": rules.is_silent(one, now)} for one in found],
        "holding": [one for one in found if one.is_on and one.holds_since],
    }
    return render(request, "integrations/rules.html", context)


@require_POST
@page("integrations:manage")
def rule_changed(request: HttpRequest, key: str) -> HttpResponse:
    """Silence it for an hour or a day, end its silence, or switch it on and off."""
    now = timezone.now()
    if (hours := request.POST.get("silence")) is not None:
        if hours not in SILENCES:
            raise BadRequest("Silence lasts an hour, a day, or ends.")
        rule = rules.silence(request.actor, key, hours=SILENCES[hours], now=now)
        messages.success(request, f"“{rule.title}” {'is silent' if SILENCES[hours] else 'may speak again'}.")
    else:
        rule = rules.change(request.actor, key, now=now, is_on=request.POST.get("is_on") == "on")
        messages.success(request, f"“{rule.title}” is {'on' if rule.is_on else 'off'}.")
    return redirect("integrations:rules")


@require_safe
@page("integrations:read")
def services_listed(request: HttpRequest) -> HttpResponse:
    found = status.statuses(now=timezone.now())
    context = {
        "mode": modes.active(timezone.now()),
        "statuses": found,
        "troubled": [one for one in found if one.trouble],
        "ahead": [one for one in found if one.ahead],
        "unknown": [one for one in found if one.is_unknown],
        "channels": status.proven(),
    }
    return render(request, "integrations/status.html", context)
