from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts import members
from apps.accounts.doors import is_customer, page
from apps.accounts.forms import ProfileForm


@require_http_methods(["GET", "HEAD", "POST"])
@page("profile:read")
def profile(request: Any) -> HttpResponse:
    if is_customer(request):
        return redirect("accounts:customer")
    form = ProfileForm(request.POST or None, initial={"name": request.user.name})
    if request.method == "POST" and form.is_valid():
        members.rename(request.actor, user=request.user, name=form.cleaned_data["name"], now=timezone.now())
        messages.success(request, "Saved.")
        return redirect("accounts:profile")
    context = {"form": form, "has_second_factor": is_mfa_enabled(request.user)}
    return render(request, "accounts/profile.html", context, status=400 if form.errors else 200)
