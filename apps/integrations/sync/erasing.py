"""What becomes of records of somebody who asked to be forgotten: their key goes, so that no trail tells of
them any more, and a hash of each id stays, so that no system brings them back.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from apps.integrations import trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import SyncExternal, SyncImportStep, SyncRecord, SyncTombstone
from apps.integrations.sync import digests, record_fields, waiting


def erase(person_ids: Iterable[int], *, now: datetime) -> int:
    """Erase the contacts of these people, and the jobs that were for nobody else. How many records."""
    contacts = list(SyncRecord.objects.filter(person__in=list(person_ids), erased_at=None).order_by("pk"))
    jobs = _jobs_of_nobody_else(contacts)
    records = [*contacts, *jobs]
    if records:
        _forget(records, now=now)
    return len(records)


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
    externals.delete()  # and with them what waits to be decided
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


def held_on(person_ids: Iterable[int]) -> list[dict[str, Any]]:
    """What is said of these people, and where it comes from."""
    records = SyncRecord.objects.filter(person__in=list(person_ids), erased_at=None).order_by("pk")
    return [
        {
            "record": one.public_id,
            "fields": record_fields.values_of(one),
            "systems": list(
                SyncExternal.objects.filter(record=one).values_list("connection__label", "external_id")
            ),
        }
        for one in records
    ]
