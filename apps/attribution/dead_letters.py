"""Records that were accepted and could not be stored: set aside, looked at, mended, replayed or dropped.

What a letter says is sealed under a key of its own, as received beside the record that it means: the form in
which /track/batch takes it. A replay goes through the same parser and the same verbs, so that a record which
arrives twice is stored once.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import groupby, takewhile
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from apps.accounts import audit, jobs, key_rotation, sealing
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Job
from apps.accounts.permissions import Actor, require, system
from apps.attribution import intake, parsing, tracking
from apps.attribution.models import DeadLetter, FileImport, Reason
from apps.attribution.parsing import Errors

TABLE = "attribution_deadletter"
JOB_KIND = "attribution.replay"
BATCH = 500
State = DeadLetter.State


class NotWaiting(DomainError):
    code = "not_waiting"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a letter says. payload: as received. record: what it means, or what it was mended to."""

    payload: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    errors: Errors = field(default_factory=dict)
    is_mended: bool = False


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A record to be set aside. identity: equal when the same record comes again. line: of its file."""

    reason: Reason
    payload: dict[str, Any]
    record: dict[str, Any]
    errors: Errors
    identity: str
    line: int | None = None


@transaction.atomic
def set_aside(
    actor: Actor,
    refusals: Sequence[Refusal],
    *,
    door: str,
    received_at: datetime,
    file_import: FileImport | None = None,
    is_accepted: bool = True,
) -> int:
    """Keep what could not be stored, each record once, and enter it in the books; answers how many are new.

    is_accepted: false for what a dry run found, which is listed and never replayed.
    """
    made = [
        _letter(
            actor, one, door=door, received_at=received_at, file_import=file_import, is_accepted=is_accepted
        )
        for one in refusals
    ]
    DeadLetter.objects.bulk_create(made, ignore_conflicts=True, batch_size=1_000)
    new = DeadLetter.objects.filter(public_id__in=[one.public_id for one in made]).count() if made else 0
    if is_accepted:
        known = len(made) - new
        intake.count(door, at=received_at, accepted=len(made), duplicates=known, dead_lettered=new)
    return new


def identity_of(text: str) -> str:
    """A digest: an event id may name somebody, and this column stays when they are erased."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def content_of(letter: DeadLetter) -> Content:
    """Open a letter; one that was erased says nothing."""
    if letter.data_key is None or letter.content_sealed is None:
        return Content()
    key = sealing.DataKey.unwrap(bytes(letter.data_key), key_place(letter.public_id))
    return Content(**json.loads(key.open(bytes(letter.content_sealed), _content_place(letter.public_id))))


def shown(letter: DeadLetter) -> dict[str, Any]:
    """The same as any page or document can hold it: half a character becomes a question mark."""
    text = json.dumps(vars(content_of(letter)), ensure_ascii=False)
    told: dict[str, Any] = json.loads(text.encode("utf-8", "replace"))
    return told


def find(public_id: UUID) -> DeadLetter:
    """Raises NotHere."""
    found: DeadLetter | None = (
        DeadLetter.objects.filter(public_id=public_id).select_related("file_import").first()
    )
    if found is None:
        raise NotHere("There is no such dead letter in this workspace.")
    return found


@transaction.atomic
def mend(actor: Actor, public_id: UUID, record: Any, *, now: datetime) -> DeadLetter:
    """Say what a waiting letter should have said. Needs imports:write. Audited.

    Raises Invalid for a record that the parser refuses, NotHere, NotWaiting.
    """
    require(actor, "imports:write")
    letter = _locked(public_id)
    check(record, received_at=letter.received_at)
    before = content_of(letter)
    _seal(letter, Content(payload=before.payload, record=record, errors={}, is_mended=True))
    letter.kind = record["type"]
    letter.save(update_fields=["data_key", "content_sealed", "kind"])
    audit.record(actor, "dead_letter.mended", letter, now=now)
    return letter


def check(record: Any, *, received_at: datetime) -> None:
    """Have the one parser judge a record. Raises Invalid."""
    if not isinstance(record, dict):
        raise Invalid({"record": ["Give an object of names and values."]})
    parsers: dict[str, Callable[..., Any]] = {**tracking.PARSERS, "spend": parsing.spend}
    parse = parsers.get(record["type"]) if isinstance(record.get("type"), str) else None
    if parse is None:
        raise Invalid({"type": [f"Choose from {', '.join(parsers)}."]})
    parse({name: value for name, value in record.items() if name != "type"}, received_at=received_at)


def replay(actor: Actor, public_id: UUID, *, now: datetime) -> DeadLetter:
    """Let a waiting letter arrive again, at the moment when it first did. Needs imports:write. Audited.

    Raises Invalid with what is still wrong, NotHere, NotWaiting.
    """
    require(actor, "imports:write")
    with transaction.atomic():
        letter = _locked(public_id)
        errors = _arrive(actor, [letter], now=now)[0]
    if errors:
        raise Invalid(errors, "It still cannot be stored. Mend what is named and try again.")
    return letter


@transaction.atomic
def drop(actor: Actor, public_id: UUID, *, reason: str, now: datetime) -> DeadLetter:
    """Give a waiting letter up; what it said stays readable. Needs imports:write. Audited.

    Raises NotHere, NotWaiting.
    """
    require(actor, "imports:write")
    letter = _locked(public_id)
    _settle(letter, State.DROPPED, now)
    audit.record(actor, "dead_letter.dropped", letter, now=now, reason=reason)
    return letter


@transaction.atomic
def replay_all(actor: Actor, reason: str, *, now: datetime) -> Job:
    """Replay every letter that waits for one reason, as a job. Needs imports:write. Audited.

    Raises Invalid for a reason that is not on the list.
    """
    require(actor, "imports:write")
    if reason not in Reason.values:
        raise Invalid({"reason": [f"Choose from {', '.join(Reason.values)}."]})
    waiting = DeadLetter.objects.filter(state=State.WAITING, reason=reason)
    total = waiting.count()
    audit.record(actor, "dead_letters.replayed", now=now, after={"reason": reason, "waiting": total})
    title = f"Replay: {Reason(reason).label.lower()}"
    return jobs.begin(
        actor, JOB_KIND, title=title, params={"reason": reason, "at": now.isoformat()}, total=total
    )


@jobs.work(JOB_KIND)
def work(job: Job) -> dict[str, Any]:
    """Replay batch by batch, from the job's checkpoint on; what still cannot be stored goes on waiting."""
    actor, now = system(job.workspace_id, "replay"), datetime.fromisoformat(job.params["at"])
    done = {"last_id": 0, "replayed": 0, "waiting": 0, **job.checkpoint}
    while True:
        with transaction.atomic():
            letters = _next_waiting(job.params["reason"], after=done["last_id"])
            if not letters:
                return {"replayed": done["replayed"], "waiting": done["waiting"]}
            refused = sum(bool(errors) for errors in _arrive(actor, letters, now=now))
            done["last_id"] = letters[-1].pk
            done["replayed"] += len(letters) - refused
            done["waiting"] += refused
            jobs.advance(
                job,
                done=done["replayed"] + done["waiting"],
                message=f"{done['replayed']:,} stored, {done['waiting']:,} go on waiting",
                checkpoint=done,
            )


def _next_waiting(reason: str, *, after: int) -> list[DeadLetter]:
    """The next letters that arrive together, locked: one transaction locks people once (identities.py)."""
    waiting = DeadLetter.objects.filter(state=State.WAITING, reason=reason, pk__gt=after)
    letters = list(waiting.select_for_update().order_by("pk")[:BATCH])
    first = letters[0] if letters else None
    return list(takewhile(lambda one: first and _arrival(one) == _arrival(first), letters))


def mentioning(is_mentioned: Callable[[str], bool]) -> list[DeadLetter]:
    """Letters whose content speaks of somebody. is_mentioned: whether a text does.

    They are sealed, so each is opened.
    """
    letters = DeadLetter.objects.exclude(content_sealed=None).order_by("pk")
    return [one for one in letters.iterator(chunk_size=2_000) if is_mentioned(_text_of(one))]


def forget(letters: Iterable[DeadLetter], *, now: datetime) -> None:
    """Erase what letters say: their keys go. The books still count them."""
    for letter in letters:
        letter.data_key = letter.content_sealed = None
        if letter.state == State.WAITING:
            letter.state, letter.settled_at = State.DROPPED, now
        letter.save(update_fields=["data_key", "content_sealed", "state", "settled_at"])


key_rotation.TABLES.append(TABLE)


def key_place(public_id: UUID) -> sealing.Place:
    return sealing.Place(TABLE, "data_key", public_id)


def _content_place(public_id: UUID) -> sealing.Place:
    return sealing.Place(TABLE, "content", public_id)


def _letter(
    actor: Actor,
    refusal: Refusal,
    *,
    door: str,
    received_at: datetime,
    file_import: FileImport | None,
    is_accepted: bool,
) -> DeadLetter:
    kind = refusal.record.get("type")
    letter = DeadLetter(
        workspace_id=actor.workspace_id,
        public_id=uuid4(),
        door=door,
        kind=kind if kind in DeadLetter.Kind.values else DeadLetter.Kind.UNKNOWN,
        reason=Reason(refusal.reason),
        identity=refusal.identity,
        state=State.WAITING if is_accepted else State.FOUND_BY_CHECK,
        received_at=received_at,
        file_import=file_import,
        line=refusal.line,
    )
    _seal(letter, Content(payload=refusal.payload, record=refusal.record, errors=refusal.errors))
    return letter


def _seal(letter: DeadLetter, content: Content) -> None:
    place = key_place(letter.public_id)
    key = sealing.DataKey.unwrap(bytes(letter.data_key), place) if letter.data_key else sealing.DataKey.new()
    letter.data_key = key.wrap(place)
    letter.content_sealed = key.seal(json.dumps(vars(content)), _content_place(letter.public_id))


def _text_of(letter: DeadLetter) -> str:
    """All texts of the content, each on a line: names of its own form would be found in every letter."""
    content = content_of(letter)
    return "\n".join(_texts([content.payload, content.record, content.errors]))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    else:
        yield str(value)


def _locked(public_id: UUID) -> DeadLetter:
    letter: DeadLetter | None = DeadLetter.objects.select_for_update().filter(public_id=public_id).first()
    if letter is None:
        raise NotHere("There is no such dead letter in this workspace.")
    if letter.state != State.WAITING:
        raise NotWaiting(f"This letter is {letter.get_state_display()} and waits for nothing.")
    return letter


def _settle(letter: DeadLetter, state: str, now: datetime) -> None:
    letter.state, letter.settled_at = state, now
    letter.save(update_fields=["state", "settled_at"])


def _arrive(actor: Actor, letters: Sequence[DeadLetter], *, now: datetime) -> list[Errors]:
    """Store these (locked) letters' records as of when they were received; errors are aligned, {}: stored."""
    found: list[Errors] = []
    contents = [content_of(letter) for letter in letters]
    pairs = zip(letters, contents, strict=True)
    for (received_at, is_spend), group in groupby(pairs, key=lambda pair: _arrival(pair[0])):
        part = list(group)
        records = [_record(letter, content) for letter, content in part]
        name, deed = ("spend", tracking.spend) if is_spend else ("events", tracking.batch)
        results = deed(actor, {name: records}, now=received_at).body["results"]
        for (letter, content), result in zip(part, results, strict=True):
            found.append(_entered(actor, letter, content, result, now=now))
    return found


def _arrival(letter: DeadLetter) -> tuple[datetime, bool]:
    """What letters must share to arrive together: their moment, and the verb that takes them."""
    return letter.received_at, letter.kind == DeadLetter.Kind.SPEND


def _record(letter: DeadLetter, content: Content) -> dict[str, Any]:
    """With an id that is the letter's own where it has none: replayed twice, it is stored once."""
    record = dict(content.record)
    if letter.kind in (DeadLetter.Kind.EVENT, DeadLetter.Kind.CONVERSION) and not record.get("event_id"):
        record["event_id"] = f"letter-{letter.public_id}"
    if letter.kind == DeadLetter.Kind.SPEND:
        record.pop("type", None)
    return record


def _entered(
    actor: Actor, letter: DeadLetter, content: Content, result: dict[str, Any], *, now: datetime
) -> Errors:
    if result["status"] < 400:
        _settle(letter, State.REPLAYED, now)
        audit.record(actor, "dead_letter.replayed", letter, now=now)
        return {}
    errors: Errors = result["errors"] or {"record": [result["detail"]]}
    _seal(letter, Content(**{**vars(content), "errors": errors}))
    letter.save(update_fields=["data_key", "content_sealed"])
    return errors
