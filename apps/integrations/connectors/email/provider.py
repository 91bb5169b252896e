"""What the e-mail providers have in common: a message to one address, its fate, and news of it.

Built by hand from the documentation and not with django-anymail: that sends through a `requests` session of
its own, past http.py and its deadline, knows no Idempotency-Key, and its payload classes need a backend and
a Django message to be of use; the two requests below are shorter than a subclass would be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from apps.integrations.client import Client
from apps.integrations.http import Response
from apps.integrations.models import EmailDelivery
from apps.integrations.resilience.classify import UNPROCESSED, of_status
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer

State = EmailDelivery.State
# The code of an outcome that says: nobody can write to this address, whoever tries.
RECIPIENT = "recipient"
NOT_THERE = 501


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to one address. key: the same for each try. sender: with a name, as people read it."""

    key: str
    message_id: str
    sender: str
    to: str
    subject: str
    text: str
    html: str = ""
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class News:
    """What a provider told of a message later.

    key, provider_id, message_id: by which it is found, as far as they are told. state: what became of it.
    suppresses: why the address is not to be written to any more, or empty.
    """

    state: str
    key: str = ""
    provider_id: str = ""
    message_id: str = ""
    suppresses: str = ""
    reason: str = ""


class Fate(StrEnum):
    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted: another provider may be asked"
    UNKNOWN = "unknown: nobody else may be asked"
    REFUSED = "refused: nobody else would take it"


class Provider(Protocol):
    """A door to one provider."""

    def __init__(self, client: Client) -> None: ...
    def send(self, message: Message) -> "Answer[str]": ...
    def look_up(self, message: Message, *, asked_at: datetime, now: datetime) -> Outcome: ...
    def confirmed(self, news: News) -> "list[News] | None": ...
    @staticmethod
    def verified_id(
        credentials: Mapping[str, Any], headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str: ...
    @staticmethod
    def news(document: Mapping[str, Any]) -> News | None: ...


def fate_of(answer: "Answer[str]") -> Fate:
    """What an answer means for the message."""
    outcome = answer.outcome
    if outcome.is_good:
        return Fate.ACCEPTED
    if outcome.code == RECIPIENT:
        return Fate.REFUSED
    if answer.is_fate_open or outcome.kind == Kind.UNKNOWN:
        return Fate.UNKNOWN
    is_final = outcome.kind in {Kind.PERMANENT_DATA, Kind.REFUSED_HERE}
    return Fate.REFUSED if is_final else Fate.NOT_ACCEPTED


def by_status(response: Response, now: datetime) -> Outcome:
    """What a status alone says: of the answers from 500 on only two say that it was not taken."""
    found = of_status(response.status, response.headers, is_idempotent=False, now=now)
    is_certain = response.status < 500 or response.status in {UNPROCESSED, NOT_THERE}
    return found if is_certain else Outcome(kind=Kind.UNKNOWN, status=response.status, reason=found.reason)


def unknown(reason: str) -> Outcome:
    return Outcome(kind=Kind.UNKNOWN, reason=reason)


def never_done(reason: str) -> Outcome:
    """The answer of a look-up: it was not done, and may be sent (outbox.Handler.look_up)."""
    return Outcome(kind=Kind.PERMANENT_DATA, reason=reason)
