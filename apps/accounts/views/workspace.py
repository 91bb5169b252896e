from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import members, workspaces
from apps.accounts.doors import back, page, refusals_in
from apps.accounts.errors import NotHere
from apps.accounts.forms import WorkspaceForm
from apps.accounts.models import Person

THEMES = {"light", "dark"}
YEAR = 365 * 24 * 3600


@require_http_methods(["GET", "HEAD", "POST"])
@page("workspace:manage")
def workspace(request: HttpRequest) -> HttpResponse:
    form = WorkspaceForm(
        request.POST or None, workspace=request.workspace, is_currency_fixed=Person.objects.exists()
    )
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            workspaces.change(request.actor, now=timezone.now(), **form.change_with())
            messages.success(request, "Saved.")
            return redirect("accounts:workspace")
    return render(request, "accounts/workspace.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    """The workspaces to choose from."""
    return render(request, "accounts/switch.html", {"memberships": members.memberships_of(request.user)})


@require_POST
@login_required
def enter(request: HttpRequest, workspace_id: int) -> HttpResponse:
    try:
        members.choose(request.user, request.session, workspace_id=workspace_id)
    except NotHere as refusal:
        messages.error(request, refusal.detail)
        return redirect("accounts:workspaces")
    return redirect("accounts:today")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep how this browser shows pages; anything but light or dark follows the system."""
    answer = back(request)
    if (chosen := request.POST.get("theme", "")) in THEMES:
        is_secure = settings.SESSION_COOKIE_SECURE
        answer.set_cookie("theme", chosen, max_age=YEAR, secure=is_secure, samesite="Lax", httponly=True)
    else:
        answer.delete_cookie("theme")
    return answer
