from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.doors import page
from apps.integrations import conversion_reports


@require_safe
@page("integrations:read")
def conversions(request: HttpRequest) -> HttpResponse:
    """Do those who sent the buyers hear of what was sold?"""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, conversion_reports.PERIODS) else 28
    found = conversion_reports.tellings(days=days, now=timezone.now())
    context = {
        "tellings": found,
        "days": days,
        "periods": conversion_reports.PERIODS,
        "enough": conversion_reports.ENOUGH,
        "sent": sum(one.sent for one in found),
        "rejected": sum(one.rejected for one in found),
    }
    return render(request, "integrations/conversions.html", context)
