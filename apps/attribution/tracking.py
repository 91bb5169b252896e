"""A tracking request and its answer, whichever door it came through: parse, call the verb, say the verdict.

A record that cannot be used raises Invalid where it came alone, and has its own error in a batch.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from apps.accounts import errors, people
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor
from apps.attribution import ingest, money, orders, parsing
from apps.attribution import spend as spending
from apps.attribution.ingest import TouchVerdict
from apps.attribution.order_items import ConversionVerdict
from apps.attribution.records import ConversionIn, IdentityIn, SpendIn, Touch

MAX_BATCH = 1_000
CREATED, OK, MANY = 201, 200, 207

Record = Touch | ConversionIn | IdentityIn


class Answer(NamedTuple):
    """HTTP status and body."""

    status: int
    body: dict[str, Any]


def event(actor: Actor, record: Any, *, now: datetime) -> Answer:
    """Store one touch. Raises Invalid."""
    touch = parsing.touch(record, received_at=now)
    return _of_touch(ingest.track_event(actor, touch, now=now), touch)


def conversion(actor: Actor, record: Any, *, now: datetime) -> Answer:
    """Store one conversion, refund or correction. Raises Invalid."""
    given = parsing.conversion(record, received_at=now)
    verdict = orders.track_conversion(actor, given, now=now)
    if verdict.errors:
        raise Invalid(verdict.errors)
    return _of_conversion(verdict, given)


def identify(actor: Actor, record: Any, *, now: datetime) -> Answer:
    """Say who an anonymous id is. Raises Invalid."""
    return _identify(actor, parsing.identity(record, received_at=now), now=now)


def batch(actor: Actor, document: Any, *, now: datetime) -> Answer:
    """Store up to 1,000 records of mixed kinds, in their order; the good ones also when others are bad."""
    records = _listed(document, "events")
    made = _Batch(actor, now, [None] * len(records))
    for place, record in enumerate(records):
        made.add(place, record)
    made.flush()
    return _summed([answer for answer in made.answers if answer is not None])


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


@dataclass
class _Batch:
    """Records wait until somebody is identified between them: on a shared device the order decides."""

    actor: Actor
    now: datetime
    answers: list[Answer | None]
    touches: list[tuple[int, Touch]] = field(default_factory=list)
    conversions: list[tuple[int, ConversionIn]] = field(default_factory=list)

    def add(self, place: int, record: Any) -> None:
        try:
            parsed = _parsed(record, self.now)
        except Invalid as refusal:
            self.answers[place] = _refused(refusal)
            return
        if isinstance(parsed, Touch):
            self.touches.append((place, parsed))
        elif isinstance(parsed, ConversionIn):
            self.conversions.append((place, parsed))
        else:
            self.flush()
            self._try([place], lambda: [_identify(self.actor, parsed, now=self.now)])

    def flush(self) -> None:
        """Store what waits, in one transaction."""
        waiting = [*self.touches, *self.conversions]
        if waiting:
            self._try([place for place, _ in waiting], self._store)
        self.touches, self.conversions = [], []

    def _store(self) -> list[Answer]:
        touches, conversions = [one for _, one in self.touches], [one for _, one in self.conversions]
        touched, converted = ingest.track(self.actor, touches, conversions, now=self.now)
        return [
            *(_of_touch(verdict, given) for verdict, given in zip(touched, touches, strict=True)),
            *(_of_conversion(verdict, given) for verdict, given in zip(converted, conversions, strict=True)),
        ]

    def _try(self, places: Sequence[int], deed: Callable[[], list[Answer]]) -> None:
        try:
            answers = deed()
        except DomainError as refusal:
            answers = [_refused(refusal)] * len(places)
        for place, answer in zip(places, answers, strict=True):
            self.answers[place] = answer


def _parsed(record: Any, now: datetime) -> Record:
    if not isinstance(record, dict):
        raise Invalid({"non_field_errors": ["Give an object of names and values."]})
    kind = record.pop("type", None)
    parse = PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        raise Invalid({"type": [f"Choose from {', '.join(PARSERS)}."]})
    return parse(record, received_at=now)


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
    body = {"person_id": str(person.public_id), "user_id": given.user_id, "merged": merged}
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
