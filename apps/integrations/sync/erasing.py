"""What becomes of records of somebody who asked to be forgotten: their key goes, so that no trail tells of
them any more, and a hash of each id stays, so that no system brings them back.

Theirs are the contacts that are them; firms and the like that go by an address or number of theirs; and
whatever was joined with one of these.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts.models import Person
from apps.integrations import ids, trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import (
    SyncConflict,
    SyncExternal,
    SyncImportStep,
    SyncNudge,
    SyncRecord,
    SyncStream,
    SyncTombstone,
)
from apps.integrations.sync import digests, record_fields, waiting


def erase(person_ids: Iterable[int], *, now: datetime) -> int:
    """Erase the contacts of these people, and the jobs that were for nobody else. How many records."""
    contacts = _records_of(list(person_ids))
    jobs = _jobs_of_nobody_else(contacts)
    records = [*contacts, *jobs]
    if records:
        _forget(records, now=now)
    return len(records)


def _records_of(person_ids: list[int]) -> list[SyncRecord]:
    kept = SyncRecord.objects.filter(erased_at=None, entity=Entity.CONTACT)
    own = kept.filter(person__in=person_ids)
    theirs = own | kept.filter(_by_their_address(person_ids, own), person=None)
    roots = {one.merged_into_id or one.pk for one in theirs}
    joined = kept.filter(Q(pk__in=roots) | Q(merged_into__in=roots))
    return list(joined.order_by("pk"))


def _by_their_address(person_ids: list[int], own: QuerySet[SyncRecord]) -> Q:
    """Records with an address or a number of these people, as we know them or as their own records say."""
    known = Person.objects.filter(pk__in=person_ids)
    told = Q(pk__in=[])
    for name in ("email_index", "phone_index"):
        rows = (*known.values_list(name, flat=True), *own.values_list(name, flat=True))
        told |= Q(**{f"{name}__in": [one for one in rows if one is not None]})
    return told


def _jobs_of_nobody_else(contacts: list[SyncRecord]) -> list[SyncRecord]:
    mine = {one.pk for one in contacts}
    found: dict[int, SyncRecord] = {}
    places = SyncExternal.objects.filter(record__in=mine, entity=Entity.CONTACT)
    for connection_id, external_id in places.values_list("connection_id", "external_id"):
        jobs = SyncExternal.objects.filter(
            connection=connection_id, entity=Entity.JOB, contact_ids__contains=[external_id]
        )
        found |= {one.record_id: one.record for one in jobs.select_related("record")}
    return [
        job
        for job in found.values()
        if job.erased_at is None and {one.pk for one in waiting.contacts_of(job)} <= mine
    ]


def _forget(records: list[SyncRecord], *, now: datetime) -> None:
    ids = [one.pk for one in records]
    externals = SyncExternal.objects.filter(record__in=ids)
    SyncTombstone.objects.bulk_create(
        [
            SyncTombstone(
                workspace_id=one.workspace_id,
                connection_id=one.connection_id,
                entity=one.entity,
                id_hash=digests.of_id(one.external_id),
            )
            for one in externals.only("workspace_id", "connection_id", "entity", "external_id")
        ],
        ignore_conflicts=True,
    )
    told_of = Q(record__in=ids) | Q(other__in=ids)
    SyncConflict.objects.filter(told_of).delete()
    for one in externals:
        nudges = SyncNudge.objects.filter(connection=one.connection_id, entity=one.entity)
        nudges.filter(external_id=one.external_id).delete()
    externals.delete()
    SyncImportStep.objects.filter(record__in=ids).delete()
    trail.append(*(record_fields.step(one, "erased", {}, by="system", now=now) for one in records))
    SyncRecord.objects.filter(pk__in=ids).update(
        data_key=None,
        fields_sealed=None,
        email_index=None,
        phone_index=None,
        stage="",
        job_type="",
        event_on=None,
        total=None,
        currency="",
        is_opted_in=None,
        erased_at=now,
    )


def made_for_erased(stream: SyncStream, our_ids: Mapping[bytes, str]) -> set[bytes]:
    """Of records there (hash of their id → the id that we gave them), those made for somebody who was erased
    before we heard that they were made. From now on they are known by their hash.
    """
    asked = {key: known for key, text in our_ids.items() if (known := ids.uuid_of(text)) is not None}
    if not asked:
        return set()
    erased = SyncRecord.objects.filter(public_id__in=asked.values(), erased_at__isnull=False)
    gone = set(erased.values_list("public_id", flat=True))
    found = {key for key, public_id in asked.items() if public_id in gone}
    SyncTombstone.objects.bulk_create(
        [
            SyncTombstone(
                workspace_id=stream.workspace_id,
                connection_id=stream.connection_id,
                entity=stream.entity,
                id_hash=key,
            )
            for key in found
        ],
        ignore_conflicts=True,
    )
    return found


def held_on(person_ids: Iterable[int]) -> list[dict[str, Any]]:
    """What is said of these people, and where it comes from."""
    return [
        {
            "record": one.public_id,
            "fields": record_fields.values_of(one),
            "systems": list(
                SyncExternal.objects.filter(record=one).values_list("connection__label", "external_id")
            ),
        }
        for one in _records_of(list(person_ids))
    ]
