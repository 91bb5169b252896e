"""How often people want to hear from us. Records are added, never changed: the latest counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from apps.accounts import audit, people
from apps.accounts.errors import Invalid
from apps.accounts.models import Person
from apps.accounts.permissions import Actor
from apps.campaigns.models import FrequencyWish

Frequency = FrequencyWish.Frequency
PAUSE = timedelta(days=30)
LONGEST_PAUSE = timedelta(days=366)


@dataclass(frozen=True)
class Wish:
    """What counts now. paused_until: None where nothing is paused (any more)."""

    frequency: str = Frequency.ALL
    paused_until: datetime | None = None


def of(person_id: int, *, now: datetime) -> Wish:
    latest = FrequencyWish.objects.filter(person=person_id).order_by("-occurred_at", "-id").first()
    if latest is None:
        return Wish()
    until = latest.paused_until
    return Wish(latest.frequency, until if until is not None and until > now else None)


@transaction.atomic
def set_(actor: Actor, person: Person, wish: Wish, *, source: str, now: datetime) -> bool:
    """Write down what a person wishes; answers whether it is news. Locks the person. Raises Invalid, NotHere
    once erased. Audited.
    """
    _check(wish, now)
    survivor = people.lock_survivor(person.pk)
    if of(survivor.pk, now=now) == wish:
        return False
    FrequencyWish.objects.create(
        workspace_id=actor.workspace_id,
        person=survivor,
        frequency=wish.frequency,
        paused_until=wish.paused_until,
        source=source,
        occurred_at=now,
    )
    until = None if wish.paused_until is None else wish.paused_until.isoformat()
    told = {"frequency": wish.frequency, "paused_until": until, "source": source}
    audit.record(actor, "frequency.wished", survivor, now=now, after=told)
    return True


def _check(wish: Wish, now: datetime) -> None:
    if wish.frequency not in Frequency.values:
        raise Invalid({"frequency": [f"Choose from {', '.join(Frequency.values)}."]})
    if wish.paused_until is not None and wish.paused_until > now + LONGEST_PAUSE:
        raise Invalid({"paused_until": ["A pause lasts a year at most. Unsubscribe for longer."]})
