"""What every page's frame shows."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts.models import Workspace
from apps.accounts.permissions import ALLOWED_ROLES, Actor, may


def shell(request: HttpRequest) -> dict[str, Any]:
    """The workspace, the actor, and what they may do: `{% if may.people_read %}`."""
    actor = getattr(request, "actor", None)
    if actor is None:
        return {"actor": None}
    return {
        "actor": actor,
        "workspace": SimpleLazyObject(lambda: _workspace(request, actor)),
        "may": {action.replace(":", "_"): may(actor, action) for action in ALLOWED_ROLES},
    }


def _workspace(request: HttpRequest, actor: Actor) -> Workspace:
    """The one that the page's door has read already, if it has."""
    known = getattr(request, "workspace", None)
    return known if known is not None else Workspace.objects.get(pk=actor.workspace_id)
