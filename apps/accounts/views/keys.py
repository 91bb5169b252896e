from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import api_keys
from apps.accounts.doors import page, refusals_in
from apps.accounts.forms import KeyForm
from apps.accounts.models import ApiKey


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page("api_keys:manage")
def keys(request: HttpRequest) -> HttpResponse:
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            now = timezone.now()
            issued = api_keys.issue(request.actor, now=now, **form.issue_with(now))
            # The only answer that ever holds the secret: shown here, kept nowhere.
            return render(request, "accounts/key_issued.html", {"issued": issued}, status=201)
    context = {**_lists(), "form": form}
    return render(request, "accounts/keys.html", context, status=400 if form.errors else 200)


@require_POST
@page("api_keys:manage")
def revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    key = api_keys.revoke(request.actor, key_id=key_id, now=timezone.now())
    messages.success(request, f"{key.name} no longer opens anything.")
    return redirect("accounts:keys")


def _lists() -> dict[str, list[ApiKey]]:
    now = timezone.now()
    found = list(ApiKey.objects.select_related("created_by").order_by("-pk"))
    ended = [key for key in found if key.revoked_at or (key.expires_at and key.expires_at <= now)]
    return {"working": [key for key in found if key not in ended], "ended": ended}
