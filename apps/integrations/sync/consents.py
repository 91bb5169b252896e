"""Withdrawals, which count everywhere: what a system says reaches the person, and what the person said here
reaches the systems. A grant is only ever written down with where it was given.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from django.db.models import OuterRef, Subquery

from apps.accounts import consent, people
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import ConsentRecord, Person
from apps.accounts.permissions import Actor, system
from apps.integrations.models import SyncRecord

PURPOSE = "marketing"


def withdrawn(record: SyncRecord, email: str | None, *, source: str, at: datetime, now: datetime) -> int:
    """Write the withdrawal down for the record's person and all who share the e-mail address. How many."""
    person_ids: set[int] = set() if record.person_id is None else {record.person_id}
    if email:
        person_ids |= {one.pk for one in _with_email(email)}
    actor, moment = system(record.workspace_id), min(at, now)
    told = [_record(actor, one, False, source=source, at=moment, now=now) for one in sorted(person_ids)]
    return sum(told)


def willing(records: Sequence[SyncRecord]) -> set[int]:
    """The people among those of the records who have said yes."""
    person_ids = [one.person_id for one in records if one.person_id is not None]
    return consent.given_by(person_ids, PURPOSE) if person_ids else set()


def granted(actor: Actor, record: SyncRecord, *, source: str, now: datetime) -> None:
    """A person says where it was given. Raises Invalid where it has to be confirmed by e-mail."""
    if consent.to_confirm([PURPOSE]):
        raise Invalid({"consent_source": [consent.CONFIRM_FIRST]})
    if record.person_id is not None:
        _record(actor, record.person_id, True, source=source, at=now, now=now)


def overruled() -> list[SyncRecord]:
    """Records that say yes of people who have said no."""
    latest = ConsentRecord.objects.filter(person=OuterRef("person"), purpose=PURPOSE).order_by(
        "-occurred_at", "is_granted", "-pk"
    )
    told = SyncRecord.objects.filter(is_opted_in=True, person__isnull=False, merged_into=None)
    answered = told.annotate(is_allowed=Subquery(latest.values("is_granted")[:1]))
    return list(answered.filter(is_allowed=False))


def _record(
    actor: Actor, person_id: int, is_granted: bool, *, source: str, at: datetime, now: datetime
) -> int:
    try:
        consent.record(
            actor,
            Person.objects.get(pk=people.root_of(person_id)),
            purpose=PURPOSE,
            is_granted=is_granted,
            source=source[:120],
            occurred_at=at,
            now=now,
        )
    except NotHere:
        return 0  # erased meanwhile: nothing is held on them
    return 1


def _with_email(email: str) -> list[Person]:
    with suppress(Invalid):
        return people.find_by_email(email)
    return []
