"""Campaigns for the tests of every route."""

from collections.abc import Callable
from typing import Any

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.campaigns.models import AiDraft, Campaign, Content
from tests.factories import NOW

Builder = Callable[[Workspace], dict[str, Any]]


def campaign(state: str = "draft", **named: Any) -> Builder:
    """One in that state, with a variant; `named` are the route's other parameters."""

    def build(workspace: Workspace) -> dict[str, Any]:
        with scoping.workspace(workspace):
            return {"campaign_id": _made(workspace, state).public_id, **named}

    return build


def draft(workspace: Workspace) -> dict[str, Any]:
    """Five variants of a campaign that were asked for."""
    with scoping.workspace(workspace):
        made = _made(workspace, "draft")
        asked = AiDraft.objects.create(
            workspace=workspace, campaign=made, brief={}, brief_hash="0", asked_at=NOW
        )
        return {"campaign_id": made.public_id, "draft_id": asked.public_id}


def _made(workspace: Workspace, state: str) -> Campaign:
    made: Campaign = Campaign.objects.create(workspace=workspace, name="Spring", state=state, changed_at=NOW)
    Content.objects.create(
        workspace=workspace,
        campaign=made,
        key="a",
        position=0,
        subject="Spring is near",
        body="Hello",
        changed_at=NOW,
    )
    return made


_DEEDS = {
    "": "draft",
    "-launch": "draft",
    "-pause": "running",
    "-resume": "paused",
    "-cancel": "running",
    "-duplicate": "draft",
    "-stats": "running",
    "-recipients": "running",
    "-check": "draft",
    "-preview": "draft",
    "-test": "draft",
    "-contents": "draft",
}
_API = {
    **{f"campaign{deed}": campaign(state) for deed, state in _DEEDS.items()},
    "campaign-content": campaign(key="a"),
    "campaign-content-approve": campaign(key="a"),
}
_PAGES = {
    "campaign": campaign("running"),
    "build": campaign(step="audience"),
    "launch": campaign(),
    "pause": campaign("running"),
    "resume": campaign("paused"),
    "cancel": campaign("running"),
    "duplicate": campaign(),
    "archive": campaign(),
    "people": campaign("running", group="sent"),
    "content-add": campaign(),
    "content-change": campaign(key="a"),
    "preview": campaign(key="a"),
    "test-send": campaign(key="a"),
    "ask-ai": campaign(),
    "ai-draft": draft,
}
OBJECTS: dict[str, Builder] = {
    **{f"marketing-api:{name}": build for name, build in _API.items()},
    **{f"campaigns:{name}": build for name, build in _PAGES.items()},
}
_WORDS = {
    "subject": "Spring is near",
    "preheader": "Look",
    "body": "Hello",
    "cta_label": "See",
    "cta_url": "https://venues.example/",
    "weight": 2,
}
_SETTINGS = {
    "name": "Spring",
    "kind": "broadcast",
    "goal": "purchase",
    "goal_days": 7,
    "starts_at": "2099-01-01T10:00:00Z",
    "send_from_hour": 8,
    "send_until_hour": 20,
    "is_time_optimised": False,
    "hold_out_share": 0.1,
    "test_share": 0.5,
    "test_hours": 4,
    "weight": 1,
    "rate_per_hour": 1000,
    "after_crash": "resend",
}
BODIES: dict[tuple[str, str], Any] = {
    ("post", "marketing-api:campaigns"): _SETTINGS,
    ("patch", "marketing-api:campaign"): {"version": 1, **_SETTINGS},
    ("delete", "marketing-api:campaign"): None,
    ("post", "marketing-api:campaign-launch"): {"confirmed_people": 5, "version": 1},
    ("post", "marketing-api:campaign-pause"): {"reason": "A typing error"},
    ("post", "marketing-api:campaign-resume"): None,
    ("post", "marketing-api:campaign-cancel"): {"reason": "A typing error"},
    ("post", "marketing-api:campaign-duplicate"): None,
    ("post", "marketing-api:campaign-preview"): {"content": "a"},
    ("post", "marketing-api:campaign-test"): {"to": "ada@example.com", "content": "a"},
    ("post", "marketing-api:campaign-contents"): _WORDS,
    ("patch", "marketing-api:campaign-content"): {"version": 1, **_WORDS},
    ("delete", "marketing-api:campaign-content"): None,
    ("post", "marketing-api:campaign-content-approve"): None,
}
