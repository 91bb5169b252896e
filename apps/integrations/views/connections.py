from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.doors import page, refusals_in
from apps.integrations import (
    ads_pull,
    call_deeds,
    connections,
    inbound,
    modes,
    remarks,
    reports,
    services,
)
from apps.integrations.forms import ConnectForm
from apps.integrations.services import Family
from apps.integrations.sync import pull

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@require_safe
@page("integrations:read")
def listed(request: HttpRequest) -> HttpResponse:
    """Is anything wrong with what we are connected to?"""
    found = reports.standings(now=timezone.now())
    troubled = [one for one in found if not one.is_well]
    context = {
        "mode": modes.active(timezone.now()),
        "standings": found,
        "troubled": troubled,
        "unknown": [one for one in found if one.is_unknown],
        "catalogue": reports.catalogue(),
    }
    return render(request, "integrations/connections.html", context)


@require_safe
@page("integrations:read")
def connection(request: HttpRequest, public_id: str) -> HttpResponse:
    found = connections.get(public_id)
    now = timezone.now()
    standing = reports.standing_of(found, now=now)
    context: dict[str, Any] = {
        "standing": standing,
        "connection": found,
        "service": standing.service,
        "calls": reports.troubled_calls(found),
        "hook_url": inbound.url_of(found),
        "facts": standing.service.facts_of(found, now=now),
        "remarks": remarks.on(found),
    }
    if standing.service.family == Family.ADS:
        context["campaigns"] = reports.campaigns(found, now=now)
    return render(request, "integrations/connection.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page("integrations:manage")
def connect(request: HttpRequest, service: str) -> HttpResponse:
    """Type in keys, or choose the account and go to the service to sign in."""
    found = connections.service_of(service)
    if found.oauth is not None and (there := _under_our_name(request)):
        return redirect(there)
    form = ConnectForm(request.POST or None, service=found)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            return _connect(request, found, form)
    context = {"service": found, "form": form}
    shown = render(request, "integrations/connect.html", context, status=400 if form.errors else 200)
    if found.sign_in_origin:
        # Browsers hold the policy for forms against where a form's answer leads as well.
        shown._csp_update = {"form-action": [found.sign_in_origin]}
    return shown


def _under_our_name(request: HttpRequest) -> str:
    """This page under the name that the service sends people back to, where this machine is asked under
    another of its names: the session and the browser's policy for forms hold for one alone.
    """
    ours = urlsplit(settings.SITE_URL)
    asked = urlsplit(f"//{request.get_host()}")
    is_alias = asked.hostname != ours.hostname and {asked.hostname, ours.hostname} <= LOOPBACK
    return settings.SITE_URL + request.get_full_path() if is_alias else ""


def _connect(request: HttpRequest, service: services.Service, form: ConnectForm) -> HttpResponse:
    now, values = timezone.now(), form.values()
    if service.oauth is not None:
        address = connections.begin_sign_in(request.actor, service, request.session, values=values, now=now)
        return redirect(address)
    made = connections.connect(
        request.actor, service, values=values, label=form.cleaned_data.get("label", ""), now=now
    )
    if service.family == Family.CRM:
        pull.pull.delay(workspace_id=made.workspace_id, connection_id=made.pk)
    return redirect("integrations:connection", public_id=made.public_id)


@require_safe
@never_cache
@page("integrations:manage")
def signed_in(request: HttpRequest) -> HttpResponse:
    """Where the service sends the browser back to."""
    if problem := request.GET.get("error"):
        messages.error(request, f"It was not allowed there ({problem[:80]}). Nothing is connected.")
        return redirect("integrations:connections")
    made = connections.finish_sign_in(
        request.actor,
        request.session,
        state=request.GET.get("state", ""),
        code=request.GET.get("code", ""),
        now=timezone.now(),
    )
    if services.get(made.service).family == Family.ADS:
        ads_pull.pull.delay(workspace_id=made.workspace_id, connection_id=made.pk)
    messages.success(request, f"{made.label} is connected.")
    return redirect("integrations:connection", public_id=made.public_id)


@require_POST
@page("integrations:manage")
def test(request: HttpRequest, public_id: str) -> HttpResponse:
    found = connections.get(public_id)
    said = connections.test(request.actor, found, now=timezone.now())
    messages.success(request, f"It works. {said}".strip())
    return redirect("integrations:connection", public_id=public_id)


@require_POST
@page("integrations:manage")
def read_now(request: HttpRequest, public_id: str) -> HttpResponse:
    found = connections.get(public_id)
    ads_pull.pull.delay(workspace_id=found.workspace_id, connection_id=found.pk)
    messages.success(request, "It is being read. Campaigns and figures come in as they arrive.")
    return redirect("integrations:connection", public_id=public_id)


@require_POST
@page("integrations:manage")
def disconnect(request: HttpRequest, public_id: str) -> HttpResponse:
    found = connections.get(public_id)
    was_revoked = connections.disconnect(request.actor, found, now=timezone.now())
    name = services.known(found.service).name
    rest = "" if was_revoked else f" Revoke our access at {name} as well: it could not be done from here."
    messages.success(request, f"{found.label} is disconnected, and its credentials are forgotten.{rest}")
    return redirect("integrations:connections")


@require_POST
@page("integrations:manage")
def replay(request: HttpRequest, call_id: str) -> HttpResponse:
    call = call_deeds.replay(request.actor, call_id, now=timezone.now())
    messages.success(request, "It will be sent again.")
    return redirect("integrations:connection", public_id=call.connection.public_id)


@require_POST
@page("integrations:manage")
def cancel(request: HttpRequest, call_id: str) -> HttpResponse:
    call = call_deeds.cancel(request.actor, call_id, now=timezone.now())
    messages.success(request, "It will not be sent.")
    return redirect("integrations:connection", public_id=call.connection.public_id)
