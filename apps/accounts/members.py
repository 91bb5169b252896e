"""Who belongs to which workspace, and as what."""

from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Membership, User, Workspace
from apps.accounts.permissions import Actor

SESSION_KEY = "workspace_id"


class LastOwner(DomainError):
    code = "last_owner"
    status = 409


def memberships_of(user: Any) -> list[Membership]:
    """All memberships of a user, over all workspaces, by name of the workspace."""
    with scoping.across_workspaces("actor.identify"):
        found = (
            Membership.objects.filter(user_id=user.pk).select_related("workspace").order_by("workspace__name")
        )
        return list(found)


def actor_of(user: Any, session: SessionBase) -> Actor | None:
    """The user as an actor in the workspace they chose, else in their first one.

    None when they belong to none.
    """
    found = memberships_of(user)
    if not found:
        return None
    chosen = next((one for one in found if one.workspace_id == session.get(SESSION_KEY)), found[0])
    return Actor(
        kind="user",
        id=user.pk,
        label=str(user),
        workspace_id=chosen.workspace_id,
        role=chosen.role,
        person_id=chosen.person_id,
    )


def choose(user: Any, session: SessionBase, *, workspace_id: int) -> None:
    """Switch a signed-in user to another of their workspaces. Raises NotHere if it is not theirs."""
    if workspace_id not in {one.workspace_id for one in memberships_of(user)}:
        raise NotHere("You do not belong to that workspace.")
    session[SESSION_KEY] = workspace_id


@transaction.atomic
def add(actor: Actor, *, user: User, role: str, now: Any, person_id: int | None = None) -> Membership:
    """Give a user a role in the actor's workspace. A customer needs the person they are."""
    if role not in Membership.Role.values:
        raise Invalid({"role": [f"Choose from {', '.join(Membership.Role.values)}."]})
    if (role == Membership.Role.CUSTOMER) != (person_id is not None):
        raise Invalid({"person": ["A customer is tied to one person; nobody else is."]})
    member, _ = Membership.objects.update_or_create(
        workspace_id=actor.workspace_id, user=user, defaults={"role": role, "person_id": person_id}
    )
    audit.record(actor, "member.added", member, now=now, after={"user": user.pk, "role": role})
    return member


@transaction.atomic
def remove(actor: Actor, *, membership_id: int, now: Any) -> None:
    """Take somebody's place in the workspace away. The last owner stays. Locks the workspace's owners."""
    owners = list(Membership.objects.select_for_update().filter(role=Membership.Role.OWNER).order_by("pk"))
    member = Membership.objects.filter(pk=membership_id).first()
    if member is None:
        raise NotHere("There is no such member in this workspace.")
    if [one.pk for one in owners] == [member.pk]:
        raise LastOwner("This is the last owner. Make somebody else an owner first.")
    audit.record(
        actor, "member.removed", member, now=now, before={"user": member.user_id, "role": member.role}
    )
    member.delete()


def workspaces_for_staff() -> list[Workspace]:
    """Every workspace, for staff who choose one to enter."""
    with scoping.across_workspaces("workspace.list"):
        return list(Workspace.objects.order_by("name"))
