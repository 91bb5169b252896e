"""A campaign that was sent, and the messages of its recipients."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from apps.accounts import people, scoping
from apps.accounts.models import Person, Workspace
from apps.accounts.permissions import system
from apps.campaigns import message_tokens
from apps.campaigns.models import Campaign, Content, LedgerEntry, Link, Recipient, Topic
from tests.factories import NOW

SITES = ("https://shop.example/albums?x=1#top", "https://shop.example/dates", "https://shop.example/about")


def topic(workspace: Workspace, key: str = "news", **more: Any) -> Topic:
    with scoping.workspace(workspace):
        made, _ = Topic.objects.get_or_create(
            workspace=workspace, key=key, defaults={"name": key.capitalize(), **more}
        )
        return made


def person(workspace: Workspace, email: str = "ada@example.com") -> Person:
    """Somebody who is known by an e-mail address."""
    with scoping.workspace(workspace):
        return people.identify(
            system(workspace.pk), user_id=email.partition("@")[0], traits={"email": email}, now=NOW
        )


def campaign(workspace: Workspace, *, links: int = 3, **more: Any) -> Campaign:
    """One that runs, with a variant and links from 1 on."""
    with scoping.workspace(workspace):
        made = Campaign.objects.create(
            workspace=workspace,
            **{
                "name": "Spring & albums",
                "state": "running",
                "topic": topic(workspace),
                "changed_at": NOW,
                "launched_at": NOW - timedelta(days=1),
                **more,
            },
        )
        Content.objects.create(
            workspace=workspace, campaign=made, key="a", position=0, subject="Hi", body="Hi", changed_at=NOW
        )
        for number, url in enumerate(SITES[:links], start=1):
            Link.objects.create(workspace=workspace, campaign=made, number=number, url=url)
        return made


@dataclass(frozen=True)
class Sent:
    """A message that somebody got."""

    recipient: Recipient
    person: Person

    @property
    def token(self) -> str:
        return message_tokens.issue(self.recipient.workspace_id, self.recipient.pk)

    @property
    def way_out(self) -> str:
        return message_tokens.both(self.recipient.workspace_id, self.recipient.pk).way_out

    def link(self, number: int) -> str:
        return f"/c/{self.token}/{number}"


def sent(
    workspace: Workspace,
    *,
    campaign_: Campaign | None = None,
    to: Person | None = None,
    at: datetime = NOW - timedelta(hours=1),
    provider_id: str = "",
) -> Sent:
    with scoping.workspace(workspace):
        of = campaign_ or campaign(workspace)
        whom = to or person(workspace)
        recipient = Recipient.objects.create(
            workspace=workspace,
            campaign=of,
            person=whom,
            content=Content.objects.filter(campaign=of).first(),
            state="sent",
            settled_at=at,
        )
        LedgerEntry.objects.create(
            workspace=workspace,
            campaign=of,
            recipient_id=recipient.pk,
            batch=uuid4(),
            fate="accepted",
            provider="smtp",
            provider_id=provider_id,
            at=at,
        )
        return Sent(recipient, whom)
