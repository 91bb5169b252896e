"""What the doors for many messages have in common: letters, and what became of each."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from apps.integrations.client import Client
from apps.integrations.resilience.policy import Answer


class Fate(StrEnum):
    """unsent: not taken, and the address had no part in it. later: its server asks for patience."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"
    UNSENT = "unsent"
    UNKNOWN = "unknown"


class Body(Protocol):
    """The words of one message. mime: the whole of it after the headers, lines ending in CRLF."""

    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> bytes: ...
    @property
    def text(self) -> bytes: ...
    @property
    def mime(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all letters of a batch share. shown: the sender with its name. headers: beside those of each."""

    sender: str
    shown: str
    reply_to: str
    content_type: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one address. token: names it, and makes its Message-ID. headers: its own."""

    token: str
    to: str
    body: Body
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """is_bad_address: nobody can write to it, whoever tries. provider_id: as news of it will name it."""

    fate: Fate
    reason: str = ""
    provider_id: str = ""
    is_bad_address: bool = False


@dataclass
class Parting:
    """Under which keys a batch was refused as a whole and goes on by parts. keep: write one down, before its
    parts leave: asked for again as a whole, without who had it refused, it would be taken as one that is new.
    It answers whether the batch is still in the same hands.
    """

    keep: Callable[[str], bool]
    keys: set[str] = field(default_factory=set)

    def note(self, key: str) -> bool:
        """Whether its parts may leave."""
        if key not in self.keys and self.keep(key):
            self.keys.add(key)
        return key in self.keys


class Door(Protocol):
    """A way to one provider. repeats: whether it drops a batch that it has had under the same key.

    send: a verdict for each letter, in order; or none, when the outcome says that nothing was taken.
    """

    client: Client
    repeats: bool

    def __init__(self, client: Client) -> None: ...
    def send(
        self, envelope: Envelope, letters: Sequence[Letter], *, key: str, parting: Parting
    ) -> "Answer[list[Verdict]]": ...


class Recalls(Door, Protocol):
    """A door that can be asked afterwards what it had. recalls_after: by then it knows of all of it."""

    recalls_after: timedelta

    def look_up(
        self, message_ids: Sequence[str], *, asked_at: datetime, now: datetime
    ) -> "Answer[list[Verdict]]":
        """A verdict for each: accepted, unsent, or unknown while that cannot be told."""
        ...


def message_id_of(envelope: Envelope, letter: Letter) -> str:
    return message_id(envelope.sender, letter.token)


def message_id(sender: str, token: str) -> str:
    """The same whenever it is made again."""
    return f"<{token}@{sender.rpartition('@')[2]}>"


# What may stand in an envelope as it is: no quoted local parts, nothing that ends a command.
PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{3,253}")


def deliverable(address: str) -> str:
    """The address as envelopes have it, its domain in ASCII; empty for what no server would take."""
    if PLAIN.fullmatch(address):
        return address
    local, _, domain = address.rpartition("@")
    try:
        whole = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return ""
    return whole if PLAIN.fullmatch(whole) else ""
