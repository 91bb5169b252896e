"""What somebody gets and how often, as they see and change it themselves."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.accounts import consent, personal_fields
from apps.accounts.models import ConsentRecord, Person
from apps.accounts.permissions import Actor
from apps.campaigns.models import Topic
from apps.campaigns.subscriptions import (
    addresses,
    sign_ups,
    suppression_list,
    topics,
    unsubscribing,
    wishes,
)
from apps.campaigns.subscriptions.wishes import Wish

WORDS = "Send me: {}"
GRANTED, WITHDRAWN, SILENT, KEPT = "granted", "withdrawn", "silent", "kept"


@dataclass(frozen=True)
class Choice:
    """A topic and where the person stands. state: granted, withdrawn, silent, or kept for what comes in any
    case. waits: a confirmation is on its way.
    """

    topic: Topic
    state: str
    waits: bool = False

    @property
    def is_on(self) -> bool:
        is_told = self.state == SILENT and self.topic.basis == Topic.Basis.CUSTOMER
        return self.state in {GRANTED, KEPT} or is_told

    @property
    def needs_confirmation(self) -> bool:
        return self.topic.is_double_opt_in and not self.is_on


@dataclass(frozen=True)
class Preferences:
    """address: masked. is_off: nothing to many goes to them at all."""

    address: str
    choices: list[Choice]
    wish: Wish
    is_off: bool

    @property
    def on(self) -> int:
        """To how many topics that can be left they say yes."""
        return 0 if self.is_off else sum(one.is_on and one.state != KEPT for one in self.choices)


@dataclass(frozen=True)
class Changed:
    """What a change did. to_confirm: topics whose confirmation is on its way by e-mail."""

    joined: list[str]
    left: list[str]
    to_confirm: list[str]
    is_wish_new: bool


def of(person: Person, *, now: datetime) -> Preferences:
    said = consent.latest(person)
    waiting = sign_ups.waiting_of(person, now=now)
    choices = [
        Choice(topic, _state(topic, said), waits=topic.pk in waiting) for topic in topics.listed(now=now)
    ]
    address = addresses.masked(personal_fields.personal(person)["email"])
    return Preferences(address, choices, wishes.of(person.pk, now=now), suppression_list.has_left(person))


@transaction.atomic
def change(
    actor: Actor,
    person: Person,
    *,
    wanted: Collection[str],
    wish: Wish,
    source: str,
    asked_from: str = "",
    now: datetime,
) -> Changed:
    """Bring topics and frequency to what a person chose; what they have already stays untouched.

    wanted: keys of the topics that they want; all others that can be left are left. A topic with double
    opt-in is joined once the mail is confirmed. Raises Invalid, NotHere once erased, NoSender where a
    confirmation cannot be sent.
    """
    joined: list[str] = []
    left: list[str] = []
    to_confirm: list[str] = []
    before = of(person, now=now)
    for choice in (one for one in before.choices if one.state != KEPT):
        is_wanted, is_on = choice.topic.key in wanted, choice.is_on and not before.is_off
        if is_wanted and not is_on:
            is_open = _join(actor, person, choice, source=source, asked_from=asked_from, now=now)
            (joined if is_open else to_confirm).append(choice.topic.name)
        elif not is_wanted and choice.is_on:
            unsubscribing.withdraw(actor, person, choice.topic, source=source, now=now)
            left.append(choice.topic.name)
    is_wish_new = wishes.set_(actor, person, wish, source=source, now=now)
    return Changed(joined, left, to_confirm, is_wish_new)


def _join(
    actor: Actor, person: Person, choice: Choice, *, source: str, asked_from: str, now: datetime
) -> bool:
    """Whether the topic is joined now; else a confirmation is on its way."""
    topic, wording = choice.topic, WORDS.format(choice.topic.name)
    if topic.is_double_opt_in:
        email = personal_fields.personal(person)["email"] or ""
        sign_ups.ask(topic, email, source=source, wording=wording, asked_from=asked_from, now=now)
        return False
    sign_ups.grant(actor, person, topic, source=source, wording=wording, now=now)
    return True


def _state(topic: Topic, said: dict[str, ConsentRecord]) -> str:
    if topic.basis == Topic.Basis.SERVICE:
        return KEPT
    if topic.key not in said:
        return SILENT
    return GRANTED if said[topic.key].is_granted else WITHDRAWN
