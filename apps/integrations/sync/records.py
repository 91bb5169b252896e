"""Records as people and programs here see and change them. Who sees them is written down, as with all that is
personal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor, require, system
from apps.integrations import trail
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import Connection, SyncConflict, SyncExternal, SyncRecord
from apps.integrations.sync import consents, people_links, record_fields, streams, waiting
from apps.integrations.sync.consents import Proof
from apps.integrations.sync.fields import KINDS, cleaned
from apps.integrations.sync.record_fields import Change, Fields

OPT_IN = "marketing_opt_in"
NO_PROOF = Proof()


class OutOfDate(DomainError):
    code = "out_of_date"
    status = 409


class NothingToSend(DomainError):
    code = "nothing_to_send"
    status = 409


@dataclass(frozen=True)
class Shown:
    """A record, opened for somebody who may see it."""

    record: SyncRecord
    fields: Fields
    externals: list[SyncExternal]

    @property
    def values(self) -> dict[str, Any]:
        return {name: one.value for name, one in self.fields.items()}

    @property
    def title(self) -> str:
        return record_fields.title_of(self.record.entity, self.values)


def find(public_id: UUID | str) -> SyncRecord:
    """The record, or the one that it turned out to be. Raises NotHere."""
    found = SyncRecord.objects.select_related("merged_into").filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such record.")
    return found.merged_into or found


def listed(*, entity: str = "", text: str = "", connection: Connection | None = None) -> QuerySet[SyncRecord]:
    """Records that some system has, newest first. text: a whole e-mail address, phone number or id: what else
    is said of them is sealed and cannot be searched.
    """
    rows = SyncRecord.objects.filter(merged_into=None, erased_at=None)
    if entity:
        rows = rows.filter(entity=entity)
    if connection is not None:
        rows = rows.filter(pk__in=SyncExternal.objects.filter(connection=connection).values("record"))
    return rows.filter(_told_by(text)) if text else rows


def _told_by(text: str) -> Q:
    text = text.strip()
    found = Q(pk__in=SyncExternal.objects.filter(external_id=text[:200]).values("record"))
    workspace_id = scoping.current_id()
    for name in ("email", "phone"):
        index = record_fields.index_of(workspace_id, name, text)
        if index is not None:
            found |= Q(**{f"{name}_index": index})
    try:
        found |= Q(public_id=UUID(text))
    except ValueError:
        return found
    return found


@transaction.atomic
def show(actor: Actor, rows: Iterable[SyncRecord], *, now: datetime) -> list[Shown]:
    """Open the records. Needs people:read; one entry in the audit log names them all."""
    require(actor, "people:read")
    listed_ = list(rows)
    externals: dict[int, list[SyncExternal]] = {}
    linked = SyncExternal.objects.filter(record__in=listed_).select_related("connection").order_by("pk")
    for one in linked:
        externals.setdefault(one.record_id, []).append(one)
    if listed_:
        told = {"count": len(listed_), "records": [str(one.public_id) for one in listed_]}
        audit.record(actor, "sync.records_shown", now=now, after=told)
    return [Shown(one, record_fields.fields_of(one), externals.get(one.pk, [])) for one in listed_]


@transaction.atomic
def edit(
    actor: Actor,
    record: SyncRecord,
    given: Mapping[str, Any],
    *,
    now: datetime,
    version: int | None = None,
    proof: Proof = NO_PROOF,
    kind: str = "edited",
) -> SyncRecord:
    """Change fields here; systems that can be told are told. Needs people:write. Audited by names of fields.

    version: refuse if the record has changed since. proof: of a yes to marketing; nobody is marked as willing
    without where it was given, nor over their no without its moment and words. Raises Invalid, OutOfDate.
    """
    require(actor, "people:write")
    fresh: SyncRecord = SyncRecord.objects.select_for_update().get(pk=record.pk)
    if fresh.erased_at is not None:
        raise NotHere("There is no such record.")
    if version is not None and version != fresh.version:
        raise OutOfDate("The record has changed since you opened it. Look again.")
    values = cleaned(Entity(fresh.entity), given)
    fields = record_fields.fields_of(fresh)
    changes = {
        name: Change(_value(fields, name), value, now)
        for name, value in values.items()
        if value != _value(fields, name)
    }
    if changes.get(OPT_IN) is not None and values[OPT_IN] is True and not proof.source.strip():
        raise Invalid({OPT_IN: ["Say where they allowed it. Nobody is marked as willing without that."]})
    if changes:
        _write(actor, fresh, fields, changes, proof=proof, kind=kind, now=now)
    return fresh


def _write(
    actor: Actor,
    record: SyncRecord,
    fields: Fields,
    changes: Mapping[str, Change],
    *,
    proof: Proof,
    kind: str,
    now: datetime,
) -> None:
    apply(record, fields, changes, by=actor.kind, kind=kind, now=now)
    if record.entity == Entity.CONTACT and record.person_id is None:
        people_links.link([record], now=now)
        record.save(update_fields=["person"])
    opt_in = changes.get(OPT_IN)
    if opt_in is not None and opt_in.after is False:
        email = record_fields.values_of(record).get("email")
        consents.withdrawn(record, email, source=f"record, changed by {actor.kind}", at=now, now=now)
    elif opt_in is not None and opt_in.after is True:
        consents.granted(actor, record, proof=proof, now=now)
    audit.record(actor, "sync.record_edited", record, now=now, after={"fields": sorted(changes)})
    waiting.plan([record], now=now)


def apply(
    record: SyncRecord,
    fields: Fields,
    changes: Mapping[str, Change],
    *,
    by: str,
    kind: str,
    now: datetime,
    **told: Any,
) -> None:
    """Write changes of a locked record with their step in its trail."""
    record.version += 1
    record_fields.put(record, record_fields.changed(fields, changes, by=by), now=now)
    record.save(update_fields=record_fields.COLUMNS)
    trail.append(record_fields.step(record, kind, changes, by=by, now=now, **told))


def _value(fields: Fields, name: str) -> Any:
    return fields[name].value if name in fields else None


@transaction.atomic
def create(actor: Actor, entity: str, given: Mapping[str, Any], *, now: datetime) -> SyncRecord:
    """A record that begins here. Systems whose stream says so get it as well. Needs people:write. Audited."""
    require(actor, "people:write")
    values = {name: one for name, one in cleaned(Entity(entity), given).items() if one is not None}
    if values.get(OPT_IN):
        raise Invalid({OPT_IN: ["Make the record first, then say where they allowed it."]})
    if not values:
        raise Invalid({}, "Say something of it.")
    record = SyncRecord(workspace_id=actor.workspace_id, entity=entity, version=0, changed_at=now)
    changes = {name: Change(None, value, now) for name, value in values.items()}
    record.version = 1
    record_fields.put(record, record_fields.changed({}, changes, by=actor.kind), now=now)
    if entity == Entity.CONTACT:
        people_links.link([record], now=now)
    record.save()
    trail.append(record_fields.step(record, "made", changes, by=actor.kind, now=now))
    audit.record(actor, "sync.record_made", record, now=now, after={"fields": sorted(changes)})
    for stream in streams.that_make_new(entity):
        waiting.make_there([record], stream)
    waiting.plan([record], now=now)
    return record


@transaction.atomic
def send(actor: Actor, record: SyncRecord, connection: Connection, *, now: datetime) -> SyncExternal:
    """Have a record made in a system that has it not. Audited. Raises NothingToSend, NotSynced."""
    require(actor, "people:write")
    stream = streams.of(connection, record.entity)
    fresh: SyncRecord = SyncRecord.objects.select_for_update().get(pk=record.pk)
    writable = streams.system_of(connection).speaks[Entity(record.entity)].writable
    if not writable or fresh.erased_at is not None:
        raise NothingToSend(f"{connection.label} takes no {record.entity}s.")
    made = waiting.make_there([fresh], stream)
    if not made:
        raise NothingToSend(f"{connection.label} has it already, or is about to.")
    fresh.version += 1
    fresh.save(update_fields=["version"])
    audit.record(actor, "sync.record_sent", fresh, now=now, after={"connection": connection.label})
    waiting.plan([fresh], now=now)
    return made[0]


def obey_withdrawals(*, now: datetime) -> int:
    """Take back the yes in records of people who have said no since. How many."""
    told = consents.overruled()
    for record in told:
        edit(system(record.workspace_id), record, {OPT_IN: False}, now=now, kind="withdrawn")
    return len(told)


def conflicts_of(record: SyncRecord) -> list[SyncConflict]:
    rows = SyncConflict.objects.filter(record=record, state=SyncConflict.State.OPEN)
    return list(rows.select_related("sync_stream__connection", "external").order_by("pk"))


def editable(entity: str) -> list[str]:
    return list(KINDS[Entity(entity)])


def takes(connection: Connection, entity: str) -> bool:
    """Whether records of the kind can be made there."""
    speaks = streams.system_of(connection).speaks
    return entity in speaks and bool(speaks[Entity(entity)].writable)
