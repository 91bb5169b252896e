"""What a person may ask for: all that is held on them, and that it be gone.

Each app says in its holdings.py what it holds (`privacy.holds`, `privacy.impersonal`,
`privacy.when_erased`). Export and erasure cover the person and everybody who was merged into them.
Retention is not here yet.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat

from apps.accounts import audit, events, held, news, people, personal_fields, scoping
from apps.accounts.held import Identifiers, also_held, holds, impersonal, when_erased, when_merged
from apps.accounts.models import Alias, Erasure, Person, PersonMerge
from apps.accounts.permissions import Actor, require
from apps.accounts.sealing import KeyMissing, SealBroken

__all__ = [
    "Identifiers",
    "also_held",
    "erase",
    "export",
    "holds",
    "impersonal",
    "replay_erasures",
    "when_erased",
    "when_merged",
]

log = structlog.get_logger(__name__)


@transaction.atomic
def export(actor: Actor, person: Person, *, now: datetime, reason: str = "") -> dict[str, Any]:
    """All that is held on a person, as plain JSON values. Needs people:read; audited as person.exported."""
    require(actor, "people:read")
    group = _group(people.root_of(person.pk))
    person_ids = [one.pk for one in group]
    rows: dict[str, dict[int, Any]] = {holding.label: {} for holding in held.holdings()}
    for holding in held.holdings():
        found = holding.about(person_ids).order_by("pk").values("pk", *holding.export)
        rows[holding.label] |= {row.pop("pk"): row for row in found.iterator(chunk_size=5_000)}
    known_by = _identifiers(group)
    told_of = {label: finder(known_by) for label, finder in held.finders().items()}
    listed = {label: list(kept.values()) for label, kept in rows.items()} | told_of
    counts = {label: len(kept) for label, kept in listed.items()}
    audit.record(actor, "person.exported", group[0], now=now, after=counts, reason=reason)
    told = {
        "exported_at": now,
        "workspace_id": scoping.current_id(),
        "people": [{"public_id": one.public_id, **personal_fields.personal(one)} for one in group],
        "held": listed,
    }
    return json.loads(json.dumps(told, cls=DjangoJSONEncoder))


@transaction.atomic
def erase(actor: Actor, person: Person, *, reason: str, now: datetime) -> Erasure:
    """Forget a person: their key, names, ids and traits are gone, what counts elsewhere stays without them.

    Needs people:erase. Locks the person and those merged into them. Doing it again changes nothing. Audited
    as person.erased, publishes PersonErased, and logs the pseudonymous ids, from which an erasure can be
    repeated after a restore.
    """
    require(actor, "people:erase")
    root = people.lock_whole(person.pk)
    done = Erasure.objects.filter(public_id=root.public_id).first()
    if root.erased_at is not None and done is not None:
        return done
    public_ids = _forget(root, now)
    Erasure.objects.bulk_create(
        [Erasure(workspace_id=actor.workspace_id, public_id=one) for one in public_ids], ignore_conflicts=True
    )
    audit.record(actor, "person.erased", root, now=now, reason=reason)
    events.publish(news.PersonErased(workspace_id=actor.workspace_id, person_id=root.pk))
    log.info("person.erased", workspace_id=actor.workspace_id, public_ids=[str(one) for one in public_ids])
    return Erasure.objects.get(public_id=root.public_id)


@transaction.atomic
def replay_erasures(actor: Actor, *, now: datetime, public_ids: Iterable[UUID] = ()) -> int:
    """Erase again whoever was erased before and came back with a restored backup. Answers how many were
    there.

    public_ids: erasures that the backup itself does not know, from the log's person.erased lines.
    """
    require(actor, "people:erase")
    Erasure.objects.bulk_create(
        [Erasure(workspace_id=actor.workspace_id, public_id=one) for one in public_ids], ignore_conflicts=True
    )
    erased = Erasure.objects.values("public_id")
    returned = list(Person.objects.filter(public_id__in=erased, merged_into=None).order_by("pk"))
    for person in returned:
        _forget(people.lock_whole(person.pk), now)
    audit.record(actor, "erasures.replayed", now=now, after={"people": len(returned)})
    return len(returned)


def _forget(root: Person, now: datetime) -> list[UUID]:
    """Carry the registry's promises out for the locked person; the public ids of all whom they were."""
    group = _group(root.pk)
    known_by = _identifiers(group)
    for eraser in held.erasers():
        eraser(known_by)
    for holding in held.holdings():
        _forget_rows(holding, known_by)
    Person.objects.filter(pk__in=known_by.person_ids).update(erased_at=now)
    return [one.public_id for one in group]


def _forget_rows(holding: held.Holding, known_by: Identifiers) -> None:
    rows = holding.about(known_by.person_ids)
    if holding.on_erase == "delete":
        rows.delete()
        return
    if holding.blank:
        rows.update(**holding.blanks())
    for column in holding.disguise:
        anonymous = Concat(Value("erased-"), Cast("pk", CharField()))
        rows.filter(known_by.mentioned_in(column)).update(**{column: anonymous})


def _group(root_id: int) -> list[Person]:
    """The person first, then those merged into them."""
    group = Person.objects.filter(Q(pk=root_id) | Q(merged_into=root_id)).order_by("pk")
    return sorted(group, key=lambda one: one.pk != root_id)


def _identifiers(group: list[Person]) -> Identifiers:
    person_ids = [one.pk for one in group]
    past = PersonMerge.objects.filter(absorbed__in=person_ids).exclude(anonymous_id="")
    aliases = Alias.objects.filter(person__in=person_ids).values_list("anonymous_id", flat=True)
    return Identifiers(
        person_ids=person_ids,
        external_ids=[one.external_id for one in group if one.external_id is not None],
        anonymous_ids=list({*aliases, *past.values_list("anonymous_id", flat=True)}),
        personal=[value for one in group for value in _opened(one) if value],
    )


def _opened(person: Person) -> list[str | None]:
    """A lost master key must not keep anybody from being erased."""
    with suppress(KeyMissing, SealBroken):
        return list(personal_fields.personal(person).values())
    return []
