"""Texts that were edited in two places at once: a person says which stays."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.doors import page
from apps.campaigns.content import variants
from apps.campaigns.models import EditConflict
from apps.campaigns.offline import edited
from apps.campaigns.views.campaign_forms import seen_version


@require_safe
@page("campaigns:read")
def listed(request: HttpRequest) -> HttpResponse:
    """What was edited offline that somebody else had changed?"""
    waiting = edited.waiting()
    context = {"conflicts": [(one, _sides(one)) for one in waiting], "count": len(waiting)}
    return render(request, "campaigns/edits.html", context)


@require_POST
@page("campaigns:write")
def decide(request: HttpRequest, conflict_id: UUID) -> HttpResponse:
    take_it = request.POST.get("take") == "yes"
    version = seen_version(request)
    edited.decide(request.actor, conflict_id, take_it=take_it, version=version, now=timezone.now())
    messages.success(request, "The device's text was taken." if take_it else "The present text stays.")
    return redirect("campaigns:edits")


def _sides(one: EditConflict) -> list[tuple[str, str, str]]:
    """Each field with its present text and the device's."""
    return [
        (name.replace("_", " "), getattr(one.content, name), text)
        for name, text in one.fields.items()
        if name in variants.WORDS
    ]
