"""Open a workspace, and change what it is."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from apps.accounts import audit, events, news, scoping, workspace_settings
from apps.accounts.errors import Invalid
from apps.accounts.models import Membership, User, Workspace
from apps.accounts.permissions import Actor, system


@transaction.atomic
def create(*, now: datetime, owner: User | None = None, **fields: Any) -> Workspace:
    """Open a workspace with its owner.

    Its id comes first: a row may only be written from inside its workspace.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('accounts_workspace', 'id'))")
        workspace_id = cursor.fetchone()[0]
    with scoping.workspace(workspace_id):
        workspace = Workspace(pk=workspace_id, **fields)
        _clean(workspace)
        workspace.save(force_insert=True)
        if owner is not None:
            Membership.objects.create(workspace=workspace, user=owner, role=Membership.Role.OWNER)
        audit.record(
            system(workspace_id), "workspace.created", workspace, now=now, after={"slug": workspace.slug}
        )
    return workspace


@transaction.atomic
def change(actor: Actor, *, now: datetime, reason: str = "", **fields: Any) -> Workspace:
    """Change the actor's workspace; `settings` holds those to change. Raises Invalid, with the fields."""
    workspace = Workspace.objects.select_for_update().get(pk=actor.workspace_id)
    if "settings" in fields:
        merged = workspace_settings.merged(actor, workspace.settings, fields["settings"])
        _tell_settings(workspace, merged)
        fields["settings"] = merged
    before = {name: getattr(workspace, name) for name in fields}
    for name, value in fields.items():
        setattr(workspace, name, value)
    _clean(workspace)
    workspace.save(update_fields=list(fields))
    audit.record(actor, "workspace.changed", workspace, now=now, before=before, after=fields, reason=reason)
    return workspace


def _tell_settings(workspace: Workspace, merged: dict[str, Any]) -> None:
    both = workspace.settings.keys() | merged.keys()
    names = sorted(name for name in both if workspace.settings.get(name) != merged.get(name))
    if names:
        events.publish(news.WorkspaceSettingsChanged(workspace_id=workspace.pk, names=names))


def _clean(workspace: Workspace) -> None:
    try:
        # The slug's uniqueness is the database's to say: other workspaces cannot be seen from here.
        workspace.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise Invalid(error.message_dict) from error
