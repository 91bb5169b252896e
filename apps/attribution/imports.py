"""Bring a file of events: each row is stored, known already, or set aside with its line and the reasons.

Safe to repeat: a row without an event id gets one worked out from what it says and how often the file said it
before.
"""

import gc
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, jobs, scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import Job
from apps.accounts.permissions import Actor, system
from apps.attribution import ingest, parsing
from apps.attribution.models import FileImport, RejectedRow
from apps.attribution.row_files import Row, columns, rows

BATCH = 20_000
KEPT_REJECTS = 10_000
JOB_KIND = "attribution.import"

FIELDS = {
    "user_id": ("user_id", "customer_id", "external_id", "userid"),
    "anonymous_id": ("anonymous_id", "visitor_id", "device_id", "client_id", "cookie_id"),
    "kind": ("kind", "type", "record_type"),
    "event_type": ("event_type", "event", "action"),
    "platform": ("platform", "network"),
    "channel": ("channel",),
    "campaign_id": ("campaign_id", "campaign"),
    "creative_id": ("creative_id", "creative", "ad_id"),
    "occurred_at": ("occurred_at", "timestamp", "time", "date", "event_time"),
    "event_id": ("event_id", "id", "message_id"),
    "url": ("url", "page_url", "landing_page"),
    "referrer": ("referrer", "referer"),
    "utm_source": ("utm_source",),
    "utm_medium": ("utm_medium",),
    "utm_campaign": ("utm_campaign",),
    "utm_term": ("utm_term",),
    "utm_content": ("utm_content",),
    "cost": ("cost", "spend"),
    "conversion_type": ("conversion_type", "goal"),
    "revenue": ("revenue", "value", "amount", "conversion_value"),
    "currency": ("currency",),
    "order_id": ("order_id", "order", "transaction_id"),
    "replaces": ("replaces",),
    "properties": ("properties",),
}
CONVERSION_WORDS = {"conversion", "purchase", "order", "refund", "sale"}
TOUCH_WORDS = {"event", "touch", "touchpoint", ""}
_in_order = json.JSONEncoder(sort_keys=True).encode


@dataclass
class Tally:
    """How far an import is. next_line: rows before it are dealt with."""

    rows: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    next_line: int = 0
    rejects: list[tuple[Row, dict[str, list[str]]]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {
            name: getattr(self, name) for name in ("rows", "stored", "duplicates", "rejected", "next_line")
        }


def guess_mapping(names: Iterable[str]) -> dict[str, str]:
    """Which column is which field, by the names that such files use."""
    by_name = {name.strip().lower(): name for name in names}
    return {
        own: by_name[alias]
        for own, aliases in FIELDS.items()
        for alias in reversed(aliases)
        if alias in by_name
    }


def check_mapping(path: Path, given: dict[str, str], *, is_guessing: bool = True) -> dict[str, str]:
    """The guess for this file with the caller's choices over it, or those alone.

    Raises Invalid for unknown fields and columns.
    """
    names = columns(path)
    unknown_fields = sorted(set(given) - set(FIELDS))
    unknown_columns = sorted(set(given.values()) - set(names))
    errors = {}
    if unknown_fields:
        errors["mapping"] = [
            f"Unknown field {', '.join(unknown_fields)}. The fields are {', '.join(FIELDS)}."
        ]
    if unknown_columns:
        errors["columns"] = [
            f"The file has no column {', '.join(unknown_columns)}; it has {', '.join(names)}."
        ]
    if errors:
        raise Invalid(errors)
    mapping = {**guess_mapping(names), **given} if is_guessing else dict(given)
    if not {"user_id", "anonymous_id"} & set(mapping):
        raise Invalid(
            {"mapping": [f"Which column is user_id or anonymous_id? There are {', '.join(names)}."]}
        )
    return mapping


def run(
    actor: Actor,
    path: Path,
    *,
    mapping: dict[str, str],
    now: datetime,
    is_dry_run: bool = False,
    start_line: int = 0,
    after_batch: Callable[[Tally], None],
) -> Tally:
    """Read the file and store it batch by batch, each in one transaction with `after_batch`.

    start_line: rows before it were dealt with by an earlier run; they are read but not stored again. A dry
    run stores nothing.
    """
    tally, seen = Tally(next_line=start_line), Counter[int]()
    source = iter(rows(path))
    while True:
        with _no_search_for_cycles():
            parsed = [_parse(row, mapping, seen, now) for row in islice(source, BATCH)]
            if not parsed:
                return tally
            waiting = [one for one in parsed if one[0].line >= start_line]
            if waiting:
                with transaction.atomic():
                    _store(actor, waiting, tally, is_dry_run=is_dry_run, now=now)
                    after_batch(tally)
                tally.rejects.clear()


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


Parsed = tuple[Row, Any, dict[str, list[str]]]


def _parse(row: Row, mapping: dict[str, str], seen: Counter[int], now: datetime) -> Parsed:
    if row.fault:
        return row, None, {"row": [row.fault]}
    values = {own: row.values.get(column) for own, column in mapping.items()}
    if not values.get("event_id"):
        values["event_id"] = _made_up_id(values, seen)
    kind = str(values.pop("kind", None) or "").strip().lower()
    try:
        if kind in CONVERSION_WORDS or (kind in TOUCH_WORDS and values.get("conversion_type")):
            return row, parsing.conversion(_as_conversion(values, kind), received_at=now), {}
        return row, parsing.touch(_as_touch(values, kind), received_at=now), {}
    except Invalid as refusal:
        return row, None, refusal.errors


def _as_conversion(values: dict[str, Any], kind: str) -> dict[str, Any]:
    """An empty cell in the column of the revenue is a conversion that brought none, as for `attribute`."""
    given = {name: value for name, value in values.items() if name not in {"event_type", "cost"}}
    if "revenue" in given and given["revenue"] in (None, ""):
        given["revenue"] = 0
    return {**given, "conversion_type": values.get("conversion_type") or "purchase"}


def _as_touch(values: dict[str, Any], kind: str) -> dict[str, Any]:
    """A log often says what happened in its kind column, and the platform only as a channel."""
    named = kind if kind not in TOUCH_WORDS else "visit"
    given = {
        name: value
        for name, value in values.items()
        if name not in {"revenue", "currency", "order_id", "replaces"}
    }
    given.pop("conversion_type", None)
    given["event_type"] = values.get("event_type") or named
    given["platform"] = values.get("platform") or values.get("channel")
    return given


def _made_up_id(values: dict[str, Any], seen: Counter[int]) -> str:
    text = _in_order({name: str(value) for name, value in values.items() if value not in (None, "")})
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    # A number of half the digest takes half the memory; two rows that shared it would still differ in theirs.
    place = int(digest[:16], 16)
    seen[place] += 1
    return f"row-{digest}-{seen[place]}"


def _store(actor: Actor, parsed: list[Parsed], tally: Tally, *, is_dry_run: bool, now: datetime) -> None:
    touches = [one for _, one, _ in parsed if isinstance(one, parsing.Touch)]
    placed = [(row, one) for row, one, _ in parsed if isinstance(one, parsing.ConversionIn)]
    rejects = [(row, errors) for row, _, errors in parsed if errors]
    if is_dry_run:
        tally.stored += len(touches) + len(placed)
    else:
        touched, sold = ingest.store(actor, touches, [one for _, one in placed], now=now)
        tally.stored += touched.stored + sold.stored
        tally.duplicates += touched.duplicates + sold.duplicates
        rejects += [(placed[position][0], errors) for position, errors in sold.refused]
    tally.rejects += sorted(rejects, key=lambda one: one[0].line)
    tally.rejected += len(rejects)
    tally.rows += len(parsed)
    tally.next_line = parsed[-1][0].line + 1


# An upload: the same, as a job.


def upload(
    actor: Actor,
    *,
    file_name: str,
    chunks: Iterable[bytes],
    mapping: dict[str, str],
    is_dry_run: bool,
    now: datetime,
) -> FileImport:
    """Keep an uploaded file and queue its import.

    Raises Invalid or UnreadableFile before anything is queued.
    """
    path, sha256 = keep_file(actor, chunks)
    try:
        checked = check_mapping(path, mapping)
        with transaction.atomic():
            made = draft(actor, path, file_name=file_name, sha256=sha256)
            return queue(actor, made, mapping=checked, is_dry_run=is_dry_run, now=now)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def keep_file(actor: Actor, chunks: Iterable[bytes]) -> tuple[Path, str]:
    """Write an uploaded file where workers find it; answers its path and SHA-256."""
    folder = Path(settings.MEDIA_ROOT) / "imports" / str(actor.workspace_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, half_written = hashlib.sha256(), folder / f"draft-{uuid.uuid4().hex}"
    with half_written.open("xb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
    return half_written.rename(folder / half_written.name.removeprefix("draft-")), digest.hexdigest()


def draft(actor: Actor, path: Path, *, file_name: str, sha256: str) -> FileImport:
    """Note a kept file whose import has not begun."""
    made: FileImport = FileImport.objects.create(
        workspace_id=actor.workspace_id,
        file_name=file_name[:255],
        stored_as=str(path.relative_to(settings.MEDIA_ROOT)),
        sha256=sha256,
    )
    return made


@transaction.atomic
def queue(
    actor: Actor, made: FileImport, *, mapping: dict[str, str], is_dry_run: bool, now: datetime
) -> FileImport:
    """Begin the import of a kept file as a job. What an earlier dry run counted is forgotten."""
    RejectedRow.objects.filter(file_import=made).delete()
    made.rows = made.stored = made.duplicates = made.rejected = 0
    made.mapping, made.is_dry_run, made.finished_at = mapping, is_dry_run, None
    words = "Check of" if is_dry_run else "Import of"
    made.job = jobs.begin(
        actor, JOB_KIND, title=f"{words} {made.file_name}"[:200], params={"import_id": made.pk}
    )
    made.save()
    after = {"sha256": made.sha256, "is_dry_run": is_dry_run}
    audit.record(actor, "import.started", made, now=now, after=after)
    return made


@jobs.work(JOB_KIND)
def work(job: Job) -> dict[str, Any]:
    """Import the file of a job, from its checkpoint on."""
    made = FileImport.objects.get(pk=job.params["import_id"])
    path = Path(settings.MEDIA_ROOT) / made.stored_as
    before = job.checkpoint.get("counts", {})
    actor = system(scoping.current_id(), "import")

    def note(tally: Tally) -> None:
        counts = {
            name: value + (before.get(name, 0) if name != "next_line" else 0)
            for name, value in tally.counts().items()
        }
        _keep_rejects(made, tally.rejects)
        FileImport.objects.filter(pk=made.pk).update(
            **{name: counts[name] for name in ("rows", "stored", "duplicates", "rejected")}
        )
        words = f"{counts['duplicates']:,} known already, {counts['rejected']:,} set aside"
        jobs.advance(job, done=counts["rows"], message=words, checkpoint={"counts": counts})

    run(
        actor,
        path,
        mapping=made.mapping,
        now=made.created_at,
        is_dry_run=made.is_dry_run,
        start_line=before.get("next_line", 0),
        after_batch=note,
    )
    FileImport.objects.filter(pk=made.pk).update(finished_at=timezone.now())
    if not made.is_dry_run:  # a checked file waits for its import (uploads.py)
        FileImport.objects.filter(pk=made.pk).update(stored_as="")
        path.unlink(missing_ok=True)
    made.refresh_from_db()
    return {name: getattr(made, name) for name in ("rows", "stored", "duplicates", "rejected")}


def _keep_rejects(made: FileImport, rejects: list[tuple[Row, dict[str, list[str]]]]) -> None:
    room = max(KEPT_REJECTS - RejectedRow.objects.filter(file_import=made).count(), 0)
    RejectedRow.objects.bulk_create(
        [
            RejectedRow(
                workspace_id=made.workspace_id,
                file_import=made,
                line=row.line,
                row=printable(row.values),
                errors=errors,
            )
            for row, errors in rejects[:room]
        ],
        ignore_conflicts=True,
    )


def printable(values: dict[str, Any]) -> dict[str, str]:
    """A row as texts that any database and file can hold."""
    return {
        str(name)[:100]: str(value)[:500].encode("utf-8", "replace").decode().replace("\x00", "�")
        for name, value in values.items()
    }
