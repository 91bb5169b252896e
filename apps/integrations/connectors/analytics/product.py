"""What every service of product analytics has in common: by which id it knows a person, how it tells the same
event again, and how it forgets somebody.

Events go the way of conversions (connectors/conversions): with consent, once, and item by item.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from apps.integrations.client import Client
from apps.integrations.connectors.conversions.destination import Options, filled
from apps.integrations.conversion_events import ConversionEvent
from apps.integrations.outbox import Due, Handler, handles
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Field

FORGET = "people.forget"
STEPS = "steps"
YES = "yes"
OURS, YOURS = "ours", "yours"
WHO = Field(
    key="who",
    label="People are known there by",
    help="Yours is the user id that you send to Bellwether; people without one are left out then.",
    is_required=False,
    choices=((OURS, "an id that Bellwether made"), (YOURS, "your own user id")),
)
STEPS_FIELD = Field(
    key=STEPS,
    label="Visits and clicks",
    help="Conversions are always told. These are many: your plan there may count them.",
    is_required=False,
    choices=(("no", "are not told"), (YES, "are told as well")),
)
# What both services refuse as an id of a person, in lower case.
NOBODY = {
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
    "lmy47d",
    "",
}


class ProductAnalytics(Protocol):
    """A project at a service. forget: have it delete these people; a write that answers, for the outbox."""

    def account(self) -> str: ...
    def forget(self, ids: Sequence[str]) -> Answer[Any]: ...


def forgets(service: str, of: Callable[[Client], ProductAnalytics]) -> None:
    """Have the outbox hand erasures on to the service."""

    def perform(client: Client, dues: Sequence[Due]) -> Answer[Any]:
        ids = [one for due in dues if due.payload for one in due.payload["ids"]]
        return of(client).forget(ids)

    handles(service, FORGET, Handler(perform=perform, repeats_for=timedelta(days=5)))


def id_of(event: ConversionEvent, options: Options) -> str:
    """By what the person is known there."""
    return event.external_id if options.get("who") == YOURS else event.person_key


def refusal(event: ConversionEvent, options: Options) -> str:
    """Why it has nobody there, or empty."""
    known = id_of(event, options)
    if not known and options.get("who") == YOURS:
        return "The person has no user id of yours."
    return f"{known[:60]!r} is an id of nobody there." if known.lower() in NOBODY else ""


def insert_id(event: ConversionEvent) -> str:
    """The same for the same event, and another for each change of its value, and for a visit that has the id
    of a conversion: 32 hexadecimal digits.
    """
    step = "" if event.taken_back is None else str(event.value)
    step = "step" if event.is_step else step
    return hashlib.sha256(f"{event.event_id}:{step}".encode()).hexdigest()[:32]


def millis(event: ConversionEvent) -> int:
    return int((event.changed_at or event.at).timestamp() * 1_000)


def name_of(event: ConversionEvent) -> str:
    return event.kind if event.taken_back is None else f"{event.kind} changed"


def properties_of(event: ConversionEvent) -> dict[str, Any]:
    """What is told of the event beside whom it is about. A step is worth nothing by itself."""
    worth = {} if event.is_step else {"value": float(event.value), "currency": event.currency.upper()}
    if event.taken_back is not None:
        worth["value_change"] = -float(event.taken_back)
    return filled(event_id=event.event_id, order_id=event.order_id, url=event.browser.get("url", "")) | worth


def takes_back(event: ConversionEvent, options: Options) -> str:
    """Nothing stands against telling a change: it is an event of its own."""
    return ""


def no_key_for_deletions(service: str, ids: Sequence[str], options: Options) -> Answer[Any]:
    """Ours say nothing of anybody; the id of a workspace's own user must not outlive the person here."""
    whom = "the user who was erased here" if options.get("who") == YOURS else ", ".join(ids)
    words = f"There is no key for deletions. Delete at {service} by hand: {whom}."
    return Answer(outcome=Outcome(kind=Kind.REFUSED_HERE, reason=words[:300], was_sent=False))
