"""What was changed here and a system does not have yet: told from what both last agreed on, and put into the
outbox.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.integrations import outbox, sealed_json
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import SyncConflict, SyncExternal, SyncRecord, SyncStream
from apps.integrations.outbox import Wanted
from apps.integrations.resilience.lanes import Lane
from apps.integrations.sync import record_fields, streams

PUSH = "records.push"
BATCH = 500


def differing(
    values: dict[str, Any], base: dict[str, Any], writable: Collection[str], *, disputed: Collection[str]
) -> dict[str, Any]:
    """The fields that the system is to be told. One that waits for a person is not."""
    return {
        name: value
        for name, value in values.items()
        if name in writable and name not in disputed and _known(value) != _known(base.get(name))
    }


def _known(value: Any) -> Any:
    return None if value in ("", []) else value


def disputed_in(external_ids: Iterable[int]) -> dict[int, set[str]]:
    """External → its fields that wait for a person."""
    found: dict[int, set[str]] = defaultdict(set)
    rows = SyncConflict.objects.filter(
        external__in=list(external_ids), kind=SyncConflict.Kind.FIELD, state=SyncConflict.State.OPEN
    )
    for external_id, name in rows.values_list("external_id", "field"):
        found[external_id].add(name)
    return found


def plan(records: Collection[SyncRecord], *, now: datetime) -> int:
    """Enqueue a push to each system that lacks something of these (locked) records. How many. Many are
    written at once.
    """
    by_pk = {record.pk: record for record in records}
    externals = list(
        SyncExternal.objects.filter(record__in=by_pk, gone_at=None)
        .select_related("connection")
        .order_by("pk")
    )
    disputed = disputed_in(one.pk for one in externals)
    ways: dict[tuple[int, str], SyncStream] = {}
    waiting: dict[int, list[SyncExternal]] = defaultdict(list)
    changed = []
    for external in externals:
        key = external.connection_id, external.entity
        if key not in ways:
            ways[key] = streams.of(external.connection, external.entity)
        record = by_pk[external.record_id]
        waits = _waits(ways[key], external, record, disputed.get(external.pk, set()))
        if waits != (external.unpushed_since is not None):
            external.unpushed_since = now if waits else None
            changed.append(external)
        if waits and not ways[key].is_paused:
            waiting[external.connection_id].append(external)
    SyncExternal.objects.bulk_update(changed, ["unpushed_since"], batch_size=BATCH)
    for found in waiting.values():
        _enqueue(found, by_pk, now=now)
    return sum(map(len, waiting.values()))


def _waits(stream: SyncStream, external: SyncExternal, record: SyncRecord, disputed: set[str]) -> bool:
    if stream.direction == SyncStream.Direction.IN:
        return False
    is_new = external.state == SyncExternal.State.MAKING
    return is_new or bool(wanted(external, record, disputed=disputed))


def wanted(external: SyncExternal, record: SyncRecord, *, disputed: Collection[str]) -> dict[str, Any]:
    """What its system is to be told of the record."""
    is_new = external.state == SyncExternal.State.MAKING
    system = streams.system_of(external.connection)
    if external.state == SyncExternal.State.DELIVERED or not (external.is_own_id or is_new):
        return {}  # it lies in an inbox that nobody can reach into, or stands for a row of a file
    if not (system.is_readable or is_new):
        return {}  # it takes what is new, and no change
    speaks = system.speaks[Entity(external.entity)]
    content = sealed_json.get(external, "content_sealed") or {}
    values = record_fields.values_of(record)
    return differing(values, content.get("base", {}), speaks.writable, disputed=disputed)


def _enqueue(externals: Sequence[SyncExternal], records: Mapping[int, SyncRecord], *, now: datetime) -> None:
    """One call per state of the record; what it says is read when it goes."""
    calls = [
        Wanted(
            payload={"external": one.pk},
            dedup_key=f"{one.public_id}:{records[one.record_id].version}",
            person_id=records[one.record_id].person_id,
        )
        for one in externals
    ]
    outbox.enqueue_many(externals[0].connection, PUSH, calls, now=now, lane=Lane.TRANSACTIONAL)


def make_there(records: Sequence[SyncRecord], stream: SyncStream) -> list[SyncExternal]:
    """The places of records that are to be made in a system; none for those that have one."""
    live = SyncExternal.objects.filter(connection=stream.connection_id, gone_at=None)
    there = set(live.filter(record__in=[one.pk for one in records]).values_list("record_id", flat=True))
    made: list[SyncExternal] = SyncExternal.objects.bulk_create(
        SyncExternal(
            workspace_id=record.workspace_id,
            connection_id=stream.connection_id,
            entity=record.entity,
            external_id=f"new:{record.public_id}",
            record=record,
            state=SyncExternal.State.MAKING,
            is_own_id=False,
        )
        for record in records
        if record.pk not in there
    )
    return made


def contacts_of(record: SyncRecord) -> list[SyncRecord]:
    """For whom a job is, in the order in which a system names them."""
    jobs = SyncExternal.objects.filter(record=record, gone_at=None).values_list(
        "connection_id", "contact_ids"
    )
    contacts = SyncExternal.objects.filter(entity=Entity.CONTACT)
    found: dict[int, SyncRecord] = {}
    for connection_id, told in jobs:
        rows = contacts.filter(connection=connection_id, external_id__in=told).select_related("record")
        by_id = {row.external_id: row.record for row in rows}
        found |= {by_id[one].pk: by_id[one] for one in told if one in by_id}
    return list(found.values())


def places_of(records: Sequence[SyncRecord], connection_id: int) -> list[SyncExternal]:
    """Where contacts have their place in a system, made or still to be made."""
    rows = SyncExternal.objects.filter(connection=connection_id, entity=Entity.CONTACT, gone_at=None)
    return list(rows.filter(record__in=[one.pk for one in records]).order_by("pk"))
