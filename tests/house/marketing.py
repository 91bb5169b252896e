"""Objects of campaigns for the tests of every route."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.campaigns.models import Topic
from apps.campaigns.subscriptions import topics
from apps.integrations.models import Suppression
from tests.factories import NOW


def _topic(workspace: Workspace) -> dict[str, Any]:
    """A topic that this workspace has and others do not."""
    with scoping.workspace(workspace):
        topics.listed(now=NOW)
        key = f"topic-{uuid4().hex[:8]}"
        return {"key": Topic.objects.create(workspace=workspace, key=key, name="Albums").key}


def _suppression(workspace: Workspace) -> dict[str, Any]:
    with scoping.workspace(workspace):
        made = Suppression.objects.create(
            workspace=workspace, address_index=uuid4().bytes, reason="bounced", told_by="resend", since=NOW
        )
        return {"suppression_id": made.pk}


_API = "marketing-api"
OBJECTS: dict[str, Callable[[Workspace], dict[str, Any]]] = {
    f"{_API}:topic": _topic,
    f"{_API}:suppression-remove": _suppression,
    "campaigns:topic": _topic,
    "campaigns:suppression-remove": _suppression,
}
_BATCH = {
    "device_id": "tablet",
    "seq_from": 1,
    "sent_at": "2026-11-20T09:00:00Z",
    "events": [
        {
            "id": "0193c1f2-7a2e-7cc1-b0e4-2f5a9d1c7e11",
            "type": "event",
            "original_timestamp": "2026-11-20T08:00:00Z",
            "lamport": 1,
            "payload": {"user_id": "eve", "event_type": "visit", "platform": "fair"},
        }
    ],
}
# (method, route) to a body that is accepted.
BODIES: dict[tuple[str, str], Any] = {
    ("put", "marketing-api:bi-schedule"): {"cadence": "weekly", "at_hour": 8, "to": ["eve@example.com"]},
    ("post", "sync-batch"): _BATCH,
    ("post", f"{_API}:sync-batch"): _BATCH,
    ("post", f"{_API}:topics"): {
        "key": "albums",
        "name": "Albums",
        "description": "New albums",
        "basis": "consent",
        "is_double_opt_in": True,
    },
    ("patch", f"{_API}:topic"): {"name": "Albums", "description": "", "basis": "customer"},
    ("post", f"{_API}:suppressions"): {"email": "eve@example.com", "reason": "invalid", "note": "by phone"},
    ("post", f"{_API}:suppression-remove"): {"why": "their mailbox is back"},
    ("patch", f"{_API}:preferences"): {
        "user_id": "ada",
        "frequency": "weekly",
        "paused_until": "2026-12-01T00:00:00Z",
        "leave": ["news"],
        "leave_everything": False,
        "source": "by phone",
    },
    # A topic that is not there: what is mailed is told in tests of its own.
    ("post", f"{_API}:subscribe"): {
        "email": "eve@example.com",
        "topic": "albums",
        "source": "footer of the shop",
        "wording": "Albums, monthly",
        "asked_from": "203.0.113.7",
    },
}
