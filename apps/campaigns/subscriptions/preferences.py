"""What somebody gets and how often, as they see and change it themselves."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import transaction

from apps.accounts import consent, personal_fields
from apps.accounts.errors import Invalid
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
from apps.integrations import mail

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

    @property
    def has_left(self) -> bool:
        """Whether they said no to something that they could have."""
        return any(one.state == WITHDRAWN for one in self.choices)


@dataclass(frozen=True)
class Changed:
    """What a change did, by names of topics. to_confirm: whose confirmation is on its way by e-mail;
    not_asked: whose confirmation was not written, so that they are as they were.
    """

    joined: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    to_confirm: list[str] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)
    is_wish_new: bool = False


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
    asked: Collection[str],
    wanted: Collection[str],
    wish: Wish,
    source: str,
    asked_from: str = "",
    now: datetime,
) -> Changed:
    """Bring topics and frequency to what a person chose; what they have already stays untouched.

    asked: keys of the topics that they were shown; others stay as they are. wanted: those that they want; of
    the shown ones the rest is left, and whatever else fails does not undo that. A topic with double opt-in is
    joined once the mail is confirmed. Raises Invalid for the frequency, NotHere once erased.
    """
    before, told = of(person, now=now), Changed()
    choices = [one for one in before.choices if one.state != KEPT and one.topic.key in asked]
    for choice in (one for one in choices if one.topic.key not in wanted and one.is_on):
        unsubscribing.withdraw(actor, person, choice.topic, source=source, now=now)
        told.left.append(choice.topic.name)
    is_wish_new = wishes.set_(actor, person, wish, source=source, now=now)
    for choice in (one for one in choices if one.topic.key in wanted and (before.is_off or not one.is_on)):
        if not choice.topic.is_double_opt_in:
            wording = WORDS.format(choice.topic.name)
            sign_ups.grant(actor, person, choice.topic, source=source, wording=wording, now=now)
            told.joined.append(choice.topic.name)
        elif _is_asked(person, choice.topic, source=source, asked_from=asked_from, now=now):
            told.to_confirm.append(choice.topic.name)
        else:
            told.not_asked.append(choice.topic.name)
    return replace(told, is_wish_new=is_wish_new)


def _is_asked(person: Person, topic: Topic, *, source: str, asked_from: str, now: datetime) -> bool:
    """Whether a confirmation is on its way: nobody can be asked without a sender, without an address that may
    be written to, or once too many were written today.
    """
    email, wording = personal_fields.personal(person)["email"] or "", WORDS.format(topic.name)
    try:
        told = sign_ups.ask(topic, email, source=source, wording=wording, asked_from=asked_from, now=now)
    except (Invalid, mail.NoSender):
        return False
    return told.is_mailed


def _state(topic: Topic, said: dict[str, ConsentRecord]) -> str:
    if topic.basis == Topic.Basis.SERVICE:
        return KEPT
    if topic.key not in said:
        return SILENT
    return GRANTED if said[topic.key].is_granted else WITHDRAWN
