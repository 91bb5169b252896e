"""A campaign in draft with a sender, and people to write to."""

import pytest

from apps.accounts.models import AuditEntry
from apps.accounts.permissions import Actor
from apps.campaigns.models import Campaign, Content, Topic
from apps.integrations.models import Connection
from tests.factories import NOW, member


@pytest.fixture
def sender(workspace):
    return Connection.objects.create(
        workspace=workspace,
        service="mail",
        account="hello@studio.example",
        label="The Studio",
        state_changed_at=NOW,
        options={"from_name": "The Studio", "postal_address": "1 High Street\nLondon"},
    )


@pytest.fixture
def campaign(workspace, sender):
    topic = Topic.objects.create(workspace=workspace, key="news", name="News")
    return Campaign.objects.create(
        workspace=workspace, name="Spring", topic=topic, sender=sender, changed_at=NOW
    )


@pytest.fixture
def content_of(workspace, campaign):
    def make(key="a", **words):
        given = {
            "subject": "Hello",
            "preheader": "News",
            "body": "Five words are quite enough. [Our barn](https://a.example)",
        }
        return Content.objects.create(
            workspace=workspace,
            campaign=campaign,
            key=key,
            position=ord(key),
            changed_at=NOW,
            **(given | words),
        )

    return make


@pytest.fixture
def person(workspace):
    """A user of the workspace, as who acts."""
    user = member(workspace, "owner", name="Olive Owner")
    return Actor(
        kind=AuditEntry.ActorKind.USER,
        id=user.pk,
        label=str(user),
        workspace_id=workspace.pk,
        role="owner",
    )
