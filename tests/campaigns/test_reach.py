"""Who may be written to, against the same rules in plain Python over the same rows."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from apps.accounts import scoping
from apps.accounts.models import ConsentRecord, Person, Workspace
from apps.campaigns import reach
from apps.campaigns.models import (
    AddressMark,
    Campaign,
    EverywhereSuppression,
    FrequencyWish,
    Recipient,
    Topic,
)
from apps.integrations.models import Suppression
from tests.factories import NOW, WorkspaceFactory

ADDRESSES = [bytes([number]) * 16 for number in range(1, 12)]
PURPOSES = ("news", "offers", "")
EVERY = {"weekly": timedelta(days=7), "monthly": timedelta(days=30)}


def _slow(campaign: Campaign, person: Person | None, now: datetime) -> str:
    """One person at a time, by what the words say."""
    if person is None or person.erased_at or person.merged_into_id:
        return "gone"
    if person.email_index is None:
        return "no_address"
    basis = campaign.topic.basis if campaign.topic else "consent"
    is_bulk, purpose = basis != "service", campaign.topic.key if campaign.topic else ""
    address = bytes(person.email_index)
    return (
        _listed(address, is_bulk=is_bulk)
        or (is_bulk and (_consent(person, address, purpose, basis) or _wish(person, now)))
        or ""
    )


def _listed(address: bytes, *, is_bulk: bool) -> str:
    found = [one for one in Suppression.objects.order_by("since") if bytes(one.address_index) == address]
    reasons = [one.reason for one in found if is_bulk or one.reason != "unsubscribed"]
    everywhere = {bytes(one.address_index) for one in EverywhereSuppression.objects.all()}
    marks = {bytes(one.address_index): bytes(one.everywhere_index) for one in AddressMark.objects.all()}
    return reasons[0] if reasons else "everywhere" if marks.get(address) in everywhere else ""


def _said(person: Person, purpose: str) -> list[ConsentRecord]:
    """The last word first; of two at the same time a no counts."""
    found = ConsentRecord.objects.filter(person=person, purpose=purpose)
    return sorted(found, key=lambda one: (one.occurred_at, not one.is_granted, one.pk), reverse=True)


def _consent(person: Person, address: bytes, purpose: str, basis: str) -> str:
    mine = _said(person, purpose)
    sure = [one.occurred_at for one in mine if one.is_granted and one.is_confirmed]
    for other in Person.objects.exclude(pk=person.pk):
        theirs = _said(other, purpose) if other.email_index and bytes(other.email_index) == address else []
        if theirs and not theirs[0].is_granted and not any(at > theirs[0].occurred_at for at in sure):
            return "unsubscribed"
    if not mine:
        return "no_consent" if basis == "consent" else ""
    return "" if mine[0].is_granted else "unsubscribed"


def _wish(person: Person, now: datetime) -> str:
    wish = FrequencyWish.objects.filter(person=person).order_by("-occurred_at", "-id").first()
    if wish is None:
        return ""
    if wish.paused_until and wish.paused_until > now:
        return "paused"
    if wish.frequency not in EVERY:
        return ""
    since = now - EVERY[wish.frequency]
    return "less_often" if any(_is_heard(one, since) for one in _got(person)) else ""


def _got(person: Person) -> list[Recipient]:
    return list(Recipient.objects.filter(person=person, state__in=["sent", "uncertain"]))


def _is_heard(got: Recipient, since: datetime) -> bool:
    campaign = got.campaign
    return bool(
        campaign.launched_at
        and (campaign.finished_at is None or campaign.finished_at > since)
        and not (campaign.topic and campaign.topic.basis == "service")
        and got.settled_at
        and got.settled_at > since
    )


@dataclass
class World:
    """Rows by lot: few addresses, few times, so that they meet."""

    place: Workspace
    lot: random.Random

    def at(self) -> datetime:
        return NOW - timedelta(days=self.lot.choice([1, 2, 4, 6, 7, 8, 15, 29, 30, 31, 40]))

    def said_at(self) -> datetime:
        """So few times that words meet."""
        return NOW - timedelta(days=self.lot.choice([1, 2, 3]))

    def fill(self) -> tuple[list[Campaign], list[Person]]:
        topics = [
            Topic.objects.create(workspace=self.place, key=key, name=key, basis=basis)
            for key, basis in (("news", "consent"), ("offers", "customer"), ("care", "service"))
        ]
        campaigns = [self.campaign(topic, number) for number, topic in enumerate([*topics, None] * 2)]
        people = [self.person() for _ in range(14)]
        for one in self.lot.sample(people, 2):
            one.merged_into = self.lot.choice([other for other in people if other != one])
            one.save(update_fields=["merged_into"])
        for one in people:
            self.words_of(one, campaigns)
        self.lists()
        return campaigns, people

    def campaign(self, topic: Topic | None, number: int) -> Campaign:
        launched = self.lot.choice([None, self.at(), self.at()])
        finished = launched and self.lot.choice(
            [None, launched + timedelta(days=self.lot.choice([1, 9, 22]))]
        )
        return Campaign.objects.create(
            workspace=self.place,
            name=f"{number}",
            topic=topic,
            changed_at=NOW,
            launched_at=launched,
            finished_at=finished,
        )

    def person(self) -> Person:
        return Person.objects.create(
            workspace=self.place,
            email_index=self.lot.choice([*ADDRESSES, None]),
            erased_at=self.lot.choice([None] * 9 + [NOW]),
        )

    def words_of(self, person: Person, campaigns: list[Campaign]) -> None:
        for _ in range(self.lot.choice([0, 1, 1, 2, 3])):
            is_granted = self.lot.random() < 0.8
            ConsentRecord.objects.create(
                workspace=self.place,
                person=person,
                purpose=self.lot.choice(PURPOSES),
                is_granted=is_granted,
                is_confirmed=is_granted and self.lot.random() < 0.5,
                source="x",
                occurred_at=self.said_at(),
            )
        for _ in range(self.lot.choice([0, 0, 1, 2])):
            FrequencyWish.objects.create(
                workspace=self.place,
                person=person,
                frequency=self.lot.choice(["all", "weekly", "monthly", "weekly"]),
                paused_until=self.lot.choice([None, None, NOW, self.at(), NOW + timedelta(days=3)]),
                source="x",
                occurred_at=self.at(),
            )
        for one in self.lot.sample(campaigns, self.lot.randrange(3)):
            Recipient.objects.create(
                workspace=self.place,
                campaign=one,
                person=person,
                state=self.lot.choice(["sent", "sent", "uncertain", "to_send", "skipped"]),
                settled_at=self.lot.choice([None, self.at(), self.at()]),
            )

    def lists(self) -> None:
        reasons = self.lot.sample(
            [(address, reason) for address in ADDRESSES for reason in Suppression.Reason.values], 4
        )
        for number, (address, reason) in enumerate(reasons):
            Suppression.objects.create(
                workspace=self.place,
                address_index=address,
                reason=reason,
                told_by="x",
                since=NOW - timedelta(days=self.lot.randrange(1, 9), seconds=number),
            )
        for address in self.lot.sample(ADDRESSES, 6):
            AddressMark.objects.create(
                workspace=self.place, address_index=address, everywhere_index=address[::-1][:15] + b"\0"
            )


@pytest.mark.parametrize("seed", range(16))
def test_all_at_once_is_as_one_by_one(workspace, seed):
    lot = random.Random(seed)
    elsewhere = WorkspaceFactory()
    with scoping.workspace(elsewhere):
        _, others = World(elsewhere, lot).fill()
    campaigns, people = World(workspace, lot).fill()
    for address in lot.sample(ADDRESSES, lot.choice([0, 2])):
        EverywhereSuppression.objects.create(
            address_index=address[::-1][:15] + b"\0", reason="reported", since=NOW
        )
    asked = [one.pk for one in people] + [others[0].pk, people[0].pk, 2**40]
    lot.shuffle(asked)
    known = {one.pk: one for one in people}

    for campaign in campaigns:
        slow = {one: reason for one in asked if (reason := _slow(campaign, known.get(one), NOW))}

        assert reach.against(campaign, asked, now=NOW) == slow


@pytest.fixture
def world(workspace):
    return World(workspace, random.Random(0))


def test_of_two_words_at_the_same_time_the_no_counts(world):
    topic = Topic.objects.create(workspace=world.place, key="news", name="News")
    ada = Person.objects.create(workspace=world.place, email_index=ADDRESSES[0])
    for is_granted in (False, True):
        ConsentRecord.objects.create(
            workspace=world.place,
            person=ada,
            purpose="news",
            is_granted=is_granted,
            source="x",
            occurred_at=NOW,
        )

    assert reach.against(world.campaign(topic, 1), [ada.pk], now=NOW) == {ada.pk: "unsubscribed"}


@pytest.mark.parametrize(
    ("finished", "settled", "reason"),
    [(None, 6.9, "less_often"), (None, 7, ""), (8, 1, ""), (7, 1, ""), (6.9, 1, "less_often")],
)
def test_a_week_is_counted_from_the_message_and_from_the_end_of_its_campaign(
    world, finished, settled, reason
):
    """Days ago. Whoever is asked about with them, and looks back further, changes nothing."""
    topic = Topic.objects.create(workspace=world.place, key="news", name="News", basis="customer")
    ada, grace = (Person.objects.create(workspace=world.place, email_index=one) for one in ADDRESSES[:2])
    for person, frequency in ((ada, "weekly"), (grace, "monthly")):
        FrequencyWish.objects.create(
            workspace=world.place, person=person, frequency=frequency, source="x", occurred_at=NOW
        )
    campaign = world.campaign(topic, 1)
    campaign.launched_at = NOW - timedelta(days=20)
    campaign.finished_at = None if finished is None else NOW - timedelta(days=finished)
    campaign.save()
    Recipient.objects.create(
        workspace=world.place,
        campaign=campaign,
        person=ada,
        state="sent",
        settled_at=NOW - timedelta(days=settled),
    )
    assert _slow(campaign, ada, NOW) == reason

    found = reach.against(campaign, [ada.pk, grace.pk], now=NOW)

    assert found == ({ada.pk: reason} if reason else {})
