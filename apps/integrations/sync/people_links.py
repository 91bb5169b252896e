"""The person behind a contact: the one who is known by the address, else somebody new, so that what is held
on them can be shown and erased.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models.functions import Coalesce

from apps.accounts import people, personal_fields, scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import Person
from apps.integrations.models import SyncRecord
from apps.integrations.sync import record_fields

PEOPLE = {None, "person", "employee"}
WRITE = """
    UPDATE accounts_person AS p SET
        data_key = v.data_key, email_sealed = v.email_sealed, phone_sealed = v.phone_sealed,
        name_sealed = v.name_sealed, email_index = v.email_index, phone_index = v.phone_index
    FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[])
        AS v(id, data_key, email_sealed, phone_sealed, name_sealed, email_index, phone_index)
    WHERE p.workspace_id = (SELECT %s::bigint) AND p.id = v.id
"""
COLUMNS = ("data_key", "email_sealed", "phone_sealed", "name_sealed", "email_index", "phone_index")
TRAITS = ("email", "phone", "first_name", "last_name")


def link(records: Sequence[SyncRecord], *, now: datetime) -> None:
    """Give each contact that has none its person, unsaved: those of one address the same. Locks the people
    who are made.
    """
    bare = [one for one in records if one.person_id is None and one.fields_sealed is not None]
    values = {one.public_id: record_fields.values_of(one) for one in bare}
    wanted = [
        one for one in bare if values[one.public_id].get("kind") in PEOPLE and _says(values[one.public_id])
    ]
    known = _known("email", wanted) | _known("phone", [one for one in wanted if one.email_index is None])
    first: dict[bytes, SyncRecord] = {}
    for one in wanted:
        if (index := _index_of(one)) is not None:
            one.person_id = known.get(index)
            first.setdefault(index, one)
    strangers = [one for one in wanted if one.person_id is None]
    _make([one for one in strangers if first.get(_index_of(one) or b"", one) is one], values, now=now)
    for one in strangers:
        one.person_id = first.get(_index_of(one) or b"", one).person_id


def _index_of(record: SyncRecord) -> bytes | None:
    """What the person behind it is known by."""
    index = record.email_index if record.email_index is not None else record.phone_index
    return None if index is None else bytes(index)


def _says(values: dict[str, Any]) -> bool:
    return any(values.get(name) for name in TRAITS)


def _known(name: str, records: Sequence[SyncRecord]) -> dict[bytes, int]:
    """Index → the person; of several the one who was there first."""
    indexes = {bytes(index) for one in records if (index := getattr(one, f"{name}_index")) is not None}
    if not indexes:
        return {}
    rows = Person.objects.filter(**{f"{name}_index__in": indexes}, erased_at=None).order_by("-pk")
    return {
        bytes(index): int(root)
        for index, root in rows.values_list(f"{name}_index", Coalesce("merged_into_id", "id"))
    }


def _make(records: Sequence[SyncRecord], values: dict[Any, dict[str, Any]], *, now: datetime) -> None:
    if not records:
        return
    pairs = [(None, f"crm:{one.public_id}") for one in records]
    found = people.resolve_many(pairs, workspace_id=records[0].workspace_id, seen_at=now).tolist()
    made = Person.objects.in_bulk(found)
    for one, person_id in zip(records, found, strict=True):
        one.person_id = person_id
        _tell(made[person_id], values[one.public_id])
    _write(list(made.values()))


def _tell(person: Person, values: dict[str, Any]) -> None:
    told = {name: values[name] for name in TRAITS if values.get(name)}
    try:
        personal_fields.set_personal(person, told)
    except Invalid as error:  # the system holds what is no address or number; the record keeps it
        bad = {name.removeprefix("traits.") for name in error.errors}
        personal_fields.set_personal(person, {name: one for name, one in told.items() if name not in bad})


def _write(people_: Sequence[Person]) -> None:
    columns = [[person.pk for person in people_]]
    columns += [[getattr(person, name) for person in people_] for name in COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [*columns, scoping.current_id()])
