"""Take in what a system says: each record told apart from what we know of it, matched, merged, and written
with its step in the trail. One transaction of the caller's; one pipeline for pulls, hooks, files and repairs.

Order of locks: the stream, then records by id, then people.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.integrations import many_rows, sealed_json, services, trail
from apps.integrations.connectors.crm.system import Entity, Remote
from apps.integrations.models import (
    SyncConflict,
    SyncExternal,
    SyncImport,
    SyncImportStep,
    SyncRecord,
    SyncStream,
    SyncTombstone,
)
from apps.integrations.sync import (
    consents,
    digests,
    disputes,
    erasing,
    merge,
    people_links,
    record_fields,
    streams,
    waiting,
)
from apps.integrations.sync.fields import CONTACTS, KINDS, Policy, policies, usable
from apps.integrations.sync.matching import Match, matches
from apps.integrations.sync.merge import DECIDED, How, Side
from apps.integrations.sync.record_fields import Change, Fields
from apps.integrations.trail import Step

LONGEST_ID = 200
EXTERNAL_COLUMNS = [
    "external_id",
    "is_own_id",
    "state",
    "record",
    "data_key",
    "content_sealed",
    "raw_hash",
    "url",
    "contact_ids",
    "modified_at",
    "read_at",
    "seen_run",
    "gone_at",
]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How what is taken in came. at: when it was asked for; what was pushed since is newer.

    batch: the import that brings it. is_own_id: the ids are the system's own. said_at: when it was said,
    of what has no time of its own.
    """

    kind: str
    at: datetime
    now: datetime
    batch: SyncImport | None = None
    is_own_id: bool = True
    said_at: datetime | None = None


@dataclass
class _Work:
    """One record on its way."""

    remote: Remote
    digest: bytes
    external: SyncExternal
    record: SyncRecord
    is_new: bool = False
    was_gone: bool = False
    perhaps: SyncRecord | None = None
    before: Fields = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    disputes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    is_changed: bool = False
    is_stored: bool = True


def take(stream: SyncStream, remotes: Sequence[Remote], reading: Reading) -> Counter[str]:
    """Take them in. The stream is locked. Counts: seen, made, changed, unchanged, gone, erased, stale, and
    refused where the id is none that can be kept.
    """
    told: dict[str, Remote] = {}
    for one in remotes:
        if _is_id(one.id):
            told.setdefault(one.id, one)
    counts = Counter(seen=len(told))
    counts["refused"] += sum(not _is_id(one.id) for one in remotes)
    digest_of = {one.id: digests.of_remote(one) for one in told.values()}
    known = _known(stream, told)
    same = [row for row in known.values() if _is_same(row, told[row.external_id], digest_of)]
    counts["unchanged"] += len(same)
    _mark_seen(stream, same)
    rest = {key: one for key, one in told.items() if key not in {row.external_id for row in same}}
    if not rest:
        return counts
    for one in [one for one in rest.values() if one.is_gone]:
        counts["gone"] += gone(known.get(one.id), now=reading.now)
        del rest[one.id]
    works = _works(stream, rest, digest_of, reading, counts)
    _merge_all(stream, works, reading)
    _write(stream, works, reading, counts)
    return counts


def _is_id(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and "\0" not in text


def _known(stream: SyncStream, told: Mapping[str, Remote]) -> dict[str, SyncExternal]:
    rows = SyncExternal.objects.filter(
        connection=stream.connection_id, entity=stream.entity, external_id__in=list(told)
    ).defer("data_key", "content_sealed")
    return {row.external_id: row for row in rows}


def _is_same(row: SyncExternal, remote: Remote, digest_of: Mapping[str, bytes]) -> bool:
    is_gone = row.gone_at is not None
    if remote.is_gone:
        return is_gone
    return not is_gone and row.raw_hash is not None and bytes(row.raw_hash) == digest_of[row.external_id]


def _mark_seen(stream: SyncStream, rows: Sequence[SyncExternal]) -> None:
    """Only a full scan asks later who was not seen; others write nothing."""
    if stream.is_full and stream.page is not None:
        unmarked = [row.pk for row in rows if row.seen_run != stream.run]
        if unmarked:
            SyncExternal.objects.filter(pk__in=unmarked).update(seen_run=stream.run)


def _works(
    stream: SyncStream,
    rest: Mapping[str, Remote],
    digest_of: Mapping[str, bytes],
    reading: Reading,
    counts: Counter[str],
) -> list[_Work]:
    """Rows of ours for each, locked; those that are older than what we pushed are left out."""
    owners = SyncExternal.objects.filter(
        connection=stream.connection_id, entity=stream.entity, external_id__in=list(rest)
    )
    owner_ids = list(owners.values_list("record_id", flat=True))
    known = set(owners.values_list("external_id", flat=True))
    new = _not_erased(stream, list(rest.values()), counts, known)
    matched = matches(stream, new, is_own_id=reading.is_own_id) if new else {}
    wanted = {*owner_ids, *(one.record.pk for one in matched.values() if one.record is not None)}
    locked = {
        row.pk: row for row in SyncRecord.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    }
    works = []
    for external in owners.all():
        remote = rest[external.external_id]
        if _is_stale(external, remote, reading):
            counts["stale"] += 1
            continue
        works.append(
            _Work(
                remote,
                digest_of[remote.id],
                external,
                locked[external.record_id],
                was_gone=external.gone_at is not None,
            )
        )
    making = _being_made(stream, locked)
    for remote in new:
        match = matched.get(remote.id, Match())
        record = locked[match.record.pk] if match.record is not None else _new_record(stream, reading)
        external = making.get(record.pk) or _new_external(stream, record)
        external.external_id, external.state = remote.id, SyncExternal.State.LINKED
        external.is_own_id = reading.is_own_id
        works.append(
            _Work(
                remote,
                digest_of[remote.id],
                external,
                record,
                is_new=match.record is None,
                is_stored=external.pk is not None,
                perhaps=match.perhaps,
            )
        )
    return works


def _not_erased(
    stream: SyncStream, remotes: Sequence[Remote], counts: Counter[str], known: set[str]
) -> list[Remote]:
    """Those that we do not know yet, without those of people who asked to be forgotten."""
    hashes = {digests.of_id(one.id): one for one in remotes if one.id not in known}
    if not hashes:
        return []
    erased = {
        bytes(one)
        for one in SyncTombstone.objects.filter(
            connection=stream.connection_id, entity=stream.entity, id_hash__in=list(hashes)
        ).values_list("id_hash", flat=True)
    }
    erased |= erasing.made_for_erased(
        stream, {key: one.our_id for key, one in hashes.items() if key not in erased and one.our_id}
    )
    counts["erased"] += len(erased)
    return [one for key, one in hashes.items() if key not in erased]


def _is_stale(external: SyncExternal, remote: Remote, reading: Reading) -> bool:
    """It was asked for before a push of ours came back, or it is older than what we have seen."""
    if external.pushed_at is not None and external.pushed_at > reading.at:
        return True
    if remote.modified_at is None or external.modified_at is None:
        return False
    return remote.modified_at < external.modified_at


def _being_made(stream: SyncStream, records: Mapping[int, SyncRecord]) -> dict[int, SyncExternal]:
    rows = SyncExternal.objects.filter(
        connection=stream.connection_id, record__in=list(records), state=SyncExternal.State.MAKING
    )
    return {row.record_id: row for row in rows}


def _new_record(stream: SyncStream, reading: Reading) -> SyncRecord:
    return SyncRecord(
        workspace_id=stream.workspace_id, entity=stream.entity, changed_at=reading.now, version=0
    )


def _new_external(stream: SyncStream, record: SyncRecord) -> SyncExternal:
    return SyncExternal(
        workspace_id=stream.workspace_id,
        connection_id=stream.connection_id,
        entity=stream.entity,
        record=record,
    )


def _merge_all(stream: SyncStream, works: Sequence[_Work], reading: Reading) -> None:
    entity = Entity(stream.entity)
    chosen = policies(entity, stream.policies)
    service = stream.connection.service
    for work in works:
        _merge(work, entity, chosen, by=service, stream=stream, reading=reading)


def _merge(
    work: _Work,
    entity: Entity,
    chosen: Mapping[str, Policy],
    *,
    by: str,
    stream: SyncStream,
    reading: Reading,
) -> None:
    now, said_at = reading.now, work.remote.modified_at or reading.said_at
    content = sealed_json.get(work.external, "content_sealed") or {}
    base = dict(content.get("base", {}))
    work.before = record_fields.fields_of(work.record)
    decisions = merge.merged(
        base,
        record_fields.sides_of(entity, work.before),
        _theirs(entity, work.remote, said_at),
        kinds=KINDS[entity],
        policies=chosen,
    )
    if stream.direction == SyncStream.Direction.OUT and not work.is_new:
        decisions = {name: one for name, one in decisions.items() if one.how == How.SAME}
    at = work.remote.modified_at or now
    for name, one in decisions.items():
        _decide(work, name, one, _theirs_value(work.remote, name, entity), at=at)
        if one.base is not merge.MISSING:
            base[name] = one.base
    _settle_external(work, stream, base, at=reading.at)
    work.is_changed = any(
        one.how != How.CONFLICT and one.before != one.after for one in work.changes.values()
    )
    if work.is_changed or work.is_new:
        fields = record_fields.changed(work.before, work.changes, by=by)
        work.record.version += 1
        record_fields.put(work.record, fields, now=now)
    if work.record.gone_at is not None:
        work.was_gone, work.record.gone_at = True, None


def _theirs(entity: Entity, remote: Remote, said_at: datetime | None) -> dict[str, Side]:
    values = usable(entity, remote.fields)
    currency = values.get("currency")
    return {
        name: Side(value, said_at, merge.unit_of(KINDS[entity][name], value, currency))
        for name, value in values.items()
    }


def _theirs_value(remote: Remote, name: str, entity: Entity) -> Any:
    return usable(entity, {name: remote.fields[name]}).get(name)


def _decide(work: _Work, name: str, decision: merge.Decision, theirs: Any, *, at: datetime) -> None:
    had = work.before.get(name)
    before = had.value if had else None
    is_set = decision.value != before
    if not is_set and decision.how not in DECIDED:
        return
    if decision.how == How.CONFLICT:
        work.disputes[name] = (before, theirs)
    if decision.how == How.WITHDRAWN and before is False and not is_set:
        return  # it was withdrawn here: said already
    since = had.at if had and not is_set else at
    how = decision.how.value if decision.how in DECIDED else ""
    work.changes[name] = Change(before, decision.value, since, how, theirs if how else None)


def _settle_external(work: _Work, stream: SyncStream, base: dict[str, Any], *, at: datetime) -> None:
    external, remote = work.external, work.remote
    document = {"raw": dict(remote.raw), "fields": dict(remote.fields), "base": base}
    sealed_json.put(external, "content_sealed", document)
    external.raw_hash, external.modified_at = work.digest, remote.modified_at or external.modified_at
    external.url, external.gone_at, external.read_at = remote.url[:500], None, at
    if CONTACTS in remote.fields:
        external.contact_ids = [str(one)[:200] for one in remote.fields[CONTACTS] or ()]
    external.seen_run = stream.run


def _write(stream: SyncStream, works: Sequence[_Work], reading: Reading, counts: Counter[str]) -> None:
    unlinked = {work.record.public_id for work in works if work.record.person_id is None}
    if stream.entity == Entity.CONTACT:
        people_links.link([work.record for work in works], now=reading.now)
    many_rows.insert([work.record for work in works if work.is_new])
    old = [work for work in works if not work.is_new]
    changed = [
        work.record
        for work in old
        if work.is_changed or work.was_gone or (work.record.public_id in unlinked and work.record.person_id)
    ]
    if changed:
        SyncRecord.objects.bulk_update(changed, record_fields.COLUMNS)
    for work in works:
        work.external.record = work.record
    many_rows.insert([work.external for work in works if not work.is_stored])
    kept = [work.external for work in works if work.is_stored]
    if kept:
        SyncExternal.objects.bulk_update(kept, EXTERNAL_COLUMNS)
    _note(stream, works, reading)
    _afterwards(stream, works, reading, counts)


def _note(stream: SyncStream, works: Sequence[_Work], reading: Reading) -> None:
    noted = [work for work in works if work.changes or work.is_new or work.was_gone]
    steps = [_step(stream, work, reading) for work in noted]
    if steps:
        trail.append(*steps)
    if reading.batch is not None:
        positions = trail.positions([step.stream for step in steps])
        SyncImportStep.objects.bulk_create(
            [
                SyncImportStep(
                    workspace_id=stream.workspace_id,
                    batch=reading.batch,
                    record=work.record,
                    position=positions[work.record.stream],
                    is_new=work.is_new,
                )
                for work in noted
            ],
            ignore_conflicts=True,
        )


def _step(stream: SyncStream, work: _Work, reading: Reading) -> Step:
    told: dict[str, Any] = {}
    if reading.batch is not None:
        told["batch"] = str(reading.batch.public_id)
    if work.was_gone:
        told["restored"] = True
    kind = "made" if work.is_new else reading.kind
    return record_fields.step(
        work.record,
        kind,
        work.changes,
        by=stream.connection.service,
        now=reading.now,
        external=work.remote.id if work.external.is_own_id else "",
        **told,
    )


def _afterwards(stream: SyncStream, works: Sequence[_Work], reading: Reading, counts: Counter[str]) -> None:
    for work in works:
        counts["made" if work.is_new else "changed" if work.is_changed else "unchanged"] += 1
    _withdraw(stream, works, reading)
    told = [(work.external, work.record, work.disputes) for work in works]
    counts["conflicts"] += disputes.keep(stream, told, now=reading.now)
    disputes.back([work.external for work in works if work.was_gone], now=reading.now)
    for work in works:
        if work.perhaps is not None:
            disputes.perhaps_same(stream, work.external, work.record, work.perhaps, now=reading.now)
    made = _make_elsewhere(stream, [work.record for work in works if work.is_new])
    waiting.plan([*made, *(work.record for work in works if not work.is_new)], now=reading.now)


def _withdraw(stream: SyncStream, works: Sequence[_Work], reading: Reading) -> None:
    """A no that was a yes, or was not said, reaches the person. The no of somebody who is new is what silence
    is, and is written down only where they have said yes to us.
    """
    told = [work for work in works if _is_no(work)]
    if not told:
        return
    willing = consents.willing([work.record for work in told if work.is_new])
    source = f"{services.get(stream.connection.service).name}: told by its record"
    for work in told:
        if not work.is_new or work.record.person_id in willing:
            email = record_fields.values_of(work.record).get("email")
            at = work.remote.modified_at or reading.now
            consents.withdrawn(work.record, email, source=source, at=at, now=reading.now)


def _is_no(work: _Work) -> bool:
    change = work.changes.get("marketing_opt_in")
    return change is not None and change.after is False and change.before is not False


def _make_elsewhere(stream: SyncStream, records: Sequence[SyncRecord]) -> list[SyncRecord]:
    """New records go to each system that a person wants them in. Those that do."""
    if not records:
        return []
    others = [
        one for one in streams.that_make_new(stream.entity) if one.connection_id != stream.connection_id
    ]
    made = [place.record for other in others for place in waiting.make_there(records, other)]
    return list({one.pk: one for one in made}.values())


def gone(external: SyncExternal | None, *, now: datetime) -> int:
    """The system has it no more: the record stays, and says so once no system has it. 1 when that is news.

    Changed here and not pushed yet: a person decides.
    """
    if external is None or external.gone_at is not None:
        return 0
    record: SyncRecord = SyncRecord.objects.select_for_update().get(pk=external.record_id)
    was_unpushed = external.unpushed_since is not None
    external.gone_at, external.unpushed_since = now, None
    external.save(update_fields=["gone_at", "unpushed_since"])
    SyncConflict.objects.filter(external=external, state=SyncConflict.State.OPEN).update(
        state=SyncConflict.State.OUTDATED, settled_at=now, values_sealed=None, data_key=None
    )
    is_last = not SyncExternal.objects.filter(record=record, gone_at=None, is_own_id=True).exists()
    service = external.connection.service
    known_as = external.external_id if external.is_own_id else ""
    trail.append(
        record_fields.step(record, "gone", {}, by=service, now=now, external=known_as, is_last=is_last)
    )
    if is_last and was_unpushed:
        disputes.deleted(external, record, now=now)
    elif is_last:
        record.gone_at = now
        record.save(update_fields=["gone_at"])
    return 1
