from itertools import islice

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import audit as verbs
from apps.accounts.doors import page
from apps.accounts.forms import AuditFilter
from apps.accounts.models import AuditEntry, AuditSeal
from apps.accounts.paging import slice_of

# A longer chain takes longer than a person waits; the command checks it.
CHECKED_ON_PAGE = 20_000


@require_safe
@page("audit:read")
def audit(request: HttpRequest) -> HttpResponse:
    form = AuditFilter(request.GET)
    lookups = form.lookups()
    last = AuditSeal.objects.order_by("-position").first()
    sealed = last.position if last else 0
    context = {
        "form": form,
        "is_filtered": bool(lookups),
        "slice": slice_of(AuditEntry.objects.filter(**lookups), request.GET),
        "last": last,
        "sealed": sealed,
        "waiting": AuditEntry.objects.filter(pk__gt=last.entry_id if last else 0).count(),
        "may_check": 0 < sealed <= CHECKED_ON_PAGE,
    }
    return render(request, "accounts/audit.html", context)


@require_POST
@page("audit:read")
def check(request: HttpRequest) -> HttpResponse:
    """Walk the chain and say whether it holds."""
    fault = next(islice(verbs.verify(), 1), None)
    if fault is None:
        messages.success(request, "The chain holds: no entry was changed, added or taken away.")
    else:
        messages.error(request, f"The chain breaks at position {fault.position}: {fault.what}.")
    return redirect("accounts:audit")
