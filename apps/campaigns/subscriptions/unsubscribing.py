"""No more of this, or of anything that goes to many: at once, for a message of any age, without a question.

The withdrawal is a consent record like any other, with where it was said and which words were shown. It
counts for the person whom the message went to, whoever they were merged into since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.accounts import consent, events, people, scoping
from apps.accounts.errors import NotHere
from apps.accounts.models import Person
from apps.accounts.permissions import Actor, require, system
from apps.campaigns import message_tokens
from apps.campaigns.engagement import Heard, record
from apps.campaigns.events import Unsubscribed
from apps.campaigns.models import Engagement, Recipient, Topic
from apps.campaigns.subscriptions import addresses, wishes
from apps.campaigns.subscriptions.wishes import Wish
from apps.integrations import suppressions

TOLD_BY = "the recipient"
WORDS = "Take me off the list: {}"
EVERYTHING = "everything that goes to many"


@dataclass(frozen=True)
class Letter:
    """A message that somebody got. person: as they are now; None once they were erased."""

    recipient: Recipient
    topic: Topic | None
    person: Person | None

    @property
    def is_kept(self) -> bool:
        """Whether its topic is one that unsubscribing does not hold."""
        return self.topic is not None and self.topic.basis == Topic.Basis.SERVICE


def recipient_actor() -> Actor:
    """The recipient, whom a token and no sign-in speaks for."""
    return system(scoping.current_id(), label="the recipient, by the link in a message")


def letter(named: message_tokens.Named) -> Letter:
    """The message of a token, in the workspace in scope. Raises NotHere."""
    found = Recipient.objects.select_related("campaign__topic").filter(pk=named.recipient_id).first()
    if found is None:
        raise NotHere("This message is not known any more, and nobody is written to because of it.")
    person = Person.objects.filter(pk=people.root_of(found.person_id), erased_at=None).first()
    return Letter(found, found.campaign.topic, person)


@transaction.atomic
def from_topic(letter: Letter, *, source: str, now: datetime) -> None:
    """No more of the topic of the message; of everything where it has none, or one that cannot be left."""
    if letter.topic is None or letter.is_kept:
        from_everything(letter, source=source, now=now)
        return
    if letter.person is not None:
        withdraw(recipient_actor(), letter.person, letter.topic, source=source, now=now)
    heard(letter, now=now)


@transaction.atomic
def from_everything(letter: Letter, *, source: str, now: datetime) -> None:
    """Nothing to many goes to the person's addresses any more; topics that they had are left."""
    if letter.person is not None:
        leave_all(recipient_actor(), letter.person, source=source, now=now)
    heard(letter, now=now)


@transaction.atomic
def leave_all(actor: Actor, person: Person, *, source: str, now: datetime) -> None:
    """Locks the person. Publishes Unsubscribed. Raises NotHere once erased."""
    survivor = people.lock_survivor(person.pk)
    said = consent.latest(survivor)
    for topic in Topic.objects.exclude(basis=Topic.Basis.SERVICE).order_by("pk"):
        is_told = topic.basis == Topic.Basis.CUSTOMER
        if said[topic.key].is_granted if topic.key in said else is_told:
            withdraw(actor, survivor, topic, source=source, now=now)
    for index in addresses.indexes_of(survivor.pk):
        suppressions.add(index, suppressions.Reason.UNSUBSCRIBED, told_by=TOLD_BY, now=now)
    events.publish(Unsubscribed(workspace_id=actor.workspace_id, person_id=survivor.pk))


@transaction.atomic
def withdraw(actor: Actor, person: Person, topic: Topic, *, source: str, now: datetime) -> bool:
    """Write down that a person wants no more of a topic, unless they said so already. Publishes Unsubscribed.

    Answers whether it is news. Locks the person. Raises NotHere once erased.
    """
    survivor = people.lock_survivor(person.pk)
    latest = consent.latest(survivor).get(topic.key)
    if latest is not None and not latest.is_granted:
        return False
    consent.record(
        actor,
        survivor,
        purpose=topic.key,
        is_granted=False,
        source=source,
        wording=WORDS.format(topic.name),
        occurred_at=now,
        now=now,
    )
    events.publish(Unsubscribed(workspace_id=actor.workspace_id, person_id=survivor.pk, topic=topic.key))
    return True


def heard(letter: Letter, *, now: datetime) -> None:
    """The message made somebody unsubscribe: once, however often they say so."""
    pk = letter.recipient.pk
    record([Heard(pk, Engagement.Kind.UNSUBSCRIBED, f"unsubscribed:{pk}", now)], now=now)


@transaction.atomic
def take_down(
    actor: Actor,
    person: Person,
    left: Sequence[Topic],
    wish: Wish,
    *,
    is_all: bool = False,
    source: str,
    now: datetime,
) -> None:
    """What somebody told a colleague or a program: of what they want no more, and how often.

    Needs people:write. Raises Invalid, NotHere once erased.
    """
    require(actor, "people:write")
    for topic in left:
        withdraw(actor, person, topic, source=source, now=now)
    if is_all:
        leave_all(actor, person, source=source, now=now)
    wishes.set_(actor, person, wish, source=source, now=now)
