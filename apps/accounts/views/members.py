from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import invitations
from apps.accounts import members as verbs
from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.forms import ROLES, MemberForm, RoleForm
from apps.accounts.models import Membership, User

UNDO_SECONDS = 3_600
UNDO_SALT = "members.removed"


@require_http_methods(["GET", "HEAD", "POST"])
@page("members:manage")
def members(request: HttpRequest) -> HttpResponse:
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            added = verbs.invite(request.actor, now=timezone.now(), **form.cleaned_data)
            messages.success(request, f"{added.user.email} was added. A mail with the way in is on its way.")
            return redirect("accounts:members")
    context = {
        "members": Membership.objects.select_related("user").order_by("user__email"),
        "roles": [(role, label) for role, label, _ in ROLES],
        "form": form,
        "removed": _read(request.GET.get("removed", ""), workspace_id=request.actor.workspace_id),
    }
    return render(request, "accounts/members.html", context, status=400 if form.errors else 200)


@require_POST
@page("members:manage")
def change_role(request: HttpRequest, membership_id: int) -> HttpResponse:
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise Invalid({"role": ["Choose one of the roles."]}, "Choose one of the roles.")
    member = verbs.change_role(
        request.actor, membership_id=membership_id, role=form.cleaned_data["role"], now=timezone.now()
    )
    messages.success(request, f"{member.user} is {member.get_role_display().lower()} now.")
    return redirect("accounts:members")


@require_POST
@page("members:manage")
def remove(request: HttpRequest, membership_id: int) -> HttpResponse:
    member = verbs.remove(request.actor, membership_id=membership_id, now=timezone.now())
    if member.user_id == request.user.pk:
        return redirect("accounts:today")
    if member.role == Membership.Role.CUSTOMER:
        return redirect("accounts:members")
    token = signing.dumps([member.workspace_id, member.user_id, member.role], salt=UNDO_SALT)
    return redirect(f"{request.path_info.rsplit('/', 3)[0]}/?removed={token}")


@require_POST
@page("members:manage")
def restore(request: HttpRequest) -> HttpResponse:
    """Undo a removal: the signed note says who it was and as what."""
    removed = _read(request.POST.get("removed", ""), workspace_id=request.actor.workspace_id)
    if removed is None:
        raise Invalid({}, "This can no longer be undone. Add them again by e-mail.")
    verbs.add(request.actor, user=removed["user"], role=removed["role"], now=timezone.now())
    messages.success(request, f"{removed['user']} is back.")
    return redirect("accounts:members")


@require_POST
@page("members:manage")
def send_again(request: HttpRequest, membership_id: int) -> HttpResponse:
    member = Membership.objects.filter(pk=membership_id).exclude(role=Membership.Role.CUSTOMER).first()
    if member is None:
        raise NotHere("There is no such member in this workspace.")
    invitations.send.delay(
        workspace_id=member.workspace_id, membership_id=member.pk, invited_by=request.actor.label
    )
    messages.success(request, "The mail with the way in is on its way again.")
    return redirect("accounts:members")


def _read(token: str, *, workspace_id: int) -> dict[str, Any] | None:
    """Who was removed, if the note is genuine, fresh, this workspace's and not undone yet."""
    try:
        noted, user_id, role = signing.loads(token, salt=UNDO_SALT, max_age=UNDO_SECONDS)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=user_id).first()
    if noted != workspace_id or user is None or Membership.objects.filter(user=user).exists():
        return None
    return {"user": user, "role": role, "token": token}
