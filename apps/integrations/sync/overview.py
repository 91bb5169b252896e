"""What pages and the API show of a connection's records: rows out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q

from apps.integrations import services
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.models import (
    Connection,
    SyncConflict,
    SyncExternal,
    SyncImport,
    SyncReport,
    SyncStream,
)
from apps.integrations.sync import integrity, streams
from apps.integrations.sync.fields import KINDS, POLICY_WORDS, Policy, allowed, policies

LATE = timedelta(minutes=30)


@dataclass(frozen=True)
class FieldRow:
    """A field of a stream: what the system can do with it, and who wins."""

    name: str
    policy: Policy
    words: str
    choices: list[tuple[str, str]]
    is_readable: bool
    is_writable: bool


@dataclass(frozen=True)
class StreamRow:
    """How a stream does. can: what the system can honestly do with it, in words."""

    stream: SyncStream
    can: str
    live: int
    gone: int
    delivered: int
    unpushed: int
    unpushed_since: datetime | None
    conflicts: int
    is_late: bool
    report: SyncReport | None
    fields: list[FieldRow]

    @property
    def is_running(self) -> bool:
        return self.stream.page is not None and not self.stream.trouble

    @property
    def is_well(self) -> bool:
        found_well = self.report is None or self.report.is_well
        return not (self.stream.trouble or self.conflicts or self.is_late) and found_well


def streams_of(connection: Connection, *, now: datetime) -> list[StreamRow]:
    """Its streams. Raises NotSynced."""
    counts = _counts(connection)
    return [_row(one, counts.get(one.entity, {}), now=now) for one in streams.of_connection(connection)]


def all_streams(*, now: datetime) -> list[StreamRow]:
    """Those of every connection to a customer system, by its label."""
    kept = Connection.objects.exclude(state=Connection.State.DISCONNECTED).order_by("label", "pk")
    return [row for one in kept if streams.is_synced(one) for row in _of(one, now=now)]


def _of(connection: Connection, *, now: datetime) -> list[StreamRow]:
    try:
        return streams_of(connection, now=now)
    except streams.NotSynced:
        return []


def _row(stream: SyncStream, counts: dict[str, Any], *, now: datetime) -> StreamRow:
    system = streams.system_of(stream.connection)
    speaks = system.speaks[Entity(stream.entity)]
    is_read = system.is_readable and not stream.is_paused and stream.direction != SyncStream.Direction.OUT
    since = stream.finished_at or stream.created_at
    waiting = SyncConflict.objects.filter(sync_stream=stream, state=SyncConflict.State.OPEN)
    return StreamRow(
        stream=stream,
        can=_can(stream, system.is_readable, bool(speaks.writable)),
        live=counts.get("live", 0),
        gone=counts.get("gone", 0),
        delivered=counts.get("delivered", 0),
        unpushed=counts.get("unpushed", 0),
        unpushed_since=counts.get("since"),
        conflicts=waiting.count(),
        is_late=bool(is_read and stream.connection.is_usable and now - since > LATE),
        report=integrity.latest(stream),
        fields=_fields(stream, speaks.readable, speaks.writable),
    )


def _can(stream: SyncStream, is_readable: bool, is_writable: bool) -> str:
    name = services.get(stream.connection.service).name
    if is_readable and is_writable:
        return f"Read every five minutes, and told of changes here. {name} decides on what it alone can set."
    if is_readable:
        return "Read every five minutes. It takes no changes: what is changed here stays here."
    if is_writable:
        return "New ones can be sent, once each. Nothing can be asked: what becomes of them is not known."
    return "Comes in as it is told or brought. Nothing can be asked, nothing goes back."


def _fields(stream: SyncStream, readable: frozenset[str], writable: frozenset[str]) -> list[FieldRow]:
    entity = Entity(stream.entity)
    chosen = policies(entity, stream.policies)
    return [
        FieldRow(
            name=name,
            policy=chosen[name],
            words=POLICY_WORDS[chosen[name]],
            choices=[(one.value, POLICY_WORDS[one]) for one in allowed(kind)],
            is_readable=name in readable,
            is_writable=name in writable,
        )
        for name, kind in KINDS[entity].items()
    ]


def _counts(connection: Connection) -> dict[str, dict[str, Any]]:
    rows = SyncExternal.objects.filter(connection=connection).values("entity")
    found = rows.annotate(
        live=Count("pk", filter=Q(gone_at=None, state=SyncExternal.State.LINKED)),
        gone=Count("pk", filter=Q(gone_at__isnull=False)),
        delivered=Count("pk", filter=Q(state=SyncExternal.State.DELIVERED, gone_at=None)),
        unpushed=Count("pk", filter=Q(unpushed_since__isnull=False)),
        since=Min("unpushed_since"),
    ).order_by()
    return {row["entity"]: row for row in found}


def imports_of(connection: Connection, *, most: int = 20) -> list[SyncImport]:
    return list(SyncImport.objects.filter(connection=connection).order_by("-pk")[:most])
