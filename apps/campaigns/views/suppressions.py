"""Addresses that are not written to."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.doors import page, refusals_in
from apps.accounts.permissions import require
from apps.campaigns.forms import SuppressionForm
from apps.campaigns.subscriptions import suppression_list
from apps.integrations.models import Suppression

PER_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:read")
def suppressions(request: HttpRequest) -> HttpResponse:
    form = SuppressionForm(request.POST or None)
    if request.method == "POST":
        require(request.actor, "campaigns:write")
        if form.is_valid():
            with refusals_in(form):
                suppression_list.add(request.actor, now=timezone.now(), **form.cleaned_data)
                messages.success(request, "Nobody writes to this address any more.")
                return redirect("campaigns:suppressions")
    reason = request.GET.get("reason", "")
    reason = reason if reason in Suppression.Reason.values else ""
    pages = Paginator(suppression_list.rows(reason=reason), PER_PAGE)
    found = pages.get_page(request.GET.get("page"))
    context = {
        "page": found,
        "rows": suppression_list.shown(request.actor, list(found.object_list)),
        "total": pages.count,
        "reason": reason,
        "reasons": Suppression.Reason.choices,
        "form": form,
    }
    return render(request, "campaigns/suppressions.html", context, status=400 if form.errors else 200)


@require_POST
@page("campaigns:send")
def remove(request: HttpRequest, suppression_id: int) -> HttpResponse:
    why = request.POST.get("why", "")
    suppression_list.remove(request.actor, suppression_id, why=why, now=timezone.now())
    messages.success(request, "The address is off the list, and may be written to again.")
    return redirect("campaigns:suppressions")
