"""How staff enter a customer's workspace: with a reason, which its audit keeps."""

from datetime import datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.db import transaction

from apps.accounts import audit, scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, Membership, Workspace
from apps.accounts.permissions import Actor

SESSION_KEY = "staff_entered"
LABEL_LENGTH = 120
REASON_LENGTH = 10


@transaction.atomic
def enter(user: Any, session: SessionBase, *, workspace_id: int, reason: str, now: datetime) -> Workspace:
    """Let a member of staff work in a workspace that is not theirs, as an admin. Raises Invalid, NotHere."""
    if not user.is_staff:
        raise PermissionDenied("Only staff enter workspaces that are not theirs.")
    if len(reason.strip()) < REASON_LENGTH:
        raise Invalid({"reason": [f"Say why in {REASON_LENGTH} characters or more: the customer reads it."]})
    with scoping.workspace(workspace_id):
        workspace = Workspace.objects.filter(pk=workspace_id).first()
        if workspace is None:
            raise NotHere("There is no such workspace.")
        actor = _actor(user, workspace_id)
        audit.record(actor, "workspace.entered", workspace, now=now, reason=reason.strip())
    session[SESSION_KEY] = workspace_id
    return workspace


def leave(session: SessionBase) -> None:
    """Back to the staff member's own workspaces."""
    session.pop(SESSION_KEY, None)


def actor_of(user: Any, session: SessionBase) -> Actor | None:
    """The staff member in the workspace that they entered, while it exists and they are still staff."""
    workspace_id = session.get(SESSION_KEY)
    if workspace_id is None or not user.is_staff:
        return None
    with scoping.workspace(workspace_id):
        exists = Workspace.objects.filter(pk=workspace_id).exists()
    return _actor(user, workspace_id) if exists else None


def _actor(user: Any, workspace_id: int) -> Actor:
    return Actor(
        kind=AuditEntry.ActorKind.USER,
        id=user.pk,
        label=f"staff: {user}"[:LABEL_LENGTH],
        workspace_id=workspace_id,
        role=Membership.Role.ADMIN,
        is_staff=True,
    )
