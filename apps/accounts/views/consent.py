"""What people allowed: of one person, and as a file of many."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts import consent, consent_intake, people
from apps.accounts.consent import Said
from apps.accounts.doors import page, refusals_in
from apps.accounts.forms import ConsentFileForm, ConsentForm
from apps.accounts.permissions import require

FAULTS_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@page("people:read")
def person(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What one person allows, how it came about, and a form for what they say now."""
    found = people.find_public(public_id)
    history = consent.history(found)
    form = ConsentForm(request.POST or None, purposes=_purposes(one.purpose for one in history))
    if request.method == "POST":
        require(request.actor, "people:write")
        if form.is_valid():
            with refusals_in(form):
                now = timezone.now()
                consent.require_proof(found, Said(**form.word(now)))
                consent.record(request.actor, found, now=now, **form.word(now))
                messages.success(request, "It is written down and counts from now on.")
                return redirect("accounts:consent", public_id=found.public_id)
    context = {
        "person": found,
        "latest": sorted(consent.latest(found).values(), key=lambda one: one.purpose),
        "history": history,
        "meanings": consent.purposes(),
        "form": form,
    }
    return render(request, "accounts/consent.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page("people:write")
def many(request: HttpRequest) -> HttpResponse:
    """What consent is asked for, the ways to record it, and a file of what many people said."""
    form = ConsentFileForm(request.POST or None, request.FILES or None)
    taken: Any = None
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            raw, source = form.cleaned_data["file"].read(), form.cleaned_data["source"]
            taken = consent_intake.take_file(request.actor, raw, source=source, now=timezone.now())
    context = {
        "form": form,
        "taken": taken,
        "faults": taken.faults[:FAULTS_SHOWN] if taken else [],
        "purposes": consent.purposes(),
        "example": EXAMPLE,
        "columns": ", ".join(consent_intake.COLUMNS),
    }
    return render(request, "accounts/consent_many.html", context, status=400 if form.errors else 200)


EXAMPLE = (
    "user_id,email,purpose,granted,occurred_at\n"
    "user_123,,ad_user_data,yes,2026-11-19T10:00:00Z\n"
    ",anna@example.com,analytics_storage,no,2026-11-20T08:30:00Z"
)


def _purposes(used: Any) -> list[str]:
    return sorted({*consent.purposes(), *used})
