"""A batch of conversions to one destination, and what became of each of them.

What would be refused is sorted out before; where a service refuses a whole batch for one bad event and does
not say which, the batch is halved until the bad ones stand alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from apps.accounts import consent
from apps.integrations import errors
from apps.integrations.client import Client
from apps.integrations.connectors.conversions.destination import OPERATION, Destination, obstacle
from apps.integrations.conversion_events import ConversionEvent, from_json
from apps.integrations.http import Request, Response
from apps.integrations.outbox import Due, Handler, LookUp, handles
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer

_destinations: dict[str, Destination] = {}
Told = tuple[int, ConversionEvent]


def tells(destination: Destination, *, look_up: LookUp | None = None) -> Destination:
    """Add a destination, and have the outbox send to it."""

    def perform(client: Client, dues: Sequence[Due]) -> Answer:
        return _perform(destination, client, dues)

    repeats_for = destination.repeats_for
    handler = Handler(perform=perform, batch=destination.batch, look_up=look_up, repeats_for=repeats_for)
    handles(destination.service, OPERATION, handler)
    _destinations[destination.service] = destination
    return destination


def of_service(key: str) -> Destination:
    return _destinations[key]


def every() -> dict[str, Destination]:
    return dict(_destinations)


def check_by_nothing(client: Client, request: Request) -> str:
    """For a service without a harmless question: it is told of no conversion at all, which it refuses to
    those it knows as something it cannot use, and to others as strangers. Raises ServiceError.
    """
    outcome = client.ask("credentials.check", request, kind="read").outcome
    if not outcome.is_good and outcome.kind != Kind.PERMANENT_DATA:
        raise errors.of(client.service.name, outcome)
    return "It knows our credentials. Whether it takes a conversion shows with the first."


def _perform(destination: Destination, client: Client, dues: Sequence[Due]) -> Answer:
    now = client.clock()
    allowed = _still_allowed(destination, dues)
    items: list[Outcome] = [_kept("Its content is gone with the person.")] * len(dues)
    told: list[Told] = []
    for place, due in enumerate(dues):
        if due.payload is None:
            continue
        event = from_json(due.payload)
        is_withdrawn = due.call.person_id is not None and due.call.person_id not in allowed
        reason = "Consent was withdrawn." if is_withdrawn else ""
        reason = reason or obstacle(destination, event, client.credentials, now=now)
        if reason:
            items[place] = _kept(reason)
        else:
            told.append((place, event))
    for place, outcome in _tell(destination, client, told, now).items():
        items[place] = outcome
    return Answer(outcome=Outcome(kind=Kind.PARTIAL, items=tuple(items)))


def _still_allowed(destination: Destination, dues: Sequence[Due]) -> set[int]:
    """Consent as it stands now: what was allowed when the call was written may not be any more."""
    people = [due.call.person_id for due in dues if due.call.person_id is not None]
    return consent.given_by(people, destination.purpose)


def _tell(destination: Destination, client: Client, told: list[Told], now: datetime) -> dict[int, Outcome]:
    """One request for all, and then as many as it takes to know of each."""
    if not told:
        return {}
    events = [event for _, event in told]
    if len(told) > 1 and destination.is_too_large(events, client.credentials):
        return _in_halves(destination, client, told, now)
    outcome = _ask(destination, client, events, now)
    if outcome.is_good and len(outcome.items) == len(told):
        each = list(zip(told, outcome.items, strict=True))
        taken = {place: item for (place, _), item in each if item is not None}
        left = [one for one, item in each if item is None]
        return taken | (_tell(destination, client, left, now) if taken else {})
    if outcome.kind != Kind.PERMANENT_DATA or len(told) == 1:
        return {place: outcome for place, _ in told}
    named = {number for number in destination.named(outcome.reason) if number < len(told)}
    if named:
        bad = {told[number][0]: outcome for number in named}
        rest = [one for number, one in enumerate(told) if number not in named]
        return bad | _tell(destination, client, rest, now)
    return _in_halves(destination, client, told, now)


def _in_halves(
    destination: Destination, client: Client, told: list[Told], now: datetime
) -> dict[int, Outcome]:
    half = len(told) // 2
    first, second = told[:half], told[half:]
    return _tell(destination, client, first, now) | _tell(destination, client, second, now)


def _ask(
    destination: Destination, client: Client, events: Sequence[ConversionEvent], now: datetime
) -> Outcome:
    def read(response: Response) -> Any:
        return response.json() if destination.reference else None

    judges, options = destination.judges, client.credentials
    answer = client.ask(
        OPERATION,
        destination.build(events, options),
        read=read,
        kind="events",
        is_idempotent=all(destination.is_repeatable(event) for event in events),
        classify=destination.classify if judges is None else judges(events, options),
    )
    if not answer.outcome.is_good or destination.reference is None:
        return answer.outcome
    reference = destination.reference(answer.value)
    if destination.after is not None:
        destination.after(client, reference, now)
    return replace(answer.outcome, reference=reference)


def _kept(reason: str) -> Outcome:
    return Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False)
