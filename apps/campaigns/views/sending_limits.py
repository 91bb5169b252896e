"""How much may leave from this workspace."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts import workspaces
from apps.accounts.doors import page, refusals_in
from apps.accounts.permissions import may, require
from apps.campaigns.limit_forms import DELIVERY, SendingLimitsForm


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:read")
def sending_limits(request: HttpRequest) -> HttpResponse:
    is_changeable = may(request.actor, "workspace:manage")
    form = SendingLimitsForm(request.POST or None, workspace=request.workspace, is_changeable=is_changeable)
    if request.method == "POST":
        require(request.actor, "workspace:manage")
        if form.is_valid():
            with refusals_in(form):
                workspaces.change(request.actor, now=timezone.now(), settings=form.settings())
                messages.success(request, "Saved. It holds for what leaves from now on.")
                return redirect("campaigns:limits")
    told = request.workspace.settings.get(DELIVERY) or {}
    context = {"form": form, "cap": told.get("cap"), "has_limits": any(told.values())}
    return render(request, "campaigns/limits.html", context, status=400 if form.errors else 200)
