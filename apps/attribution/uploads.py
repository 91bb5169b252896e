"""An uploaded file between its arrival and its import: looked at, mapped, checked, stored or thrown away."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.permissions import Actor
from apps.attribution import import_jobs
from apps.attribution.import_columns import check_mapping, guess_mapping
from apps.attribution.imports import printable
from apps.attribution.models import FileImport
from apps.attribution.row_files import columns, rows

SHOWN = 5
# A file that nobody came back for: it holds personal data.
KEPT = timedelta(days=7)


class FileGone(DomainError):
    code = "file_gone"
    status = 410


class AlreadyUnderWay(DomainError):
    code = "import_under_way"
    status = 409


@dataclass(frozen=True)
class Preview:
    """The first rows of a file as texts, aligned with its columns."""

    columns: list[str]
    rows: list[list[str]]
    guess: dict[str, str]


def keep(actor: Actor, *, file_name: str, chunks: Iterable[bytes]) -> FileImport:
    """Keep a file until it is mapped. Raises UnreadableFile before anything is kept."""
    path, sha256 = keep_file(actor, chunks)
    try:
        columns(path)
        return _draft(actor, path, file_name=file_name, sha256=sha256)
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


def _draft(actor: Actor, path: Path, *, file_name: str, sha256: str) -> FileImport:
    """Note a kept file whose import has not begun."""
    made: FileImport = FileImport.objects.create(
        workspace_id=actor.workspace_id,
        file_name=file_name[:255],
        stored_as=str(path.relative_to(settings.MEDIA_ROOT)),
        sha256=sha256,
    )
    return made


def preview(made: FileImport) -> Preview:
    """The first rows, and which column looks like which field. Raises FileGone."""
    path = _path(made)
    names = columns(path)
    first = [printable(row.values) for row in islice(rows(path), SHOWN)]
    cells = [[row.get(name, "") for name in names] for row in first]
    return Preview(columns=names, rows=cells, guess=guess_mapping(names))


def start(
    actor: Actor, import_id: int, *, mapping: dict[str, str], is_dry_run: bool, now: datetime
) -> FileImport:
    """Check a kept file, or store it. Raises Invalid for the mapping, AlreadyUnderWay, FileGone, NotHere."""
    with transaction.atomic():
        made = _locked(import_id)
        checked = check_mapping(_path(made), mapping, is_guessing=False)
        return import_jobs.queue(actor, made, mapping=checked, is_dry_run=is_dry_run, now=now)


def discard(actor: Actor, import_id: int, *, now: datetime) -> FileImport:
    """Throw a kept file away; the note of it stays. Raises AlreadyUnderWay, FileGone, NotHere."""
    with transaction.atomic():
        made = _locked(import_id)
        path = _path(made)
        made.stored_as = ""
        made.save(update_fields=["stored_as"])
        audit.record(actor, "import.discarded", made, now=now, after={"sha256": made.sha256})
        transaction.on_commit(lambda: path.unlink(missing_ok=True))
    return made


@shared_task(name="attribution.uploads.forget")
def forget() -> int:
    """Delete the files that nobody came back for."""
    with scoping.across_workspaces("uploads.forget"):
        left = FileImport.objects.exclude(stored_as="").filter(created_at__lt=timezone.now() - KEPT)
        found = list(left.values_list("workspace_id", "pk", "stored_as")[:1_000])
    for workspace_id, import_id, stored_as in found:
        (Path(settings.MEDIA_ROOT) / stored_as).unlink(missing_ok=True)
        with scoping.workspace(workspace_id):
            FileImport.objects.filter(pk=import_id).update(stored_as="")
    return len(found)


def _locked(import_id: int) -> FileImport:
    made = FileImport.objects.select_for_update().filter(pk=import_id).first()
    if made is None:
        raise NotHere("There is no such import in this workspace.")
    if made.job_id is not None and made.job is not None and not made.job.is_over:
        raise AlreadyUnderWay("This file is being read already. Wait for it, or cancel its job first.")
    return made


def _path(made: FileImport) -> Path:
    path = Path(settings.MEDIA_ROOT) / made.stored_as
    if not made.stored_as or not path.is_file():
        raise FileGone("This file is no longer kept: it was stored, or a week has passed. Upload it again.")
    return path
