from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.doors import page, refusals_in
from apps.attribution import channel_colours, ingest, parsing, snippets
from apps.attribution.forms import TestEventForm
from apps.attribution.models import Conversion, Touchpoint

SHOWN = 5


@dataclass(frozen=True)
class Latest:
    """The newest arrivals. mark: tells them from the next ones."""

    touches: list[Touchpoint]
    conversions: list[Conversion]

    @property
    def mark(self) -> str:
        newest = [str(rows[0].pk) if rows else "0" for rows in (self.touches, self.conversions)]
        return "-".join(newest)


@require_http_methods(["GET", "HEAD", "POST"])
@page("tracking:write")
def first_event(request: HttpRequest) -> HttpResponse:
    form = TestEventForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        _send(request, form)
        if not form.errors:
            return redirect("attribution:first-event")
    context = {
        "form": form,
        "latest": _latest(),
        "placeholder": snippets.PLACEHOLDER,
        "touch_snippets": snippets.of_touch(_address(request, "track-event")),
        "conversion_snippets": snippets.of_conversion(
            _address(request, "track-conversion"), currency=request.workspace.currency
        ),
    }
    return render(request, "attribution/first_event.html", context, status=400 if form.errors else 200)


@require_safe
@never_cache
@page("tracking:write")
def latest(request: HttpRequest) -> HttpResponse:
    """What arrived since the mark that the page has; 204 when nothing did, which changes nothing."""
    found = _latest()
    if request.GET.get("seen") == found.mark:
        return HttpResponse(status=204)
    return render(request, "attribution/latest_events.html", {"latest": found})


def _send(request: HttpRequest, form: TestEventForm) -> None:
    now = timezone.now()
    with refusals_in(form):
        record: dict[str, Any] = {**form.cleaned_data, "properties": {"sent_from": "first event page"}}
        verdict = ingest.track_event(request.actor, parsing.touch(record, received_at=now), now=now)
        name = channel_colours.names()[verdict.channel].label
        messages.success(request, f"Stored. It counts for the channel {name}.")


def _latest() -> Latest:
    touches = Touchpoint.objects.select_related("source__channel", "person").order_by("-pk")[:SHOWN]
    conversions = Conversion.objects.select_related("person").order_by("-pk")[: SHOWN // 2]
    return Latest(list(touches), list(conversions))


def _address(request: HttpRequest, name: str) -> str:
    return request.build_absolute_uri(reverse(f"attribution-api:{name}"))
