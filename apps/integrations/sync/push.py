"""Changes of ours brought to a system, by way of the outbox: told from what stands now, not from when the
call was written; never over a change of theirs that we have not merged.

What comes back is taken in like anything read, so that what the system made of it is known, and its echo in
the next pull is no news.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.integrations import errors, sealed_json, services, settling, trail
from apps.integrations.client import Client
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm.system import Changed, Entity, Remote, System
from apps.integrations.models import SyncExternal, SyncRecord, SyncStream
from apps.integrations.outbox import Due, Handler, handles
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family
from apps.integrations.sync import joining, record_fields, streams, waiting
from apps.integrations.sync.fields import CONTACTS, PEOPLE
from apps.integrations.sync.pull import reread
from apps.integrations.sync.record_fields import Change
from apps.integrations.sync.taking import Reading, take

# How often a record may change there under our hands before it is left for later.
MERGES = 3
# Systems say the second in which a record was changed. One that was read so soon after may have been changed
# once more in the same second, and is read again before it is written.
SOON = timedelta(minutes=1)
PAUSED_SECONDS, EARLY_SECONDS = 300.0, 30.0


class _TooEarly(Exception):
    """What it hangs on is not there yet."""


@dataclass(frozen=True)
class _Work:
    """What is to be told, and to whom. fields: the ones that differ; of a record to be made, all."""

    stream: SyncStream
    external: SyncExternal
    record: SyncRecord
    fields: dict[str, Any]

    @property
    def is_new(self) -> bool:
        return self.external.state == SyncExternal.State.MAKING


def perform(client: Client, dues: Sequence[Due]) -> Answer:
    return Answer(outcome=push(systems.of(client), dues[0].payload["external"]))


def push(system: System, external_id: int) -> Outcome:
    """Tell the system what it lacks of one record. Nothing lacking is well."""
    try:
        _look_closely(system, external_id)
        for _ in range(MERGES):
            work = _work(system, external_id)
            if work is None:
                return OK
            if work.stream.is_paused:
                return _later("The stream is paused.", PAUSED_SECONDS)
            try:
                return _tell(system, work)
            except Changed:
                reread(work.stream, system, work.external.external_id, kind="reread")
    except errors.ServiceError as error:
        return error.outcome
    except _TooEarly:
        return _later("Its contacts are made first.", EARLY_SECONDS)
    return Outcome(kind=Kind.RETRYABLE, reason="It keeps changing there.", was_sent=False)


def _look_closely(system: System, external_id: int) -> None:
    external = SyncExternal.objects.select_related("connection").filter(pk=external_id).first()
    if external is None or external.read_at is None or external.modified_at is None:
        return
    if system.is_readable and abs(external.read_at - external.modified_at) < SOON:
        stream = streams.of(external.connection, external.entity)
        reread(stream, system, external.external_id, kind="reread")


def _later(reason: str, seconds: float) -> Outcome:
    """Not made, so it costs no attempt."""
    return Outcome(kind=Kind.RATE_LIMITED, reason=reason, retry_after_seconds=seconds, was_sent=False)


def look_up(client: Client, due: Due) -> Outcome:
    """Read what became of it. What is lacking after that was not done, and goes again."""
    system = systems.of(client)
    try:
        work = _work(system, due.payload["external"])
        if work is None:
            return OK
        if not system.is_readable:
            return _unasked(system)
        if work.is_new:
            if (found := _found(system, work)) is not None:
                outcome = Outcome(kind=Kind.OK, reference=found.id)
                return _kept(system, work, found, outcome, is_told=False)
        else:
            reread(work.stream, system, work.external.external_id, kind="reread")
        is_done = _work(system, due.payload["external"]) is None
    except errors.ServiceError as error:
        return settling.not_told(error.outcome)
    except _TooEarly:
        is_done = False
    if is_done:
        return OK
    return Outcome(kind=Kind.PERMANENT_DATA, reason="It was not done.")


def _unasked(system: System) -> Outcome:
    if system.drops_duplicates:
        return Outcome(kind=Kind.PERMANENT_DATA, reason="It is sent again: a second one is dropped there.")
    return Outcome(kind=Kind.UNKNOWN, reason="The system cannot be asked.")


@transaction.atomic
def _work(system: System, external_id: int) -> _Work | None:
    external = SyncExternal.objects.select_related("connection").filter(pk=external_id).first()
    if external is None or external.gone_at is not None:
        return None
    record: SyncRecord = SyncRecord.objects.get(pk=external.record_id)
    stream = streams.of(external.connection, external.entity)
    if record.erased_at is not None or stream.direction == SyncStream.Direction.IN:
        return None
    disputed = waiting.disputed_in([external.pk]).get(external.pk, set())
    fields = waiting.wanted(external, record, disputed=disputed)
    if external.state == SyncExternal.State.MAKING:
        return _Work(stream, external, record, fields | _contacts(system, external, record))
    return _Work(stream, external, record, fields) if fields else None


def _contacts(system: System, external: SyncExternal, record: SyncRecord) -> dict[str, Any]:
    """For whom a job is that is to be made: its contacts by their ids there, or what is known of them, where
    the system takes both in one message. Raises _TooEarly while one of them is still to be made.
    """
    writable = system.speaks[Entity(external.entity)].writable
    if not {CONTACTS, PEOPLE} & writable:
        return {}
    contacts = waiting.contacts_of(record)
    if PEOPLE in writable:
        people = [record_fields.values_of(one) for one in contacts]
        return {PEOPLE: people} if people else {}
    places = waiting.places_of(contacts, external.connection_id)
    if any(one.state == SyncExternal.State.MAKING for one in places):
        raise _TooEarly
    return {CONTACTS: [one.external_id for one in places]} if places else {}


def _tell(system: System, work: _Work) -> Outcome:
    entity = Entity(work.external.entity)
    if not work.is_new:
        answer = system.update(
            entity, work.external.external_id, work.fields, modified_at=work.external.modified_at
        )
    elif (found := _found(system, work)) is not None:
        return _kept(system, work, found, Outcome(kind=Kind.OK, reference=found.id), is_told=False)
    else:
        answer = system.create(entity, str(work.record.public_id), work.fields)
    return _kept(system, work, answer.value, answer.outcome) if answer.outcome.is_good else answer.outcome


def _found(system: System, work: _Work) -> Remote | None:
    """What was made before for our id, or stands for the same already."""
    if not system.is_readable:
        return None
    return system.find(Entity(work.external.entity), str(work.record.public_id), work.fields)


@transaction.atomic
def _kept(
    system: System, work: _Work, remote: Remote | None, outcome: Outcome, *, is_told: bool = True
) -> Outcome:
    """Write down that both sides agree on what was told, and take in what came back.

    is_told: false for one that was found there: what it says is merged like anything else.
    """
    stream: SyncStream = (
        SyncStream.objects.select_for_update(of=("self",)).select_related("connection").get(pk=work.stream.pk)
    )
    record: SyncRecord = SyncRecord.objects.select_for_update().get(pk=work.record.pk)
    external: SyncExternal = SyncExternal.objects.get(pk=work.external.pk)
    now = timezone.now()
    if remote is not None and work.is_new:
        external = _adopted(external, record, remote, by=stream.connection.service, now=now)
    if is_told:
        _agree(external, record, work.fields, stream, now=now)
    readable = bool(system.is_readable)
    external.state = SyncExternal.State.LINKED if readable else SyncExternal.State.DELIVERED
    external.pushed_at, external.unpushed_since = now, None
    external.save()
    if remote is not None and readable:
        take(stream, [remote], Reading(kind="read_back", at=timezone.now(), now=now))
    else:
        waiting.plan([record], now=now)
    return outcome


def _agree(
    external: SyncExternal, record: SyncRecord, told: dict[str, Any], stream: SyncStream, *, now: datetime
) -> None:
    content = sealed_json.get(external, "content_sealed") or {"raw": {}, "fields": {}, "base": {}}
    before = content["base"]
    fields = {name: value for name, value in told.items() if name not in {CONTACTS, PEOPLE}}
    content["base"] = {**before, **fields}
    sealed_json.put(external, "content_sealed", content)
    external.raw_hash = None
    steps = {name: Change(before.get(name), value, now, record_fields.TOLD) for name, value in fields.items()}
    trail.append(record_fields.step(record, "pushed", steps, by=stream.connection.service, now=now))


def _adopted(
    external: SyncExternal, record: SyncRecord, remote: Remote, *, by: str, now: datetime
) -> SyncExternal:
    """The place takes the id that the record got there. A pull that read it first made another
    of it: no more.
    """
    same = SyncExternal.objects.filter(
        connection=external.connection_id, entity=external.entity, external_id=remote.id
    )
    other: SyncExternal | None = same.exclude(pk=external.pk).first()
    if other is None:
        external.external_id, external.is_own_id = remote.id[:200], True
        return external
    external.delete()
    if other.record_id != record.pk:
        joining.join(record, SyncRecord.objects.select_for_update().get(pk=other.record_id), by=by, now=now)
        other.refresh_from_db()
    return other


for _service in services.of_family(Family.CRM):
    handles(_service.key, waiting.PUSH, Handler(perform=perform, look_up=look_up))
