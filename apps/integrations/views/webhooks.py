from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.doors import page, refusals_in
from apps.integrations import reports, webhooks
from apps.integrations.forms import WebhookForm


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page("integrations:manage")
def listed(request: HttpRequest) -> HttpResponse:
    """Who is told of what happens here, and does it arrive?"""
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            endpoint, secret = webhooks.create(
                request.actor,
                url=form.cleaned_data["url"],
                event_names=form.cleaned_data["event_names"] or [webhooks.ALL],
                now=timezone.now(),
            )
            # The only answer that ever holds the secret.
            context = {"endpoint": endpoint, "secret": secret}
            return render(request, "integrations/webhook_secret.html", context, status=201)
    endpoints = list(webhooks.endpoints())
    stopped = [one for one in endpoints if not one.is_on]
    context = {"endpoints": endpoints, "stopped": stopped, "unknown": _unknown(), "form": form}
    return render(request, "integrations/webhooks.html", context, status=400 if form.errors else 200)


@require_safe
@page("integrations:manage")
def endpoint(request: HttpRequest, endpoint_id: str) -> HttpResponse:
    found = webhooks.get(endpoint_id)
    context = {"endpoint": found, "unknown": _unknown(), "calls": webhooks.log_of(found)}
    return render(request, "integrations/webhook.html", context)


def _unknown() -> set[int]:
    """The connections of which it is not known whether they work."""
    return {one.connection.pk for one in reports.standings(now=timezone.now()) if one.is_unknown}


@require_POST
@page("integrations:manage")
def test(request: HttpRequest, endpoint_id: str) -> HttpResponse:
    webhooks.send_test(request.actor, webhooks.get(endpoint_id), now=timezone.now())
    messages.success(request, "A test message is on its way. Its fate stands below in a moment.")
    return redirect("integrations:webhook", endpoint_id=endpoint_id)


@require_POST
@never_cache
@page("integrations:manage")
def rotate(request: HttpRequest, endpoint_id: str) -> HttpResponse:
    found = webhooks.get(endpoint_id)
    secret = webhooks.rotate(request.actor, found, now=timezone.now())
    context = {"endpoint": found, "secret": secret, "is_rotated": True}
    return render(request, "integrations/webhook_secret.html", context, status=201)


@require_POST
@page("integrations:manage")
def turn_on(request: HttpRequest, endpoint_id: str) -> HttpResponse:
    webhooks.turn_on(request.actor, webhooks.get(endpoint_id), now=timezone.now())
    messages.success(request, "It is told again. What was held goes out now.")
    return redirect("integrations:webhook", endpoint_id=endpoint_id)


@require_POST
@page("integrations:manage")
def delete(request: HttpRequest, endpoint_id: str) -> HttpResponse:
    webhooks.delete(request.actor, webhooks.get(endpoint_id), now=timezone.now())
    messages.success(request, "It is told nothing more.")
    return redirect("integrations:webhooks")


@require_POST
@page("integrations:manage")
def redeliver(request: HttpRequest, endpoint_id: str, call_id: str) -> HttpResponse:
    webhooks.redeliver(request.actor, webhooks.get(endpoint_id), call_id, now=timezone.now())
    messages.success(request, "It is sent again, with the same id.")
    return redirect("integrations:webhook", endpoint_id=endpoint_id)
