"""Objects of what campaigns say, for the tests of every route."""

from typing import Any
from uuid import uuid4

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.campaigns.content import angles, briefs
from apps.campaigns.models import AiDraft, Campaign, Content, Device, EditConflict
from tests.factories import NOW

CAMPAIGN = "01900000-0000-7000-8000-000000000002"
BRIEF = {"about": "Our barn is open.", "links": [("Come", "https://barn.example")]}


def campaign_of(workspace: Workspace, public_id: str = CAMPAIGN) -> Campaign:
    """A draft, of which the bodies speak."""
    with scoping.workspace(workspace):
        made, _ = Campaign.objects.get_or_create(
            workspace=workspace, public_id=public_id, defaults={"name": "Spring", "changed_at": NOW}
        )
        return made


def draft(workspace: Workspace) -> dict[str, Any]:
    """Five variants that may be taken."""
    campaign, brief = campaign_of(workspace, str(uuid4())), briefs.of(BRIEF)
    with scoping.workspace(workspace):
        made = AiDraft.objects.create(
            workspace=workspace,
            campaign=campaign,
            brief=brief.as_json(),
            brief_hash=brief.digest,
            state=AiDraft.State.DONE,
            made_by="rules",
            variants=angles.written(brief),
            asked_at=NOW,
        )
    return {"draft_id": made.public_id}


def conflict(workspace: Workspace) -> dict[str, Any]:
    """A text that was edited in two places."""
    campaign = campaign_of(workspace, str(uuid4()))
    with scoping.workspace(workspace):
        words = {"key": "a", "position": 1, "subject": "Hello", "body": "Hello"}
        content = Content.objects.create(workspace=workspace, campaign=campaign, changed_at=NOW, **words)
        device = Device.objects.create(workspace=workspace, device_id=uuid4().hex, last_seen_at=NOW)
        made = EditConflict.objects.create(
            workspace=workspace,
            content=content,
            device=device,
            event_id=uuid4(),
            base_version=1,
            fields={"subject": "Good day"},
        )
    return {"conflict_id": made.public_id}


# (method, route) to a body that is accepted.
BODIES: dict[tuple[str, str], Any] = {
    ("post", "marketing-api:ai-content"): {
        "campaign": CAMPAIGN,
        "about": "Our barn is open on 6 June.",
        "audience": "couples",
        "goal": "that they come",
        "tone": "warm",
        "language": "British English",
        "links": [{"label": "Say that you come", "url": "https://barn.example"}],
        "names": ["Ada"],
    },
    ("post", "marketing-api:ai-take"): {"variants": [1]},
    ("put", "marketing-api:ai-switch"): {"is_on": False, "reason": "a trial"},
}
