"""A tracking request and its answer, whichever door it came through: parse, call the verb, say the verdict.

A record that cannot be used raises Invalid where it came alone, and has its own error in a batch.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from apps.accounts import consent, errors, people
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor
from apps.attribution import ingest, money, parsing
from apps.attribution import spend as spending
from apps.attribution.ingest import TouchVerdict
from apps.attribution.order_items import ConversionVerdict
from apps.attribution.records import ConversionIn, IdentityIn, SpendIn, Touch

MAX_BATCH = 1_000
CREATED, OK, MANY = 201, 200, 207
CONSENT_SOURCE = "tracking: identify"

Record = Touch | ConversionIn | IdentityIn


class Answer(NamedTuple):
    """HTTP status and body."""

    status: int
    body: dict[str, Any]


@dataclass
class Reading:
    """A request as it was parsed. Each place holds a record that waits to be stored, or its answer."""

    actor: Actor
    is_batch: bool
    records: list[Record | None]
    answers: list[Answer | None]
    is_identifying: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_identifying = any(type(record) is IdentityIn for record in self.records)

    @property
    def answer(self) -> Answer:
        """What to say once every record is settled."""
        answers = [answer for answer in self.answers if answer is not None]
        return _summed(answers) if self.is_batch else answers[0]


Place = tuple[Reading, int]


def records_in(document: Any, name: str) -> int:
    """How many a batch holds that may be stored; none in one that is refused as a whole, as a bare list is
    unless it is spend.
    """
    bare = document if name == "spend" else None
    records = document.get(name) if isinstance(document, dict) else bare
    return len(records) if isinstance(records, list) and len(records) <= MAX_BATCH else 0


def event(actor: Actor, record: Any, *, now: datetime) -> Answer:
    """Store one touch. Raises Invalid."""
    return _alone("event", actor, record, now=now)


def conversion(actor: Actor, record: Any, *, now: datetime) -> Answer:
    """Store one conversion, refund or correction. Raises Invalid."""
    return _alone("conversion", actor, record, now=now)


def identify(actor: Actor, record: Any, *, now: datetime) -> Answer:
    """Say who an anonymous id is. Raises Invalid."""
    return _alone("identify", actor, record, now=now)


def batch(actor: Actor, document: Any, *, now: datetime) -> Answer:
    """Store up to 1,000 records of mixed kinds, in their order; the good ones also when others are bad."""
    return _alone("batch", actor, document, now=now)


def read(deed: str, actor: Actor, document: Any, *, now: datetime) -> Reading:
    """Parse what came for one of the four deeds, received now. Raises Invalid when none of it can be used."""
    if deed != "batch":
        return Reading(actor, False, [PARSERS[deed](document, received_at=now)], [None])
    places = [_parsed(record, now) for record in _listed(document, "events")]
    return Reading(
        actor,
        True,
        [None if isinstance(place, Answer) else place for place in places],
        [place if isinstance(place, Answer) else None for place in places],
    )


def store(readings: Sequence[Reading], *, now: datetime) -> None:
    """Store the requests of the workspace in scope and answer them, all that is not identifying in one
    transaction.

    Where a request stands alone, what the verbs refuse is the answer of its records. Raises DomainError for
    what they refuse of several at once, and of a request that is no batch.
    """
    together = [reading for reading in readings if not reading.is_identifying]
    if together:
        _attempt([(reading, place) for reading in together for place in _waiting(reading)], now=now)
    for reading in readings:
        if reading.is_identifying:
            _store_in_order(reading, now=now)


def spend(actor: Actor, document: Any, *, now: datetime) -> Answer:
    """Keep what sources cost on days; the good rows also when others are bad."""
    records = document if isinstance(document, list) else _listed(document, "spend")
    _check_count(records, "spend")
    answers: list[Answer | None] = [None] * len(records)
    good: list[tuple[int, SpendIn]] = []
    for place, record in enumerate(records):
        try:
            good.append((place, parsing.spend(record, received_at=now)))
        except Invalid as refusal:
            answers[place] = _refused(refusal)
    verdicts = spending.store(actor, [given for _, given in good], now=now) if good else []
    for (place, given), verdict in zip(good, verdicts, strict=True):
        answers[place] = _of_spend(verdict, given)
    return _summed([answer for answer in answers if answer is not None])


def _alone(deed: str, actor: Actor, document: Any, *, now: datetime) -> Answer:
    reading = read(deed, actor, document, now=now)
    store([reading], now=now)
    return reading.answer


def _waiting(reading: Reading) -> list[int]:
    return [place for place, record in enumerate(reading.records) if record is not None]


def _store_in_order(reading: Reading, *, now: datetime) -> None:
    """Records wait until somebody is identified between them: on a shared device the order decides."""
    since: list[Place] = []
    for place in _waiting(reading):
        since.append((reading, place))
        if isinstance(reading.records[place], IdentityIn):
            _attempt(since[:-1], now=now)
            _attempt(since[-1:], now=now)
            since = []
    _attempt(since, now=now)


def _attempt(places: Sequence[Place], *, now: datetime) -> None:
    """Store and answer these records. What is refused of a batch is the answer of each of them."""
    readings = {id(reading): reading for reading, _ in places}
    try:
        _store(places, now=now)
    except DomainError as refusal:
        if len(readings) > 1 or not all(reading.is_batch for reading in readings.values()):
            raise
        for reading, place in places:
            reading.answers[place] = _refused(refusal)


def _store(places: Sequence[Place], *, now: datetime) -> None:
    touches: list[tuple[Place, Touch]] = []
    conversions: list[tuple[Place, ConversionIn]] = []
    for reading, place in places:
        record = reading.records[place]
        if isinstance(record, Touch):
            touches.append(((reading, place), record))
        elif isinstance(record, ConversionIn):
            conversions.append(((reading, place), record))
        elif record is not None:
            reading.answers[place] = _identify(reading.actor, record, now=now)
    if not touches and not conversions:
        return
    touched, converted = ingest.track(
        places[0][0].actor, [touch for _, touch in touches], [given for _, given in conversions], now=now
    )
    for ((reading, place), touch), verdict in zip(touches, touched, strict=True):
        reading.answers[place] = _of_touch(verdict, touch)
    for ((reading, place), given), outcome in zip(conversions, converted, strict=True):
        reading.answers[place] = _of_conversion(outcome, given)


def _parsed(record: Any, now: datetime) -> Record | Answer:
    """The record, or why it cannot be used."""
    if not isinstance(record, dict):
        return _refused(Invalid({"non_field_errors": ["Give an object of names and values."]}))
    kind = record.pop("type", None)
    parse = PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        return _refused(Invalid({"type": [f"Choose from {', '.join(PARSERS)}."]}))
    try:
        return parse(record, received_at=now)
    except Invalid as refusal:
        return _refused(refusal)


PARSERS: dict[str, Callable[..., Record]] = {
    "event": parsing.touch,
    "conversion": parsing.conversion,
    "identify": parsing.identity,
}


def _listed(document: Any, name: str) -> list[Any]:
    records = document.get(name) if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise Invalid({name: ["Give a list of records under this name."]})
    _check_count(records, name)
    return records


def _check_count(records: list[Any], name: str) -> None:
    if not 1 <= len(records) <= MAX_BATCH:
        raise Invalid({name: [f"Give 1 to {MAX_BATCH:,} records; this has {len(records):,}."]})


def _identify(actor: Actor, given: IdentityIn, *, now: datetime) -> Answer:
    before = None
    if given.anonymous_id is not None:
        with suppress(NotHere):
            before = people.find(anonymous_id=given.anonymous_id)
    person = people.identify(
        actor, user_id=given.user_id, anonymous_id=given.anonymous_id, traits=given.traits or None, now=now
    )
    merged = before is not None and before.external_id is None
    granted = {purpose for purpose, is_granted in given.consent.items() if is_granted}
    faults = consent.refused_by(person, granted, is_dated=given.is_dated)
    faults |= dict.fromkeys(consent.to_confirm(granted), consent.CONFIRM_FIRST)
    said = {purpose: yes for purpose, yes in given.consent.items() if purpose not in faults}
    for purpose, is_granted in said.items():
        consent.record(
            actor,
            person,
            purpose=purpose,
            is_granted=is_granted,
            source=CONSENT_SOURCE,
            occurred_at=given.said_at,
            now=now,
        )
    body: dict[str, Any] = {"person_id": str(person.public_id), "user_id": given.user_id, "merged": merged}
    if faults:
        body["errors"] = {f"consent.{purpose}": [words] for purpose, words in sorted(faults.items())}
    return Answer(OK, _with_ignored(body, given.ignored))


def _of_touch(verdict: TouchVerdict, given: Touch) -> Answer:
    body = {
        "id": verdict.id,
        "event_id": verdict.event_id,
        "person_id": verdict.person_id,
        "channel": verdict.channel,
        "duplicate": verdict.is_duplicate,
    }
    return Answer(OK if verdict.is_duplicate else CREATED, _with_ignored(body, given.ignored))


def _of_conversion(verdict: ConversionVerdict, given: ConversionIn) -> Answer:
    if verdict.errors:
        return _refused(Invalid(verdict.errors))
    body = {
        "id": verdict.id,
        "event_id": verdict.event_id,
        "order_id": verdict.order_id,
        "person_id": verdict.person_id,
        "kind": str(verdict.kind),
        "value": str(money.quantise(verdict.value, verdict.currency)),
        "currency": verdict.currency,
        "duplicate": verdict.is_duplicate,
    }
    return Answer(OK if verdict.is_duplicate else CREATED, _with_ignored(body, given.ignored))


def _of_spend(verdict: spending.SpendVerdict, given: SpendIn) -> Answer:
    if verdict.errors:
        return _refused(Invalid(verdict.errors))
    body = {
        "channel": verdict.channel,
        "platform": given.platform,
        "campaign_id": given.campaign_id,
        "creative_id": given.creative_id,
        "day": given.day.isoformat(),
        "amount": str(verdict.amount),
        "currency": verdict.currency,
        "replaced": not verdict.is_new,
    }
    return Answer(CREATED if verdict.is_new else OK, _with_ignored(body, given.ignored))


def _with_ignored(body: dict[str, Any], ignored: tuple[str, ...]) -> dict[str, Any]:
    """Name the fields that nobody read: most often a slip of the pen."""
    if ignored:
        body["ignored"] = list(ignored)
    return body


def _refused(refusal: DomainError) -> Answer:
    return Answer(
        refusal.status, errors.body(detail=refusal.detail, code=refusal.code, errors=refusal.errors)
    )


def _summed(answers: list[Answer]) -> Answer:
    refused = sum(answer.status >= 400 for answer in answers)
    duplicates = sum(answer.body.get("duplicate", False) for answer in answers)
    return Answer(
        MANY,
        {
            "accepted": len(answers) - refused - duplicates,
            "duplicates": duplicates,
            "refused": refused,
            "results": [{"status": answer.status, **answer.body} for answer in answers],
        },
    )
