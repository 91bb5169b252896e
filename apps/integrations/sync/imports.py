"""Files of records: tried without a trace, applied by the same pipeline as everything read, undone by steps
that say so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, require
from apps.integrations import sealed_json
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import (
    Connection,
    SyncExternal,
    SyncImport,
    SyncImportStep,
    SyncRecord,
    SyncStream,
    TrailEntry,
)
from apps.integrations.sync import csv_rows, record_fields, records, streams, waiting
from apps.integrations.sync.record_fields import Change
from apps.integrations.sync.taking import Reading, take

STATE = SyncImport.State
SHOWN = 50
# A file that nobody applied is forgotten.
KEPT = timedelta(days=1)
BATCH = 200


class NotNow(DomainError):
    code = "import_not_now"
    status = 409


@dataclass(frozen=True)
class Row:
    """What would become of a record, or has."""

    title: str
    is_new: bool
    changes: dict[str, Change]


@dataclass(frozen=True)
class Trial:
    counts: dict[str, int]
    rows: list[Row]
    refused: dict[int, str]


def find(public_id: UUID | str) -> SyncImport:
    found = SyncImport.objects.select_related("connection").filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such file.")
    return found


@transaction.atomic
def begin(
    actor: Actor,
    connection: Connection,
    entity: str,
    *,
    name: str,
    content: bytes,
    columns: Mapping[str, str] | None = None,
    now: datetime,
) -> tuple[SyncImport, Trial]:
    """Keep the file, sealed, and try it. Needs people:write. Raises Invalid, NotSynced."""
    require(actor, "people:write")
    streams.of(connection, entity)
    kind = Entity(entity)
    header, _ = csv_rows.table_of(content)
    chosen = csv_rows.guessed(kind, header) if columns is None else columns
    batch = SyncImport(
        workspace_id=actor.workspace_id,
        connection=connection,
        entity=entity,
        name=name[:200],
        created_by_id=actor.id if actor.kind == "user" else None,
        created_at=now,
    )
    batch.columns = csv_rows.checked(kind, header, chosen)
    sealed_json.put(batch, "content_sealed", content.decode("latin-1"))
    batch.save()
    trial = tried(batch, now=now)
    batch.counts = trial.counts
    batch.save(update_fields=["counts"])
    audit.record(actor, "sync.file_tried", batch, now=now, after=trial.counts)
    return batch, trial


@transaction.atomic
def choose_columns(actor: Actor, batch: SyncImport, columns: Mapping[str, str], *, now: datetime) -> Trial:
    """Try it again with other columns. Raises Invalid, NotNow."""
    require(actor, "people:write")
    fresh = _locked(batch, STATE.TRIED)
    header, _ = csv_rows.table_of(content_of(fresh))
    fresh.columns = csv_rows.checked(Entity(fresh.entity), header, columns)
    trial = tried(fresh, now=now)
    fresh.counts = trial.counts
    fresh.save(update_fields=["columns", "counts"])
    return trial


def content_of(batch: SyncImport) -> bytes:
    """Raises NotNow once it is gone."""
    text = sealed_json.get(batch, "content_sealed")
    if text is None:
        raise NotNow("The file is not kept any more. Bring it again.")
    return str(text).encode("latin-1")


def header_of(batch: SyncImport) -> list[str]:
    return csv_rows.table_of(content_of(batch))[0]


def tried(batch: SyncImport, *, now: datetime) -> Trial:
    """All of it by the same pipeline, and nothing of it kept."""
    with transaction.atomic():
        trial = _run(batch, now=now)
        transaction.set_rollback(True)
    return trial


@transaction.atomic
def apply(actor: Actor, batch: SyncImport, *, now: datetime) -> Trial:
    """Do it. Audited. Raises NotNow for one that was applied or dropped."""
    require(actor, "people:write")
    fresh = _locked(batch, STATE.TRIED)
    trial = _run(fresh, now=now)
    fresh.state, fresh.applied_at, fresh.counts = STATE.APPLIED, now, trial.counts
    fresh.data_key = fresh.content_sealed = None
    fresh.save()
    audit.record(actor, "sync.file_applied", fresh, now=now, after=trial.counts)
    return trial


def _run(batch: SyncImport, *, now: datetime) -> Trial:
    currency = Workspace.objects.get().currency
    rows = csv_rows.read(Entity(batch.entity), content_of(batch), batch.columns, currency=currency)
    stream = streams.of(batch.connection, batch.entity)
    locked: SyncStream = (
        SyncStream.objects.select_for_update(of=("self",)).select_related("connection").get(pk=stream.pk)
    )
    reading = Reading(
        kind="imported",
        at=now,
        now=now,
        batch=batch,
        is_own_id=csv_rows.ID in batch.columns,
        said_at=now,
    )
    counts = Counter[str]()
    for start in range(0, len(rows.remotes), BATCH):
        counts += take(locked, rows.remotes[start : start + BATCH], reading)
    counts["refused"] = len(rows.refused)
    return Trial(dict(counts), _rows_of(batch), dict(list(rows.refused.items())[:SHOWN]))


def _rows_of(batch: SyncImport) -> list[Row]:
    rows = SyncImportStep.objects.filter(batch=batch).select_related("record").order_by("pk")
    steps = list(rows[:SHOWN])
    entries = _entries(steps)
    found = []
    for one in steps:
        changes = record_fields.changes_in(one.record, entries[one.pk])
        values = record_fields.values_of(one.record)
        found.append(Row(record_fields.title_of(batch.entity, values), one.is_new, changes))
    return found


def rows_of(actor: Actor, batch: SyncImport, *, now: datetime) -> list[Row]:
    """What it did, for somebody who may see it."""
    require(actor, "people:read")
    audit.record(actor, "sync.file_shown", batch, now=now)
    return _rows_of(batch)


@transaction.atomic
def drop(actor: Actor, batch: SyncImport, *, now: datetime) -> None:
    """Give it up; the file is forgotten. Audited."""
    require(actor, "people:write")
    fresh = _locked(batch, STATE.TRIED)
    fresh.state, fresh.data_key, fresh.content_sealed = STATE.DROPPED, None, None
    fresh.save(update_fields=["state", "data_key", "content_sealed"])
    audit.record(actor, "sync.file_dropped", fresh, now=now)


@transaction.atomic
def undo(actor: Actor, batch: SyncImport, *, now: datetime) -> Counter[str]:
    """Set back what it changed, where nobody has changed it since, and take away what it made. Withdrawals
    of consent stay. Audited. Counts: back, kept, gone.
    """
    require(actor, "people:write")
    fresh = _locked(batch, STATE.APPLIED)
    counts = Counter[str]()
    steps = list(SyncImportStep.objects.filter(batch=fresh).select_related("record").order_by("pk"))
    locked = {
        row.pk: row
        for row in SyncRecord.objects.select_for_update()
        .filter(pk__in=[one.record_id for one in steps])
        .order_by("pk")
    }
    for start in range(0, len(steps), BATCH):
        entries = _entries(steps[start : start + BATCH])
        for one in steps[start : start + BATCH]:
            counts += _undo(actor, fresh, one, entries[one.pk], locked[one.record_id], now=now)
    waiting.plan([row for row in locked.values() if row.gone_at is None], now=now)
    fresh.state, fresh.undone_at = STATE.UNDONE, now
    fresh.save(update_fields=["state", "undone_at"])
    audit.record(actor, "sync.file_undone", fresh, now=now, after=dict(counts))
    return counts


def _undo(
    actor: Actor,
    batch: SyncImport,
    step: SyncImportStep,
    entry: TrailEntry,
    record: SyncRecord,
    *,
    now: datetime,
) -> Counter[str]:
    fields = record_fields.fields_of(record)
    told = record_fields.changes_in(record, entry)
    told = {name: one for name, one in told.items() if one.is_set and one.before != one.after}
    changes = {
        name: Change(one.after, one.before, now)
        for name, one in told.items()
        if name in fields and fields[name].value == one.after and not _is_withdrawal(name, one)
    }
    counts = Counter(back=len(changes), kept=len(told) - len(changes))
    mine = SyncExternal.objects.filter(connection=batch.connection_id, record=record)
    is_alone = not SyncExternal.objects.filter(record=record).exclude(connection=batch.connection_id).exists()
    if step.is_new and is_alone and len(changes) == len(told):
        mine.delete()
        record.gone_at = now
        counts = Counter(gone=1)
    else:
        for external in mine:
            _disagree(external, changes)
    records.apply(record, fields, changes, by=actor.kind, kind="undone", now=now, batch=str(batch.public_id))
    return counts


def _is_withdrawal(name: str, change: Change) -> bool:
    return name == records.OPT_IN and change.after is False


def _disagree(external: SyncExternal, changes: Mapping[str, Change]) -> None:
    """What was agreed on before the file; the same file may then be brought again."""
    content = sealed_json.get(external, "content_sealed")
    if content is not None:
        content["base"] |= {name: one.after for name, one in changes.items()}
        sealed_json.put(external, "content_sealed", content)
        external.raw_hash = None
        external.save(update_fields=["content_sealed", "data_key", "raw_hash"])


def _entries(steps: Sequence[SyncImportStep]) -> dict[int, TrailEntry]:
    """Step → what it wrote into its record's trail."""
    wanted = {(one.record.stream, one.position): one.pk for one in steps}
    rows = TrailEntry.objects.filter(
        stream__in=[stream for stream, _ in wanted], position__in={one.position for one in steps}
    )
    return {wanted[row.stream, row.position]: row for row in rows if (row.stream, row.position) in wanted}


def _locked(batch: SyncImport, state: str) -> SyncImport:
    fresh: SyncImport = (
        SyncImport.objects.select_for_update(of=("self",)).select_related("connection").get(pk=batch.pk)
    )
    if fresh.state != state:
        raise NotNow(f"This file is {fresh.get_state_display()}.")
    return fresh


def forget(*, now: datetime) -> int:
    """Drop files that were tried and left. How many."""
    left = SyncImport.objects.filter(state=STATE.TRIED, created_at__lt=now - KEPT)
    return int(left.update(state=STATE.DROPPED, data_key=None, content_sealed=None))
