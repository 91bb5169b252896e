"""Bring a file of events: each row is stored, known already, or set aside with its line and the reasons.

Safe to repeat: a row without an event id gets one worked out from what it says and how often the file said it
before.
"""

import gc
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, transaction

from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.people import TooBusy
from apps.accounts.permissions import Actor
from apps.attribution import dead_letters, ingest, made_up_ids
from apps.attribution.dead_letters import Refusal
from apps.attribution.import_rows import Batch, Parsed, Reader
from apps.attribution.models import DeadLetter, Door, FileImport, Reason
from apps.attribution.orders import Contested
from apps.attribution.parsing import Errors
from apps.attribution.records import ConversionIn, Touch
from apps.attribution.row_files import Row, Table, blocks
from apps.attribution.touch_columns import TouchColumns

BATCH = 200_000
KEPT_REJECTS = 10_000
# More than any field may have (parsing.py), so that what is cut is refused again.
KEPT_CHARACTERS = 10_000


@dataclass
class Tally:
    """How far an import is. next_line: rows before it are dealt with."""

    rows: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    next_line: int = 0
    rejects: list[Refusal] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {
            name: getattr(self, name) for name in ("rows", "stored", "duplicates", "rejected", "next_line")
        }


def run(
    actor: Actor,
    path: Path,
    *,
    mapping: dict[str, str],
    now: datetime,
    is_dry_run: bool = False,
    start_line: int = 0,
    file_import: FileImport | None = None,
    after_batch: Callable[[Tally], None],
) -> Tally:
    """Read the file and store it batch by batch, each in one transaction with `after_batch`.

    start_line: rows before it were dealt with by an earlier run; they are read but not stored again. A dry
    run stores nothing. Rows that cannot be stored become dead letters, as many as are kept.
    """
    ids = made_up_ids.of(Workspace.objects.get(pk=actor.workspace_id))
    tally, reader = Tally(next_line=start_line), Reader(mapping, now, ids)
    for part in _batches(blocks(path, size=BATCH)):
        with _no_search_for_cycles():
            batch = reader.read(part, start_line=start_line)
            if batch.rows:
                with transaction.atomic():
                    _store(actor, reader, batch, tally, is_dry_run=is_dry_run, now=now)
                    _keep_rejects(actor, tally, file_import, is_dry_run=is_dry_run, now=now)
                    after_batch(tally)
                tally.rejects.clear()
    return tally


def _batches(source: Iterable[Table | list[Row]]) -> Iterator[list[Table | list[Row]]]:
    """Blocks until there are enough rows to be worth a transaction."""
    waiting: list[Table | list[Row]] = []
    for block in source:
        waiting.append(block)
        if sum(map(len, waiting)) >= BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Rows refer to nothing that refers to them, and looking for such circles among the hundred thousand
    objects of a batch took a quarter of the time of an import.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _store(
    actor: Actor, reader: Reader, batch: Batch, tally: Tally, *, is_dry_run: bool, now: datetime
) -> None:
    good = [one for one in batch.parsed if one.given is not None]
    rejects = [
        _refused(one, Reason.UNREADABLE_ROW if one.row.fault else Reason.UNUSABLE_FIELDS, one.errors)
        for one in batch.parsed
        if one.given is None
    ]
    if is_dry_run:
        tally.stored += len(batch.touches) + len(good)
    else:
        rejects += _store_what_can_be(actor, reader, batch, good, tally, now=now)
    tally.rejects = sorted(rejects, key=lambda one: one.line or 0)
    tally.rejected += len(rejects)
    tally.rows += batch.rows
    tally.next_line = batch.next_line


UNSTORABLE = (DataError, IntegrityError, Contested, TooBusy)


def _store_what_can_be(
    actor: Actor, reader: Reader, batch: Batch, good: list[Parsed], tally: Tally, *, now: datetime
) -> list[Refusal]:
    """Store a batch in one go; where that fails, part by part."""
    try:
        with transaction.atomic():
            return _store_at_once(actor, batch.touches, batch.lines, good, tally, now=now, met=reader.met)
    except UNSTORABLE:
        each = sorted([*reader.one_by_one(batch), *good], key=lambda one: one.row.line)
        return _store_halves(actor, each, tally, now=now)


def _store_halves(actor: Actor, parsed: list[Parsed], tally: Tally, *, now: datetime) -> list[Refusal]:
    """Half of the rows at a time, down to the one that cannot be stored."""
    if len(parsed) > 1:
        half = len(parsed) // 2
        return [
            refusal
            for part in (parsed[:half], parsed[half:])
            for refusal in _store_part(actor, part, tally, now=now)
        ]
    return _store_part(actor, parsed, tally, now=now)


def _store_part(actor: Actor, parsed: list[Parsed], tally: Tally, *, now: datetime) -> list[Refusal]:
    try:
        with transaction.atomic():
            return _store_at_once(actor, TouchColumns.of([]), [], parsed, tally, now=now)
    except UNSTORABLE as fault:
        if len(parsed) > 1:
            return _store_halves(actor, parsed, tally, now=now)
        words = fault.detail if isinstance(fault, DomainError) else str(fault).partition("\n")[0]
        reason = Reason.CONTESTED if isinstance(fault, DomainError) else Reason.DATABASE_REFUSED
        return [_refused(parsed[0], reason, {"row": [words]})]


def _store_at_once(
    actor: Actor,
    plain: TouchColumns,
    lines: list[int],
    parsed: list[Parsed],
    tally: Tally,
    *,
    now: datetime,
    met: dict[str, int] | None = None,
) -> list[Refusal]:
    touches = _in_order_of_lines(plain, lines, parsed)
    sold = [one for one in parsed if isinstance(one.given, ConversionIn)]
    conversions = [one.given for one in sold if isinstance(one.given, ConversionIn)]
    touched, entered = ingest.store(actor, touches, conversions, now=now, met=met)
    tally.stored += touched.stored + entered.stored
    tally.duplicates += touched.duplicates + entered.duplicates
    return [_refused(sold[place], reason, errors) for place, reason, errors in entered.refused]


def _in_order_of_lines(plain: TouchColumns, lines: list[int], parsed: list[Parsed]) -> TouchColumns:
    """All touches as the file has them: of one moment, the first is the first."""
    odd = [(one.row.line, one.given) for one in parsed if isinstance(one.given, Touch)]
    if not odd:
        return plain
    every = [*lines, *(line for line, _ in odd)]
    touches = plain.and_also(TouchColumns.of([touch for _, touch in odd]))
    return touches.taken(sorted(range(len(every)), key=every.__getitem__))


def _refused(parsed: Parsed, reason: Reason, errors: Errors) -> Refusal:
    return Refusal(
        reason=reason,
        payload=_kept(parsed.row.values),
        record=_kept({"type": parsed.kind, **parsed.record}),
        errors=errors,
        identity=dead_letters.identity_of(parsed.identity),
        line=parsed.row.line,
    )


def _keep_rejects(
    actor: Actor, tally: Tally, file_import: FileImport | None, *, is_dry_run: bool, now: datetime
) -> None:
    """Rows beyond what is kept were never accepted: whoever brought the file is told how many they are."""
    if file_import is None and is_dry_run:
        return
    kept = (
        tally.rejected - len(tally.rejects)
        if file_import is None
        else DeadLetter.objects.filter(file_import=file_import).count()
    )
    rejects = tally.rejects[: max(KEPT_REJECTS - kept, 0)]
    if is_dry_run and file_import is not None:
        rejects = [replace(one, identity=f"check-{file_import.pk}-{one.line}") for one in rejects]
    dead_letters.set_aside(
        actor,
        rejects,
        door=Door.IMPORT,
        received_at=now,
        file_import=file_import,
        is_accepted=not is_dry_run,
    )


def _kept(values: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it, unchanged, but cut where it is longer than any field may be."""
    return {str(name)[:100]: _kept_value(value) for name, value in values.items() if value not in (None, "")}


def _kept_value(value: Any) -> Any:
    is_plain = isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    if is_plain or (isinstance(value, dict) and len(str(value)) <= KEPT_CHARACTERS):
        return value
    return str(value)[:KEPT_CHARACTERS]


def printable(values: dict[str, Any]) -> dict[str, str]:
    """A row as texts that any database and file can hold."""
    return {
        str(name)[:100]: str(value)[:500].encode("utf-8", "replace").decode().replace("\x00", "�")
        for name, value in values.items()
    }
