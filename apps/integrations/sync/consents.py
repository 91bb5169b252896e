"""Withdrawals, which count everywhere: what a system says reaches the person, and what the person said here
reaches the systems. A grant is only ever written down with where it was given.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from apps.accounts import consent, people
from apps.accounts.consent import Said
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, ConsentRecord, Person
from apps.accounts.permissions import Actor, system
from apps.integrations.models import SyncRecord

PURPOSE = "marketing"
# To a colleague, who says it now.
SAY_THE_WORDS = "They said no on {on}. Say in which words they were asked since, and said yes."


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Where a yes was given and, over a no, in which words they were asked. occurred_at: when, if not now."""

    source: str = ""
    wording: str = ""
    occurred_at: datetime | None = None


def withdrawn(record: SyncRecord, email: str | None, *, source: str, at: datetime, now: datetime) -> int:
    """Write the withdrawal down for the record's person and all who share the e-mail address. How many."""
    person_ids: set[int] = set() if record.person_id is None else {record.person_id}
    if email:
        person_ids |= {one.pk for one in _with_email(email)}
    actor, moment = system(record.workspace_id), min(at, now)
    no = Said(purpose=PURPOSE, is_granted=False, source=source[:120], occurred_at=moment)
    return sum(_record(actor, one, no, now=now) for one in sorted(person_ids))


def willing(records: Sequence[SyncRecord]) -> set[int]:
    """The people among those of the records who have said yes."""
    person_ids = [one.person_id for one in records if one.person_id is not None]
    return consent.given_by(person_ids, PURPOSE) if person_ids else set()


def granted(actor: Actor, record: SyncRecord, *, proof: Proof, now: datetime) -> None:
    """A person says where it was given. Raises Invalid where it has to be confirmed by e-mail, and where they
    said no and there is no proof of a later yes.
    """
    if consent.to_confirm([PURPOSE]):
        raise Invalid({"consent_source": [consent.CONFIRM_FIRST]})
    if record.person_id is None:
        return
    at = proof.occurred_at or now
    said = Said(
        purpose=PURPOSE,
        is_granted=True,
        source=proof.source.strip()[:120],
        wording=proof.wording,
        occurred_at=at,
    )
    if faults := said.faults(now=now) | _against(actor, record.person_id, said, proof):
        raise Invalid({f"consent_{name}": texts for name, texts in faults.items()})
    _record(actor, record.person_id, said, now=now)


def overruled() -> list[SyncRecord]:
    """Records that say yes of people who have said no."""
    latest = ConsentRecord.objects.filter(person=OuterRef("person"), purpose=PURPOSE).order_by(
        "-occurred_at", "is_granted", "-pk"
    )
    told = SyncRecord.objects.filter(is_opted_in=True, person__isnull=False, merged_into=None)
    answered = told.annotate(is_allowed=Subquery(latest.values("is_granted")[:1]))
    return list(answered.filter(is_allowed=False))


def _against(actor: Actor, person_id: int, said: Said, proof: Proof) -> dict[str, list[str]]:
    """The no that stands, and what is lacking to undo it. A colleague says it now; a program says when."""
    root = people.root_of(person_id)
    refused_at = consent.noes_of([root], [PURPOSE]).get((root, PURPOSE))
    if refused_at is not None and said.occurred_at <= refused_at:
        return {"occurred_at": [consent.PROVE.format(on=f"{refused_at:%-d %B %Y}")]}
    is_colleague = actor.kind == AuditEntry.ActorKind.USER
    if is_colleague and refused_at is not None and not said.wording.strip():
        return {"wording": [SAY_THE_WORDS.format(on=f"{refused_at:%-d %B %Y}")]}
    return consent.unproven(said, refused_at, is_dated=is_colleague or proof.occurred_at is not None)


def _record(actor: Actor, person_id: int, said: Said, *, now: datetime) -> int:
    try:
        person = Person.objects.get(pk=people.root_of(person_id))
        consent.record(actor, person, **vars(said), now=now)
    except NotHere:
        return 0  # erased meanwhile: nothing is held on them
    return 1


def _with_email(email: str) -> list[Person]:
    with suppress(Invalid):
        return people.find_by_email(email)
    return []
