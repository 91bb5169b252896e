"""Which record of ours a new one of a system stands for.

In order: the id that we gave it; the same e-mail address; the same phone number and surname; for a job, the
same day with one of the same contacts. Two that both have ids of systems are never made one unasked: that,
and all that only looks alike, is put to a person.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from typing import Any

from apps.integrations import ids
from apps.integrations.connectors.crm.system import Entity, Remote
from apps.integrations.models import SyncExternal, SyncRecord, SyncStream
from apps.integrations.sync import record_fields
from apps.integrations.sync.fields import CONTACTS

ALIKE = 0.85


@dataclass(frozen=True)
class Match:
    """record: it is that one. perhaps: it may be that one; a person decides."""

    record: SyncRecord | None = None
    perhaps: SyncRecord | None = None


@dataclass(frozen=True)
class Candidate:
    """is_taken: another system has it, and both would have ids of systems: only a person makes them one."""

    record: SyncRecord
    is_taken: bool


def matches(stream: SyncStream, remotes: Sequence[Remote], *, is_own_id: bool = True) -> dict[str, Match]:
    """External id → what it matches. Two of the same system are never matched with one record.

    is_own_id: the ids are a system's; those that were made of a file's rows stand in nobody's way.
    """
    given = _by_our_id(stream, remotes)
    found = {external_id: Match(record=record) for external_id, record in given.items()}
    rest = [one for one in remotes if one.id not in found]
    find = _contacts if stream.entity == Entity.CONTACT else _jobs
    alike = find(stream, rest, is_own_id)
    taken = {record.pk for record in given.values()}
    for external_id, match in alike.items():
        if match.record is not None and match.record.pk in taken:
            match = Match(perhaps=match.record)
        elif match.record is not None:
            taken.add(match.record.pk)
        found[external_id] = match
    return found


def _by_our_id(stream: SyncStream, remotes: Iterable[Remote]) -> dict[str, SyncRecord]:
    asked = {one.id: key for one in remotes if (key := ids.uuid_of(one.our_id))}
    if not asked:
        return {}
    rows = SyncRecord.objects.filter(public_id__in=asked.values(), entity=stream.entity, erased_at=None)
    known = {row.public_id: row for row in rows}
    elsewhere = set(
        SyncExternal.objects.filter(record__in=known.values(), connection=stream.connection_id, gone_at=None)
        .exclude(state=SyncExternal.State.MAKING)
        .values_list("record_id", flat=True)
    )
    return {
        external_id: known[key]
        for external_id, key in asked.items()
        if key in known and known[key].pk not in elsewhere
    }


def _contacts(stream: SyncStream, remotes: Sequence[Remote], is_own_id: bool) -> dict[str, Match]:
    found: dict[str, Match] = {}
    for name in ("email", "phone"):
        asked: dict[bytes, list[Remote]] = defaultdict(list)
        for one in remotes:
            index = record_fields.index_of(stream.workspace_id, name, one.fields.get(name))
            if index is not None and one.id not in found:
                asked[index].append(one)
        for index, records in _by_index(name, list(asked), stream, is_own_id).items():
            found |= {one.id: _judged(one, records, name) for one in asked[index]}
    return found


def _by_index(
    name: str, indexes: list[bytes], stream: SyncStream, is_own_id: bool
) -> dict[bytes, list[Candidate]]:
    by_index: dict[bytes, list[Candidate]] = defaultdict(list)
    if indexes:
        rows = SyncRecord.objects.filter(**{f"{name}_index__in": indexes})
        for one in _free(rows, stream, is_own_id):
            by_index[bytes(getattr(one.record, f"{name}_index"))].append(one)
    return by_index


def _judged(remote: Remote, found: list[Candidate], by: str) -> Match:
    """One alone with a name that fits. Couples share addresses: another first name is another person."""
    fitting = [one for one in found if _fits(remote, one.record, by)]
    if len(fitting) == 1 and not fitting[0].is_taken:
        return Match(record=fitting[0].record)
    return Match(perhaps=(fitting or found)[0].record)


def _fits(remote: Remote, record: SyncRecord, by: str) -> bool:
    values = record_fields.values_of(record)
    same_first = _same(remote.fields.get("first_name"), values.get("first_name"), or_unknown=True)
    same_last = _same(remote.fields.get("last_name"), values.get("last_name"), or_unknown=by == "email")
    return same_first and same_last if by == "phone" else same_first


def _same(one: Any, other: Any, *, or_unknown: bool) -> bool:
    if not one or not other:
        return or_unknown
    return str(one).casefold() == str(other).casefold()


def _jobs(stream: SyncStream, remotes: Sequence[Remote], is_own_id: bool) -> dict[str, Match]:
    days = {one.id: day for one in remotes if (day := _day(one.fields.get("event_date")))}
    rows = SyncRecord.objects.filter(entity=Entity.JOB, event_on__in=set(days.values())) if days else []
    free = _free(rows, stream, is_own_id) if days else []
    by_day = defaultdict(list)
    for candidate in free:
        by_day[candidate.record.event_on].append(candidate)
    if not by_day:
        return {}
    contacts = _contacts_of(stream, remotes)
    held = _contacts_of_jobs([one.record for one in free])
    found = {}
    for one in remotes:
        match = _job(one, by_day.get(days.get(one.id), []), contacts.get(one.id, set()), held)
        if match is not None:
            found[one.id] = match
    return found


def _job(
    remote: Remote, found: list[Candidate], contacts: set[int], held: dict[int, set[int]]
) -> Match | None:
    shared = [one for one in found if contacts & held.get(one.record.pk, set())]
    if len(shared) == 1 and not shared[0].is_taken:
        return Match(record=shared[0].record)
    name = str(remote.fields.get("name") or "").casefold()
    alike = [one for one in found if _ratio(name, record_fields.values_of(one.record).get("name")) >= ALIKE]
    perhaps = next(iter(shared or alike), None)
    return Match(perhaps=perhaps.record) if perhaps is not None else None


def _contacts_of(stream: SyncStream, remotes: Sequence[Remote]) -> dict[str, set[int]]:
    """External id of a job → the records of its contacts."""
    asked = {contact for one in remotes for contact in one.fields.get(CONTACTS) or ()}
    rows = SyncExternal.objects.filter(
        connection=stream.connection_id, entity=Entity.CONTACT, external_id__in=asked
    )
    known = dict(rows.values_list("external_id", "record_id"))
    return {
        one.id: {known[contact] for contact in one.fields.get(CONTACTS) or () if contact in known}
        for one in remotes
    }


def _contacts_of_jobs(records: Sequence[SyncRecord]) -> dict[int, set[int]]:
    """Job → the records of its contacts, in whatever system."""
    rows = SyncExternal.objects.filter(record__in=[one.pk for one in records], gone_at=None)
    jobs = list(rows.values_list("record_id", "connection_id", "contact_ids"))
    asked = {contact for _, _, contacts in jobs for contact in contacts}
    known = {
        (connection_id, external_id): record_id
        for connection_id, external_id, record_id in SyncExternal.objects.filter(
            entity=Entity.CONTACT, external_id__in=asked
        ).values_list("connection_id", "external_id", "record_id")
    }
    held: dict[int, set[int]] = defaultdict(set)
    for record_id, connection_id, contacts in jobs:
        held[record_id] |= {
            known[connection_id, contact] for contact in contacts if (connection_id, contact) in known
        }
    return held


def _free(rows: Any, stream: SyncStream, is_own_id: bool) -> list[Candidate]:
    """Those of the rows that this system has no record for yet."""
    found = list(rows.filter(entity=stream.entity, merged_into=None, erased_at=None).order_by("pk")[:500])
    linked = SyncExternal.objects.filter(record__in=found, gone_at=None).values_list(
        "record_id", "connection_id", "is_own_id", "state"
    )
    here, owned = set(), set()
    for record_id, connection_id, has_own_id, state in linked:
        is_made = state != SyncExternal.State.MAKING
        if is_made and connection_id == stream.connection_id and has_own_id == is_own_id:
            here.add(record_id)
        if is_made and has_own_id:
            owned.add(record_id)
    free = [record for record in found if record.pk not in here]
    return [Candidate(record, is_taken=is_own_id and record.pk in owned) for record in free]


def _ratio(name: str, other: Any) -> float:
    other = str(other or "").casefold()
    return SequenceMatcher(None, name, other).ratio() if name and other else 0.0


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10]) if text else None
    except ValueError:
        return None
