"""Whether people may be written to: asked for many at once, right before a message leaves.

A reason is a word that pages and the ledger show; no reason means yes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.campaigns import standing
from apps.campaigns.models import Campaign, Topic
from apps.campaigns.standing import Columns, Person, Standing
from apps.campaigns.subscriptions import everywhere

Basis = Topic.Basis


@dataclass(frozen=True, slots=True)
class Met:
    """against: why each may not be written to; those who may are not in it. columns: what else was asked of
    those who are there.
    """

    against: dict[int, str]
    columns: dict[int, Columns]


def against(campaign: Campaign, person_ids: Sequence[int], *, now: datetime) -> dict[int, str]:
    """Why each of the people may not be written to; those who may are not in it. One query, and for addresses
    that are met for the first time one more.

    gone, no_address, bounced, complained, invalid, suppressed, everywhere (the operator's own list),
    unsubscribed, no_consent, paused, less_often.
    """
    return met(campaign, person_ids, now=now).against


def met(campaign: Campaign, person_ids: Sequence[int], *, columns: Sequence[str] = (), now: datetime) -> Met:
    """The same, with more of them from the same reading. columns: SQL over accounts_person `p`."""
    topic = campaign.topic
    basis = Basis.CONSENT if topic is None else Basis(topic.basis)
    found = _standing(person_ids, "" if topic is None else topic.key, basis, columns, now)
    if found.is_unmarked and everywhere.mark(person_ids):
        found = _standing(person_ids, "" if topic is None else topic.key, basis, columns, now)
    reasons = {one: "gone" for one in person_ids if one not in found.people}
    for person in found.people.values():
        if reason := _reason(person, found, basis):
            reasons[person.id] = reason
    return Met(reasons, {one.id: one.columns for one in found.people.values()})


def _standing(
    person_ids: Sequence[int], purpose: str, basis: Basis, columns: Sequence[str], now: datetime
) -> Standing:
    return standing.of(
        person_ids,
        purpose=purpose,
        is_bulk=basis != Basis.SERVICE,
        is_asked=basis == Basis.CONSENT,
        columns=columns,
        now=now,
    )


def _reason(person: Person, found: Standing, basis: Basis) -> str:
    """Who can be reached at all; who is on a list; what they said, and how often they want it."""
    if person.word is not None:
        return person.word
    if person.address in found.listed:
        return found.listed[person.address]
    if found.is_refused(person):
        return "unsubscribed"
    if basis == Basis.CONSENT and person.id not in found.yes:
        return "no_consent"
    return found.wishes.get(person.id, "")
