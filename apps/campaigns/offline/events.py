"""A batch as a device sends it, taken apart: what can be used, and why the rest cannot.

The device's clock may be wrong: what it calls `sent_at` is now, so an event is as old as the device says it
is at that moment, never older than 30 days and at most five minutes ahead.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from apps.accounts.errors import Invalid

MOST_EVENTS = 1_000
MOST_BYTES = 500_000
MOST_EVENT_BYTES = 32_768
LONGEST_DEVICE_ID = 64
LARGEST_NUMBER = 2**53
OLDEST, NEWEST = timedelta(days=30), timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class OfflineEvent:
    """seq: its place in the device's queue. said_at: by the device's clock; occurred_at: corrected."""

    id: UUID
    kind: str
    seq: int
    lamport: int
    said_at: datetime
    occurred_at: datetime
    device_id: str
    base_version: int | None
    payload: dict[str, Any]

    @property
    def stamp(self) -> tuple[int, datetime, str, str]:
        """What decides between two writers of one field: the larger one wins."""
        return self.lamport, self.occurred_at, self.device_id, str(self.id)


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """Why an event cannot be used, ever: a word for programs, a sentence for people."""

    id: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    device_id: str
    seq_from: int
    places: tuple[OfflineEvent | Rejected, ...]


def corrected(said_at: datetime, *, sent_at: datetime, received_at: datetime) -> datetime:
    """When it happened by our clock."""
    return min(max(received_at - (sent_at - said_at), received_at - OLDEST), received_at + NEWEST)


def read(document: Any, *, received_at: datetime) -> Batch:
    """Raises Invalid, with the fields named, where the batch itself cannot be used."""
    given: dict[str, Any] = document if isinstance(document, dict) else {}
    faults: dict[str, list[str]] = {}
    device_id = given.get("device_id")
    if not _is_name(device_id, LONGEST_DEVICE_ID):
        faults["device_id"] = [f"The device's own name for itself, in 1 to {LONGEST_DEVICE_ID} characters."]
    seq_from: Any = given.get("seq_from")
    if not _is_number(seq_from):
        faults["seq_from"] = ["The number of the first event in the device's queue, from 0 up."]
    sent_at = _moment(given.get("sent_at"))
    if sent_at is None:
        faults["sent_at"] = ["When this was sent by the device's clock, as 2026-11-30T09:00:00Z."]
    events = given.get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        faults["events"] = [f"A list of 1 to {MOST_EVENTS:,} events."]
    if faults or sent_at is None or not isinstance(events, list):
        raise Invalid(faults)
    places = tuple(
        _event(one, str(device_id), int(seq_from) + place, sent_at, received_at)
        for place, one in enumerate(events)
    )
    return Batch(device_id=str(device_id), seq_from=int(seq_from), places=places)


def _event(
    given: Any, device_id: str, seq: int, sent_at: datetime, received_at: datetime
) -> OfflineEvent | Rejected:
    fields: Mapping[str, Any] = given if isinstance(given, dict) else {}
    name = str(fields.get("id"))[:64].encode("utf-8", "replace").decode()
    identity, said_at = _uuid(fields.get("id")), _moment(fields.get("original_timestamp"))
    if identity is None:
        return Rejected(id=name, reason="bad_id", detail="id: a UUID (version 7), made by the device.")
    if len(json.dumps(given)) > MOST_EVENT_BYTES:
        return Rejected(id=name, reason="too_large", detail=f"An event may take {MOST_EVENT_BYTES:,} bytes.")
    if said_at is None:
        detail = "original_timestamp: when it happened, as 2026-11-30T09:00:00Z."
        return Rejected(id=name, reason="bad_timestamp", detail=detail)
    if not _is_number(fields.get("lamport")):
        return Rejected(id=name, reason="bad_lamport", detail="lamport: a whole number from 0 up.")
    base, payload = fields.get("base_version"), fields.get("payload")
    if not isinstance(payload, dict) or not (base is None or _is_number(base)):
        return Rejected(id=name, reason="bad_payload", detail="payload: an object; base_version: a number.")
    return OfflineEvent(
        id=identity,
        kind=str(fields.get("type"))[:40],
        seq=seq,
        lamport=int(fields["lamport"]),
        said_at=said_at,
        occurred_at=corrected(said_at, sent_at=sent_at, received_at=received_at),
        device_id=device_id,
        base_version=base,
        payload=payload,
    )


def _is_name(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST_NUMBER


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    """None for what is no moment of our calendar."""
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None or not 2000 <= found.year <= 2100:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
