"""What is switched on in this workspace, and the way to switch it off."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts.doors import page
from apps.accounts.permissions import require
from apps.campaigns import flags
from apps.campaigns import switches as verbs


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:read")
def switches(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        require(request.actor, "workspace:manage")
        name, is_on = request.POST.get("name", ""), request.POST.get("is_on") == "1"
        reason = request.POST.get("reason", "")
        verbs.turn(request.actor, name, is_on=is_on, now=timezone.now(), reason=reason)
        label = flags.find(name).label
        messages.success(request, f"{label}: switched {'on' if is_on else 'off'}.")
        return redirect("campaigns:switches")
    standings = verbs.standings(request.workspace)
    context = {"standings": standings, "off": sum(not one.is_on for one in standings)}
    return render(request, "campaigns/switches.html", context)
