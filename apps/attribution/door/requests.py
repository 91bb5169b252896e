"""One tracking request on its way through the door, and its reply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from apps.accounts import bodies, errors, throttling
from apps.accounts.errors import DomainError
from apps.accounts.permissions import Actor
from apps.accounts.throttling import Verdict
from apps.attribution import tracking


class Failed(DomainError):
    code = "internal_server_error"
    status = 500


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(eq=False, slots=True, kw_only=True)
class TrackingRequest:
    """What one caller sent. `reply` is set once it is settled: stored and committed, or refused."""

    deed: str
    actor: Actor
    body: bytes
    is_gzip: bool
    received_at: datetime
    verdict: Verdict | None = None
    reading: tracking.Reading | None = field(default=None, repr=False)
    reply: Reply | None = None

    @property
    def is_open(self) -> bool:
        return self.reply is None

    @property
    def is_identifying(self) -> bool:
        return self.reading is not None and self.reading.is_identifying

    @property
    def most_events(self) -> int:
        """How many it may hold, before it is parsed: a batch has a brace around it and one a record."""
        if self.deed != "batch":
            return 1
        return tracking.MAX_BATCH if self.is_gzip else max(1, self.body.count(b"{") - 1)

    def admit(self) -> None:
        """Count it against its key's limit, once for each of its records, and parse it, in the workspace in
        scope. Raises DomainError.
        """
        self._count(throttling.count(self.actor, throttling.TRACKING))
        reading = tracking.read(self.deed, self.actor, self._document(), now=self.received_at)
        if (others := len(reading.records) - 1) > 0:
            self._count(throttling.more(self.actor, throttling.TRACKING, others))
        self.reading = reading

    def _count(self, verdict: Verdict) -> None:
        self.verdict = verdict
        throttling.require(verdict)

    def settle(self) -> None:
        """Say what became of its records."""
        if self.reading is not None:
            status, body = self.reading.answer
            self.reply = Reply(status, msgspec.json.encode(body, enc_hook=str), self._told())

    def refuse(self, refusal: DomainError) -> None:
        self.reply = refusal_of(refusal, self._told())

    def refuse_if_open(self, refusal: DomainError) -> None:
        if self.is_open:
            self.refuse(refusal)

    def _document(self) -> Any:
        """REST framework takes no body for an empty object, and so does this door."""
        if not self.body:
            return {}
        return bodies.json_of_records(bodies.gunzip(self.body) if self.is_gzip else self.body)

    def _told(self) -> dict[str, str]:
        return self.verdict.headers if self.verdict else {}


def refusal_of(refusal: DomainError, told: Mapping[str, str] = MappingProxyType({})) -> Reply:
    """The reply that refuses, in the one shape of errors. told: what its headers say of limits."""
    shown = errors.body(detail=refusal.detail, code=refusal.code, errors=refusal.errors)
    return Reply(refusal.status, msgspec.json.encode(shown), {**told, **errors.headers_of(refusal)})


def failed() -> Failed:
    """As Django's own answer reads in the API's shape (accounts/api/shape.py)."""
    return Failed(f"{HTTPStatus.INTERNAL_SERVER_ERROR.description}.")
