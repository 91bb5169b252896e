"""The event-sourced trail: each stream tells the life of one thing, step by step, and can be checked and
replayed.

A step's digest covers the one before, so that nothing can be changed, left out or put in between unseen.
Whoever appends holds the row that the stream is about, which keeps two from taking one position; the
constraint holds it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection

from apps.accounts import scoping
from apps.integrations import many_rows
from apps.integrations.models import TrailEntry

S = TypeVar("S")
GENESIS = bytes(32)


@dataclass(frozen=True)
class Step:
    stream: str
    kind: str
    data: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class Fault:
    stream: str
    position: int
    what: str

    def __str__(self) -> str:
        return f"{self.position}: {self.what}"


def append(*steps: Step) -> None:
    """Add the steps, one of each stream at most, in the open transaction."""
    heads = _heads([step.stream for step in steps])
    entries = []
    for step in steps:
        position, previous = heads.get(step.stream, (0, GENESIS))
        entry = TrailEntry(
            workspace_id=scoping.current_id(),
            stream=step.stream,
            position=position + 1,
            kind=step.kind,
            data=step.data,
            at=step.at,
        )
        entry.digest = digest(previous, entry)
        entries.append(entry)
    many_rows.insert(entries)


def positions(streams: Sequence[str]) -> dict[str, int]:
    """Stream → the position of its newest step."""
    return {stream: position for stream, (position, _) in _heads(streams).items()}


def steps_of(stream: str) -> list[TrailEntry]:
    return list(TrailEntry.objects.filter(stream=stream).order_by("position"))


def forget(streams: Sequence[str], *, before: datetime) -> int:
    """Drop whole trails of calls that ended before then, and 30 days ago at least; no others, since the
    application's role may not delete steps: the database does it (migration 0008). How many steps.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT integrations_forget_call_trails(%s::text[], %s)", [list(streams), before])
        return int(cursor.fetchone()[0])


def replay(entries: Iterable[TrailEntry], apply: Callable[[S, TrailEntry], S], start: S) -> S:
    """The state to which the steps lead."""
    state = start
    for entry in entries:
        state = apply(state, entry)
    return state


def faults(stream: str) -> Iterator[Fault]:
    """Where the chain of a stream does not hold; nothing when it does."""
    return faults_in(stream, steps_of(stream))


def faults_in(stream: str, entries: Iterable[TrailEntry]) -> Iterator[Fault]:
    """The same of its steps, in their order, that were read already."""
    previous, expected = GENESIS, 0
    for entry in entries:
        expected += 1
        if entry.position != expected:
            yield Fault(stream, expected, f"steps {expected} to {entry.position - 1} are missing")
            expected = entry.position
        elif digest(previous, entry) != bytes(entry.digest):
            yield Fault(stream, entry.position, "the step was changed")
        previous = bytes(entry.digest)


def digest(previous: bytes, entry: TrailEntry) -> bytes:
    """SHA-256 over the previous digest and the step's canonical JSON."""
    content = [entry.workspace_id, entry.stream, entry.position, entry.kind, entry.data, entry.at.isoformat()]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + canonical.encode()).digest()


def _heads(streams: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    newest = (
        TrailEntry.objects.filter(stream__in=streams)
        .order_by("stream", "-position")
        .distinct("stream")
        .values_list("stream", "position", "digest")
    )
    return {stream: (position, bytes(known)) for stream, position, known in newest}
