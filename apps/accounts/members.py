"""Who belongs to which workspace, and as what."""

from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from apps.accounts import audit, invitations, scoping, staff
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Membership, User, Workspace
from apps.accounts.permissions import Actor

SESSION_KEY = "workspace_id"
STAFF_ROLES = [role for role in Membership.Role.values if role != Membership.Role.CUSTOMER]


class LastOwner(DomainError):
    code = "last_owner"
    status = 409


class OwnersOnly(DomainError):
    code = "owners_only"
    status = 403


def memberships_of(user: Any) -> list[Membership]:
    """All memberships of a user, over all workspaces, by name of the workspace."""
    with scoping.across_workspaces("actor.identify"):
        found = (
            Membership.objects.filter(user_id=user.pk).select_related("workspace").order_by("workspace__name")
        )
        return list(found)


def actor_of(user: Any, session: SessionBase) -> Actor | None:
    """The user as an actor in the workspace they chose (or entered as staff), else in their first one.

    None when they belong to none.
    """
    if entered := staff.actor_of(user, session):
        return entered
    found = memberships_of(user)
    if not found:
        return None
    chosen = next((one for one in found if one.workspace_id == session.get(SESSION_KEY)), found[0])
    return Actor(
        kind="user",
        id=user.pk,
        label=f"customer {user.pk}" if chosen.role == Membership.Role.CUSTOMER else str(user),
        workspace_id=chosen.workspace_id,
        role=chosen.role,
        person_id=chosen.person_id,
        is_staff=user.is_staff,
    )


def choose(user: Any, session: SessionBase, *, workspace_id: int) -> None:
    """Switch a signed-in user to another of their workspaces. Raises NotHere if it is not theirs."""
    if workspace_id not in {one.workspace_id for one in memberships_of(user)}:
        raise NotHere("You do not belong to that workspace.")
    staff.leave(session)
    session[SESSION_KEY] = workspace_id


@transaction.atomic
def add(actor: Actor, *, user: User, role: str, now: datetime, person_id: int | None = None) -> Membership:
    """Give a user a role in the actor's workspace. A customer needs the person they are."""
    if role not in Membership.Role.values:
        raise Invalid({"role": [f"Choose from {', '.join(Membership.Role.values)}."]})
    if (role == Membership.Role.CUSTOMER) != (person_id is not None):
        raise Invalid({"person": ["A customer is tied to one person; nobody else is."]})
    present = Membership.objects.filter(user=user).first()
    _guard_ownership(actor, role, present.role if present else "")
    if present and role != Membership.Role.OWNER and _locked_owners() == [present.pk]:
        raise LastOwner("This is the last owner. Make somebody else an owner first.")
    member, _ = Membership.objects.update_or_create(
        workspace_id=actor.workspace_id, user=user, defaults={"role": role, "person_id": person_id}
    )
    audit.record(actor, "member.added", member, now=now, after={"user": user.pk, "role": role})
    return member


@transaction.atomic
def invite(actor: Actor, *, email: str, role: str, now: datetime, name: str = "") -> Membership:
    """Add somebody by e-mail, known to us or not, and send them the way in.

    Raises Invalid if they are here already.
    """
    if role == Membership.Role.CUSTOMER:
        raise Invalid({"role": ["Customers are invited from their own record."]})
    user, _ = User.objects.get_or_create(
        email=email.strip().lower(), defaults={"name": name, "password": make_password(None)}
    )
    if Membership.objects.filter(user=user).exists():
        raise Invalid({"email": ["This person is a member already. Change their role in the list."]})
    member = add(actor, user=user, role=role, now=now)
    invitations.send.delay_on_commit(
        workspace_id=actor.workspace_id, membership_id=member.pk, invited_by=actor.label
    )
    return member


@transaction.atomic
def change_role(actor: Actor, *, membership_id: int, role: str, now: datetime) -> Membership:
    """Make a member something else. The last owner stays one. Locks the workspace's owners."""
    owners = _locked_owners()
    member = _member(membership_id)
    if role not in STAFF_ROLES or member.role == Membership.Role.CUSTOMER:
        raise Invalid({"role": ["A customer stays a customer, and nobody else becomes one."]})
    if member.role == role:
        return member
    _guard_ownership(actor, role, member.role)
    if owners == [member.pk]:
        raise LastOwner("This is the last owner. Make somebody else an owner first.")
    before, member.role = member.role, role
    member.save(update_fields=["role"])
    audit.record(actor, "member.role_changed", member, now=now, before={"role": before}, after={"role": role})
    return member


@transaction.atomic
def remove(actor: Actor, *, membership_id: int, now: datetime) -> Membership:
    """Take somebody's place in the workspace away. The last owner stays. Locks the workspace's owners."""
    owners = _locked_owners()
    member = _member(membership_id)
    _guard_ownership(actor, member.role)
    if owners == [member.pk]:
        raise LastOwner("This is the last owner. Make somebody else an owner first.")
    audit.record(
        actor, "member.removed", member, now=now, before={"user": member.user_id, "role": member.role}
    )
    Membership.objects.filter(pk=member.pk).delete()
    return member


@transaction.atomic
def rename(actor: Actor, *, user: User, name: str, now: datetime) -> None:
    """Change how a user is called. The audit keeps the deed and not the names."""
    user.name = name.strip()
    user.save(update_fields=["name"])
    audit.record(actor, "user.renamed", user, now=now)


def _locked_owners() -> list[int]:
    owners = Membership.objects.select_for_update().filter(role=Membership.Role.OWNER).order_by("pk")
    return list(owners.values_list("pk", flat=True))


def _member(membership_id: int) -> Membership:
    member = Membership.objects.filter(pk=membership_id).select_related("user").first()
    if member is None:
        raise NotHere("There is no such member in this workspace.")
    return member


def _guard_ownership(actor: Actor, *roles: str) -> None:
    """An admin makes no owner and unmakes none."""
    if Membership.Role.OWNER in roles and actor.kind == "user" and actor.role != Membership.Role.OWNER:
        raise OwnersOnly("Only an owner can make or remove an owner.")


def workspaces_for_staff() -> list[Workspace]:
    """Every workspace, for staff who choose one to enter."""
    with scoping.across_workspaces("workspace.list"):
        return list(Workspace.objects.order_by("name"))
