"""Audiences, and files of people, for the tests of every route."""

from typing import Any
from uuid import uuid4

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.campaigns.audiences import keeping
from apps.campaigns.models import Audience, ListFile
from tests.factories import NOW

HAS_EMAIL = {"field": "person.has_email", "value": True}


def _made(workspace: Workspace, kind: str) -> Audience:
    rules = {"and": [HAS_EMAIL]} if kind == "rules" else None
    with scoping.workspace(workspace):
        return keeping.create(system(workspace.pk), name=uuid4().hex, kind=kind, rules=rules, now=NOW)


def ruled(workspace: Workspace) -> dict[str, Any]:
    return {"audience_id": _made(workspace, "rules").public_id}


def listing(workspace: Workspace) -> dict[str, Any]:
    return {"audience_id": _made(workspace, "list").public_id}


def file(workspace: Workspace) -> dict[str, Any]:
    """A file whose reading is over."""
    audience = _made(workspace, "list")
    with scoping.workspace(workspace):
        made = ListFile.objects.create(
            workspace=workspace, audience=audience, file_name="fair.csv", sha256="0", finished_at=NOW
        )
    return {"file_id": made.public_id}


OBJECTS = {
    **{f"campaigns:audience{deed}": ruled for deed in ("", "-edit", "-archive")},
    **{f"campaigns:audience-file{deed}": file for deed in ("", "-refused")},
    **{f"marketing-api:audience{deed}": ruled for deed in ("", "-count")},
    "marketing-api:audience-import": listing,
    "marketing-api:audience-file": file,
}
BODIES: dict[tuple[str, str], Any] = {
    ("post", "marketing-api:audiences"): {"name": "Readers", "kind": "rules", "rules": {"and": [HAS_EMAIL]}},
    ("post", "marketing-api:audience-preview"): {"rules": HAS_EMAIL},
    ("post", "marketing-api:audience-count"): None,
    ("patch", "marketing-api:audience"): {"name": "Others", "rules": {"not": HAS_EMAIL}},
    ("delete", "marketing-api:audience"): None,
    ("post", "marketing-api:audience-import"): {
        "name": "fair.csv",
        "content": "mail\nada@example.com\n",
        "columns": {"email": "mail"},
        "makes_people": True,
    },
}
