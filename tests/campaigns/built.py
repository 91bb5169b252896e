"""A campaign that is ready to leave: a sender, a provider, a topic, people who agreed, two variants."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import sqrt
from typing import Any

from django.db import transaction

from apps.accounts.models import ConsentRecord, Person, Workspace
from apps.accounts.permissions import Actor, system
from apps.attribution.models import Conversion
from apps.campaigns import campaigns
from apps.campaigns.content import blocks
from apps.campaigns.content import variants as variants_of
from apps.campaigns.delivery import snapshotting, timing
from apps.campaigns.models import (
    Audience,
    AudienceMember,
    Campaign,
    Content,
    EngagementCount,
    Recipient,
    SendRun,
    Topic,
)
from apps.integrations.models import Connection
from tests.factories import NOW, PersonFactory

BODY = "Hello {{ first_name }}, the season opens. [See the venues](https://venues.example/spring)"


def connection(workspace: Workspace, service: str, account: str) -> Connection:
    return Connection.objects.create(
        workspace=workspace,
        service=service,
        account=account,
        label=account,
        state=Connection.State.CONNECTED,
        state_changed_at=NOW,
        options={"postal_address": "1 Barn Lane, Bath"} if service == "mail" else {},
    )


def people(workspace: Workspace, many: int, *, topic: str = "news") -> list[Person]:
    """With an address, and a yes to the topic."""
    made = [
        PersonFactory(workspace=workspace, email_index=number.to_bytes(16, "big")) for number in range(many)
    ]
    ConsentRecord.objects.bulk_create(
        ConsentRecord(
            workspace=workspace,
            person=one,
            purpose=topic,
            is_granted=True,
            source="form",
            occurred_at=NOW - timedelta(days=30),
        )
        for one in made
    )
    return made


def audience(workspace: Workspace, members: Sequence[Person], name: str = "Brides") -> Audience:
    made: Audience = Audience.objects.create(
        workspace=workspace, name=name, kind=Audience.Kind.LIST, changed_at=NOW
    )
    AudienceMember.objects.bulk_create(
        AudienceMember(workspace=workspace, audience=made, person=one) for one in members
    )
    return made


def somebody(workspace: Workspace, role: str = "owner") -> Actor:
    """A person: programs may not approve words."""
    return Actor(kind="user", id=1, label=role, workspace_id=workspace.pk, role=role)


def ready(
    workspace: Workspace, *, many: int = 20, variants: int = 2, now: datetime = NOW, **chosen: Any
) -> Campaign:
    """Everything that the checks ask for, approved."""
    actor = system(workspace.pk)
    topic, _ = Topic.objects.get_or_create(workspace=workspace, key="news", defaults={"name": "News"})
    if not Connection.objects.filter(service="mail").exists():
        connection(workspace, "mail", "studio@studio.example")
        connection(workspace, "resend", "studio")
    chosen.setdefault("audience", None)
    if chosen["audience"] is None:
        chosen["audience"] = audience(workspace, people(workspace, many))
    made = campaigns.create(actor, name="Spring", topic=topic, now=now, **chosen)
    for number in range(variants):
        one = variants_of.add(actor, made, subject=f"Spring is near, take {number + 1}", body=BODY, now=now)
        variants_of.approve(somebody(workspace), one, now=now)
    made.refresh_from_db()
    return made


def launched(actor: Actor, campaign: Campaign, *, now: datetime = NOW, **how: Any) -> Campaign:
    """It runs, and everybody is written down."""
    made = campaigns.launch(actor, campaign, now=now, **how)
    take_snapshot(made)
    return campaigns.find(made.public_id)


def launched_evenly(actor: Actor, make: Callable[[], Campaign]) -> Campaign:
    """What `make` makes ready, launched; made anew until its lots fell evenly. Of a thousand fair lots one is
    uneven enough to be called broken, and then nothing is told.
    """
    for _ in range(20):
        with transaction.atomic():
            found = launched(actor, make())
            if _fell_evenly(found):
                return found
            transaction.set_rollback(True)
    raise AssertionError("twenty lots that fell unevenly are no luck")


def _fell_evenly(campaign: Campaign) -> bool:
    """Each lot within two standard errors of what it was to be: of hold-outs, variants, hours and texts."""
    rows = Recipient.objects.filter(campaign=campaign)
    told, drew = rows.exclude(state="held_out"), rows.filter(is_timed__isnull=False)
    plain = [blocks.is_plain(campaign.pk, one) for one in rows.values_list("person_id", flat=True)]
    lots = [
        (rows.filter(state="held_out").count(), rows.count(), _held_share(campaign)),
        (drew.filter(is_timed=False).count(), drew.count(), timing.CONTROL_SHARE),
        (sum(plain), len(plain), blocks.CONTROL_SHARE),
    ]
    sent, contents = told.filter(content__isnull=False), Content.objects.filter(campaign=campaign)
    weights = {one.pk: one.weight for one in contents}
    lots += [
        (sent.filter(content=key).count(), sent.count(), weight / sum(weights.values()))
        for key, weight in weights.items()
    ]
    return all(abs(got - of * share) <= 2 * sqrt(of * share * (1 - share)) for got, of, share in lots)


def _held_share(campaign: Campaign) -> float:
    """Of the campaign, and of the workspace for good."""
    for_good = Workspace.objects.get().settings.get("experiments_holdout_share", 0.0)
    return for_good + (1 - for_good) * campaign.hold_out_share


def take_snapshot(campaign: Campaign) -> None:
    for run in SendRun.objects.filter(campaign=campaign):
        snapshotting.take(run_id=run.pk)


def send_all(campaign: Campaign, *, at: datetime) -> None:
    """As if every message that is to be sent had left."""
    Recipient.objects.filter(campaign=campaign, state="to_send").update(state="sent", settled_at=at)


def click(campaign: Campaign, content: Content, many: int, *, at: datetime) -> None:
    """So many people clicked in the variant."""
    EngagementCount.objects.create(
        workspace_id=campaign.workspace_id,
        campaign=campaign,
        content_id=content.pk,
        kind="clicked",
        hour=at.replace(minute=0),
        events=many,
        people=many,
        machine=3 * many,
    )


def convert(person_id: int, campaign: Campaign, *, at: datetime, value: float = 100.0) -> Conversion:
    return Conversion.objects.create(
        workspace_id=campaign.workspace_id,
        person_id=person_id,
        conversion_type="purchase",
        order_id=f"{person_id}-{at.timestamp()}",
        value=value,
        occurred_at=at,
    )
