"""What no policy decides, opened for a person: one entry for each field, suggestion or notice, kept up to
date while it waits.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.integrations import sealed_json
from apps.integrations.models import SyncConflict, SyncExternal, SyncRecord, SyncStream
from apps.integrations.sync import streams

Disputes = Mapping[str, tuple[Any, Any]]
KIND, STATE = SyncConflict.Kind, SyncConflict.State


def keep(
    stream: SyncStream, told: Sequence[tuple[SyncExternal, SyncRecord, Disputes]], *, now: datetime
) -> int:
    """Open what is new, bring what waits up to date, drop what has settled itself. How many wait."""
    known: dict[int, dict[str, SyncConflict]] = {}
    external_ids = [external.pk for external, _, _ in told]
    waiting = SyncConflict.objects.filter(external__in=external_ids, kind=KIND.FIELD, state=STATE.OPEN)
    for one in waiting:
        known.setdefault(one.external_id, {})[one.field] = one
    for external, record, disputes in told:
        had = known.get(external.pk, {})
        for name, values in disputes.items():
            _open(had.get(name), stream, external, record, name, values, now=now)
        for name in had.keys() - disputes.keys():
            close(had[name], STATE.OUTDATED, choice="", now=now)
    return sum(len(disputes) for _, _, disputes in told)


def perhaps_same(
    stream: SyncStream, external: SyncExternal, record: SyncRecord, other: SyncRecord, *, now: datetime
) -> None:
    if record.pk != other.pk:
        SyncConflict.objects.create(
            workspace_id=stream.workspace_id,
            sync_stream=stream,
            external=external,
            record=record,
            other=other,
            kind=KIND.SAME,
            opened_at=now,
        )


def deleted(external: SyncExternal, record: SyncRecord, *, now: datetime) -> None:
    SyncConflict.objects.create(
        workspace_id=record.workspace_id,
        sync_stream=streams.of(external.connection, external.entity),
        external=external,
        record=record,
        kind=KIND.DELETED,
        opened_at=now,
    )


def back(externals: Sequence[SyncExternal], *, now: datetime) -> None:
    """They are there again: nobody needs to say what becomes of them."""
    for one in SyncConflict.objects.filter(external__in=externals, kind=KIND.DELETED, state=STATE.OPEN):
        close(one, STATE.OUTDATED, choice="", now=now)


def vanished(stream: SyncStream, count: int, *, now: datetime) -> SyncConflict:
    """More are missing than go unseen. One notice per stream, of the newest scan."""
    notice: SyncConflict
    notice, _ = SyncConflict.objects.update_or_create(
        sync_stream=stream,
        kind=KIND.VANISHED,
        state=STATE.OPEN,
        external=None,
        defaults={"run": stream.run, "count": count},
        create_defaults={
            "workspace_id": stream.workspace_id,
            "run": stream.run,
            "count": count,
            "opened_at": now,
        },
    )
    return notice


def close(conflict: SyncConflict, state: str, *, choice: str, now: datetime) -> None:
    """Its values are not needed any more."""
    conflict.state, conflict.choice, conflict.settled_at = state, choice, now
    conflict.values_sealed = conflict.data_key = None
    conflict.save(update_fields=["state", "choice", "settled_at", "values_sealed", "data_key"])


def _open(
    conflict: SyncConflict | None,
    stream: SyncStream,
    external: SyncExternal,
    record: SyncRecord,
    name: str,
    values: tuple[Any, Any],
    *,
    now: datetime,
) -> None:
    conflict = conflict or SyncConflict(
        workspace_id=stream.workspace_id,
        sync_stream=stream,
        external=external,
        record=record,
        kind=KIND.FIELD,
        field=name,
        opened_at=now,
    )
    sealed_json.put(conflict, "values_sealed", {"here": values[0], "there": values[1]})
    conflict.save()
