"""A few people of whom much is known, made up at random, with rows that lie on the edges of days."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from apps.accounts import scoping
from apps.accounts.models import ConsentRecord, Person, Workspace
from apps.attribution.models import Channel, Conversion, Source, Touchpoint
from apps.campaigns.models import Audience, AudienceMember, Campaign, Engagement, Recipient
from tests.factories import NOW

ZONE = ZoneInfo("Europe/London")
PEOPLE = 30
KEYS = ("plan", "age", "joined", "tags", "vip", "o\"dd 'key; --", "%s", "käse")
VALUES: dict[str, tuple[Any, ...]] = {
    "plan": ("gold", "Gold", "silver", "12", ""),
    "age": (12, 12.5, "12", "12.50", -3, 10**14, "twelve"),
    "joined": ("2026-05-01", "2026-05-01T23:59:00Z", "2026-10-25", "next year", "1999-12-31x"),
    "tags": (["gold", "new"], ["12"], [], [["gold"]], {"gold": 1}),
    "vip": (True, False, "true", 1, None),
    "o\"dd 'key; --": ("x'; DROP TABLE accounts_person; --", "gold"),
    "%s": ("100 %", "%s", "gold"),
    "käse": ("Käse", "gold"),
}
CHANNELS, PLATFORMS, TYPES = ("email", "paid_social", "direct"), ("meta", "mail"), ("click", "visit")
AD_CAMPAIGNS, CONVERSIONS = ("", "spring", "autumn"), ("purchase", "lead")
PURPOSES = ("newsletter", "sms")
KINDS = list(Engagement.Kind.values)
EDGES = [
    *(NOW - timedelta(days=days) for days in (0, 1, 2, 7, 30, 31, 90)),
    *(NOW - timedelta(days=days, microseconds=1) for days in (1, 7, 30)),
    *(datetime(2026, 10, day, hour, 0, tzinfo=ZONE) for day in (24, 25, 26) for hour in (0, 12, 23)),
    datetime(2026, 5, 1, 0, 0, tzinfo=ZONE),
    datetime(2026, 5, 1, 23, 59, 59, tzinfo=ZONE),
    NOW + timedelta(minutes=1),
]


def moment(rng: Random) -> datetime:
    return rng.choice(EDGES).astimezone(UTC)


def made(workspace: Workspace, rng: Random) -> None:
    """Everything in the workspace."""
    with scoping.workspace(workspace):
        people = _people(workspace, rng)
        campaigns = [
            Campaign.objects.create(workspace=workspace, name=name, changed_at=NOW) for name in ("One", "Two")
        ]
        _touches(workspace, rng, people)
        _sales(workspace, rng, people)
        _letters(workspace, rng, people, campaigns)
        _lists(workspace, rng, people)
        _consents(workspace, rng, people)


def _people(workspace: Workspace, rng: Random) -> list[Person]:
    people = [
        Person(
            workspace=workspace,
            external_id=f"user-{number}" if rng.random() < 0.6 else None,
            email_index=bytes([number]) * 16 if rng.random() < 0.5 else None,
            phone_index=bytes([number]) * 16 if rng.random() < 0.5 else None,
            first_seen_at=moment(rng) if rng.random() < 0.8 else None,
            last_seen_at=moment(rng) if rng.random() < 0.8 else None,
            created_at=moment(rng),
            traits={key: rng.choice(VALUES[key]) for key in KEYS if rng.random() < 0.6},
        )
        for number in range(PEOPLE)
    ]
    Person.objects.bulk_create(people)
    for absorbed in rng.sample(people[10:], 5):
        absorbed.merged_into = rng.choice(people[:10])
        absorbed.save()
    for gone in rng.sample(people[:10], 2):
        gone.erased_at = NOW
        gone.save()
    return people


def _touches(workspace: Workspace, rng: Random, people: list[Person]) -> None:
    channels = [
        Channel.objects.get_or_create(workspace=workspace, key=key, defaults={"label": key, "position": 90})[
            0
        ]
        for key in CHANNELS
    ]
    sources = [
        Source.objects.create(workspace=workspace, channel=channel, platform=platform, campaign_id=campaign)
        for channel in channels
        for platform in PLATFORMS
        for campaign in AD_CAMPAIGNS
    ]
    Touchpoint.objects.bulk_create(
        Touchpoint(
            workspace=workspace,
            person=rng.choice(people),
            source=rng.choice(sources),
            event_id=f"t-{number}",
            event_type=rng.choice(TYPES),
            occurred_at=moment(rng),
        )
        for number in range(3 * PEOPLE)
    )


def _sales(workspace: Workspace, rng: Random, people: list[Person]) -> None:
    Conversion.objects.bulk_create(
        Conversion(
            workspace=workspace,
            person=rng.choice(people),
            conversion_type=rng.choice(CONVERSIONS),
            occurred_at=moment(rng),
            value=Decimal(rng.choice(["0", "10", "49.99", "50.01", "100", "-5"])),
            is_counted=rng.random() < 0.9,
        )
        for _ in range(2 * PEOPLE)
    )


def _letters(workspace: Workspace, rng: Random, people: list[Person], campaigns: list[Campaign]) -> None:
    Recipient.objects.bulk_create(
        Recipient(
            workspace=workspace,
            campaign=rng.choice(campaigns),
            person=rng.choice(people),
            occurrence=str(number),
            state=rng.choice(["sent", "sent", "held_out", "skipped"]),
            settled_at=moment(rng),
        )
        for number in range(2 * PEOPLE)
    )
    Engagement.objects.bulk_create(
        Engagement(
            workspace=workspace,
            campaign=rng.choice(campaigns),
            person=rng.choice(people),
            recipient_id=number,
            event_id=f"e-{number}",
            kind=rng.choice(KINDS),
            is_machine=rng.random() < 0.3,
            occurred_at=moment(rng),
        )
        for number in range(5 * PEOPLE)
    )


def _lists(workspace: Workspace, rng: Random, people: list[Person]) -> None:
    for name in ("Fair", "Shop"):
        made = Audience.objects.create(workspace=workspace, name=name, kind="list", changed_at=NOW)
        AudienceMember.objects.bulk_create(
            AudienceMember(workspace=workspace, audience=made, person=one) for one in rng.sample(people, 12)
        )


def _consents(workspace: Workspace, rng: Random, people: list[Person]) -> None:
    ConsentRecord.objects.bulk_create(
        ConsentRecord(
            workspace=workspace,
            person=rng.choice(people),
            purpose=rng.choice(PURPOSES),
            is_granted=rng.random() < 0.5,
            source="form",
            occurred_at=moment(rng),
        )
        for _ in range(2 * PEOPLE)
    )
