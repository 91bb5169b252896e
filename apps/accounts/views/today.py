from allauth.mfa.utils import is_mfa_enabled
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts import today as floors
from apps.accounts.doors import is_customer, page
from apps.accounts.models import ApiKey, AuditEntry, Job, Membership, Person
from apps.accounts.permissions import may

NUDGED = {Membership.Role.OWNER, Membership.Role.ADMIN}
LATEST = 5


@require_safe
@page("profile:read")
def today(request: HttpRequest) -> HttpResponse:
    if is_customer(request):
        return redirect("accounts:customer")
    actor, now = request.actor, timezone.now()
    has_data = Person.objects.exists()
    context = {
        "has_data": has_data,
        "headlines": floors.headlines(actor, now=now) if has_data else [],
        "has_key": ApiKey.objects.filter(revoked_at=None).exists() if may(actor, "api_keys:manage") else None,
        "needs_second_factor": actor.role in NUDGED and not is_mfa_enabled(request.user),
        "jobs": Job.objects.order_by("-pk")[:LATEST] if may(actor, "jobs:read") else [],
        "deeds": _deeds() if may(actor, "audit:read") else [],
    }
    return render(request, "accounts/today.html", context)


def _deeds() -> QuerySet[AuditEntry]:
    """What was done lately. Looks at personal data are left to the log: they would fill the page."""
    return AuditEntry.objects.exclude(deed__endswith=".revealed").order_by("-occurred_at", "-pk")[:LATEST]
