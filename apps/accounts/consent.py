"""What a person allowed. Records are added, never changed: the latest counts, and at one instant the
withdrawal does.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import audit, people
from apps.accounts.errors import Invalid
from apps.accounts.models import ConsentRecord, Person
from apps.accounts.permissions import Actor

LONGEST_PURPOSE = 60
LONGEST_SOURCE = 120


@transaction.atomic
def record(
    actor: Actor,
    person: Person,
    *,
    purpose: str,
    is_granted: bool,
    source: str,
    wording: str = "",
    occurred_at: datetime,
    now: datetime,
) -> ConsentRecord:
    """Write down that a person allowed or withdrew a purpose. Locks the person. Raises Invalid, NotHere
    once erased.

    source: where they said so, such as "sign-up form"; wording: what they were shown.
    """
    faults = {}
    if not 0 < len(purpose) <= LONGEST_PURPOSE:
        faults["purpose"] = [f"Name a purpose in 1 to {LONGEST_PURPOSE} characters, such as newsletter."]
    if not 0 < len(source) <= LONGEST_SOURCE:
        faults["source"] = [f"Say where this was given, in 1 to {LONGEST_SOURCE} characters."]
    if occurred_at > now:
        faults["occurred_at"] = ["This is in the future. Consent counts from the moment it is given."]
    if faults:
        raise Invalid(faults)
    given = ConsentRecord.objects.create(
        workspace_id=actor.workspace_id,
        person=people.lock_survivor(person.pk),
        purpose=purpose,
        is_granted=is_granted,
        source=source,
        wording=wording,
        occurred_at=occurred_at,
    )
    deed = "consent.granted" if is_granted else "consent.withdrawn"
    audit.record(actor, deed, given.person, now=now, after={"purpose": purpose, "source": source})
    return given


def is_given(person: Person, purpose: str) -> bool:
    """Whether the person allows the purpose. Silence is no."""
    return person.pk in given_by([person.pk], purpose)


def given_by(person_ids: list[int], purpose: str) -> set[int]:
    """Those of the people who allow the purpose, in one query."""
    latest = _latest().filter(person__in=person_ids, purpose=purpose)
    return {one.person_id for one in latest if one.is_granted}


def latest(person: Person) -> dict[str, ConsentRecord]:
    """The record that counts, by purpose."""
    return {one.purpose: one for one in _latest().filter(person=person)}


def _latest() -> QuerySet[ConsentRecord]:
    order = ("person", "purpose", "-occurred_at", "is_granted", "-id")
    return ConsentRecord.objects.order_by(*order).distinct("person", "purpose")
