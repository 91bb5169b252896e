"""Is what we hold of a system what it holds, and is every record what its trail says? Found, and mended.

A scan of all of the system's records and our table of them are each summed up in 256 buckets; only in buckets
that differ are records compared one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.permissions import Actor
from apps.accounts.tasks_base import workspace_task
from apps.integrations import modes, sealed_json, services, trail
from apps.integrations.connectors.crm.system import Entity, System
from apps.integrations.models import (
    Connection,
    SyncExternal,
    SyncRecord,
    SyncReport,
    SyncStream,
    SyncTombstone,
    TrailEntry,
)
from apps.integrations.services import Family
from apps.integrations.sync import digests, imports, record_fields, streams
from apps.integrations.sync.pull import is_too_many, pull, reread

log = structlog.get_logger(__name__)

MOST_PAGES = 2_000
MOST_FINDINGS = 500
REPORTS_KEPT = 30
BATCH = 500


@dataclass
class _Scan:
    """What the system has now: its digests, and what it adds up to."""

    digests: dict[str, bytes] = field(default_factory=dict)
    sums: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Differences:
    missing: list[str]
    extra: list[str]
    different: list[str]
    buckets: int


@shared_task(name="integrations.sync.check_all")
def check_all() -> int:
    """Start a check of every customer system that is connected."""
    keys = [one.key for one in services.of_family(Family.CRM)]
    with scoping.across_workspaces("connections.sweep"):
        usable = Connection.objects.filter(service__in=keys, state=Connection.State.CONNECTED)
        found = list(usable.values_list("workspace_id", "pk"))
    for workspace_id, connection_id in found:
        check.delay(workspace_id=workspace_id, connection_id=connection_id)
    return len(found)


@workspace_task(name="integrations.sync.check")
def check(*, connection_id: int, is_asked: bool = False) -> int:
    """Compare each stream of a connection with a fresh scan. Returns how many reports were made.

    is_asked: by a person. Without one it is left out while only what cannot wait is done.
    """
    connection = Connection.objects.get(pk=connection_id)
    imports.forget(now=timezone.now())
    if not is_asked and modes.active(timezone.now()):
        return 0
    asked = streams.system_of(connection)
    made = 0
    for stream in streams.of_connection(connection):
        try:
            compare(stream, asked, now=timezone.now())
            made += 1
        except DomainError as error:
            log.warning("sync.check_failed", connection_id=connection_id, code=error.code)
    return made


def check_now(actor: Actor, connection: Connection, *, now: datetime) -> None:
    """Have it compared at once. Audited. Raises NotSynced."""
    streams.of_connection(connection)
    audit.record(actor, "sync.check_asked", connection, now=now)
    check.delay(workspace_id=connection.workspace_id, connection_id=connection.pk, is_asked=True)


def compare(stream: SyncStream, asked: System, *, now: datetime) -> SyncReport:
    """Scan, compare, verify the trail, and keep the report. Raises errors.ServiceError."""
    scan = scanned(stream, asked) if asked.is_readable else None
    rows = _held(stream)
    found = differences(scan.digests, rows) if scan is not None else Differences([], [], [], 0)
    chain, replay = verified(stream)
    waiting = SyncExternal.objects.filter(
        connection=stream.connection_id, entity=stream.entity, unpushed_since__isnull=False
    )
    oldest = waiting.order_by("unpushed_since").values_list("unpushed_since", flat=True).first()
    report: SyncReport = SyncReport.objects.create(
        workspace_id=stream.workspace_id,
        sync_stream=stream,
        made_at=now,
        compared=len(scan.digests) if scan is not None else 0,
        buckets_differing=found.buckets,
        missing=len(found.missing),
        extra=len(found.extra),
        different=len(found.different),
        unpushed=waiting.count(),
        unpushed_since=oldest,
        chain_faults=len(chain),
        replay_faults=len(replay),
        findings=_findings(found, chain, replay),
        sums=_both(scan.sums if scan is not None else {}, _sums_here(stream)),
    )
    old = SyncReport.objects.filter(sync_stream=stream).order_by("-pk").values_list("pk", flat=True)
    SyncReport.objects.filter(pk__in=list(old[REPORTS_KEPT:])).delete()
    return report


def scanned(stream: SyncStream, asked: System) -> _Scan:
    """Read all pages, keeping digests and sums alone. One that is seen twice counts as last seen first."""
    found, remotes = _Scan(), _Sums(stream.entity)
    number: int | None = 1
    for _ in range(MOST_PAGES):
        if number is None:
            break
        page = asked.page(Entity(stream.entity), number)
        for one in page.records:
            if one.id not in found.digests and not one.is_gone:
                found.digests[one.id] = digests.of_remote(one)
                remotes.add(one.fields)
        number = page.following
    erased = _erased(stream, found.digests)
    for external_id in erased:
        del found.digests[external_id]
    found.sums = remotes.told()
    return found


def _erased(stream: SyncStream, known: Iterable[str]) -> list[str]:
    hashes = {digests.of_id(one): one for one in known}
    kept = SyncTombstone.objects.filter(connection=stream.connection_id, entity=stream.entity)
    return [hashes[bytes(one)] for one in kept.values_list("id_hash", flat=True) if bytes(one) in hashes]


def _held(stream: SyncStream) -> dict[str, bytes]:
    rows = SyncExternal.objects.filter(
        connection=stream.connection_id,
        entity=stream.entity,
        gone_at=None,
        is_own_id=True,
        state=SyncExternal.State.LINKED,
    )
    return {
        external_id: bytes(digest or b"")
        for external_id, digest in rows.values_list("external_id", "raw_hash")
    }


def differences(there: Mapping[str, bytes], here: Mapping[str, bytes]) -> Differences:
    """What differs, looked for in the buckets whose checksums do."""
    sums = zip(digests.checksums(there.items()), digests.checksums(here.items()), strict=True)
    buckets = {number for number, (one, other) in enumerate(sums) if one != other}
    if not buckets:
        return Differences([], [], [], 0)
    theirs = {key for key in there if digests.bucket_of(key) in buckets}
    ours = {key for key in here if digests.bucket_of(key) in buckets}
    return Differences(
        missing=sorted(theirs - ours),
        extra=sorted(ours - theirs),
        different=sorted(key for key in theirs & ours if there[key] != here[key]),
        buckets=len(buckets),
    )


def _findings(found: Differences, chain: list[str], replay: list[str]) -> dict[str, list[str]]:
    told = {
        "missing": found.missing,
        "extra": found.extra,
        "different": found.different,
        "chain": chain,
        "replay": replay,
    }
    return {name: kept[:MOST_FINDINGS] for name, kept in told.items() if kept}


class _Sums:
    """How many records by month, and money by type of job and currency."""

    def __init__(self, entity: str) -> None:
        self.entity = entity
        self.months: Counter[str] = Counter()
        self.money: dict[str, Decimal] = defaultdict(Decimal)
        self.count = 0

    def add(self, fields: Mapping[str, Any]) -> None:
        self.count += 1
        if self.entity != Entity.JOB:
            return
        self.months[str(fields.get("event_date") or "")[:7] or "no day"] += 1
        try:
            amount = Decimal(str(fields.get("total") or 0))
        except InvalidOperation:
            return
        key = f"{fields.get('job_type') or 'no type'} {fields.get('currency') or ''}".strip()
        self.money[key] += amount

    def told(self) -> dict[str, Any]:
        money = {
            key: format(value.normalize() + 0, "f") for key, value in sorted(self.money.items()) if value
        }
        return {"count": self.count, "months": dict(sorted(self.months.items())), "money": money}


def _sums_here(stream: SyncStream) -> dict[str, Any]:
    """The same of what we last saw there: our copy of their records, opened."""
    sums = _Sums(stream.entity)
    rows = SyncExternal.objects.filter(
        connection=stream.connection_id,
        entity=stream.entity,
        gone_at=None,
        is_own_id=True,
        state=SyncExternal.State.LINKED,
    )
    if stream.entity != Entity.JOB:
        sums.count = rows.count()
        return sums.told()
    for row in rows.iterator(chunk_size=BATCH):
        sums.add((sealed_json.get(row, "content_sealed") or {}).get("fields", {}))
    return sums.told()


def _both(there: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    return {"there": there, "here": here}


def verified(stream: SyncStream) -> tuple[list[str], list[str]]:
    """Trails of the stream's records that do not hold, and records that are not what their trail says."""
    chain, replay = [], []
    ids = SyncExternal.objects.filter(connection=stream.connection_id, entity=stream.entity)
    record_ids = sorted(set(ids.values_list("record_id", flat=True)))
    for start in range(0, len(record_ids), BATCH):
        rows = SyncRecord.objects.in_bulk(record_ids[start : start + BATCH])
        faulty, differing = _verified({row.stream: row for row in rows.values()})
        chain += faulty
        replay += differing
    return chain, replay


def _verified(rows: Mapping[str, SyncRecord]) -> tuple[list[str], list[str]]:
    faulty, differing = [], []
    seen = set()
    for stream, steps in _steps(list(rows)):
        record = rows[stream]
        seen.add(stream)
        if any(trail.faults_in(stream, steps)):
            faulty.append(str(record.public_id))
        elif not _is_told(record, steps):
            differing.append(str(record.public_id))
    return faulty, differing + [str(rows[one].public_id) for one in rows.keys() - seen]


def _steps(names: Sequence[str]) -> Iterator[tuple[str, list[TrailEntry]]]:
    entries = TrailEntry.objects.filter(stream__in=names).order_by("stream", "position")
    for stream, steps in groupby(entries.iterator(chunk_size=2_000), key=lambda one: one.stream):
        yield stream, list(steps)


def _is_told(record: SyncRecord, steps: Sequence[TrailEntry]) -> bool:
    if record.erased_at is not None:
        return True
    told = record_fields.rebuilt(record, steps)
    values = record_fields.values_of(record)
    return {name: one for name, one in told.items() if one is not None} == {
        name: one for name, one in values.items() if one is not None
    }


def find(public_id: UUID | str) -> SyncReport:
    found = SyncReport.objects.select_related("sync_stream__connection").filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such report.")
    return found


def latest(stream: SyncStream) -> SyncReport | None:
    return SyncReport.objects.filter(sync_stream=stream).order_by("-pk").first()


@transaction.atomic
def mend(actor: Actor, report: SyncReport, *, now: datetime) -> None:
    """Have what the report found read again, each by itself. Audited."""
    audit.record(actor, "sync.repair_asked", report, now=now, after={"report": str(report.public_id)})
    repair.delay_on_commit(workspace_id=report.workspace_id, report_id=report.pk)


@workspace_task(name="integrations.sync.repair")
def repair(*, report_id: int) -> int:
    """Read again what was missing, different or too much here. Returns how many records that changed.

    Too much here at once is left to a full scan, which asks a person.
    """
    report = SyncReport.objects.select_related("sync_stream__connection").get(pk=report_id)
    stream = report.sync_stream
    asked = streams.system_of(stream.connection)
    findings = report.findings
    wanted = [*findings.get("missing", []), *findings.get("different", [])]
    extra = findings.get("extra", [])
    if is_too_many(len(extra), len(_held(stream))):
        pull.delay(workspace_id=stream.workspace_id, connection_id=stream.connection_id, is_full=True)
        extra = []
    changed = Counter[str]()
    for external_id in [*wanted, *extra]:
        changed += reread(stream, asked, external_id, kind="repaired")
    SyncReport.objects.filter(pk=report.pk).update(repaired_at=timezone.now())
    return changed["made"] + changed["changed"] + changed["gone"]
