"""Files of people for a list: kept, read by a job that goes on where it was stopped, and forgotten.

Rows are matched by user id, then e-mail, then phone. A row that puts nobody on the list is refused with its
line and the reason. Bringing the same file again changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, jobs, scoping
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Job
from apps.accounts.permissions import Actor, require
from apps.attribution.uploads import keep_file
from apps.campaigns.audiences import joining, keeping
from apps.campaigns.audiences.list_rows import Batch, Reason, batches, checked_mapping
from apps.campaigns.audiences.selecting import TooSlow
from apps.campaigns.models import Audience, ListFile, RefusedRow

JOB_KIND = "campaigns.list_file"
KEPT_REFUSED = 10_000
# A file whose job did not come to its end: it holds personal data.
KEPT = timedelta(days=7)
COUNTS = ("rows", "added", "known", "made", "refused")


@dataclass
class _Lines:
    """Passes chunks on and counts their lines."""

    count: int = 0
    is_of_rows: bool = True

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if b"\0" in chunk:
                self.is_of_rows = False  # it is packed
            self.count += chunk.count(b"\n")
            yield chunk

    @property
    def rows(self) -> int | None:
        """About how many there are under a heading; None where lines say nothing of rows."""
        return max(self.count - 1, 1) if self.is_of_rows else None


class NotAList(DomainError):
    code = "not_a_list"
    status = 409


class FileGone(DomainError):
    code = "file_gone"
    status = 410


def bring(
    actor: Actor,
    audience: Audience,
    *,
    file_name: str,
    chunks: Iterable[bytes],
    mapping: Mapping[str, str] | None = None,
    makes_people: bool = False,
    now: datetime,
) -> ListFile:
    """Keep a file and begin to read it. Needs campaigns:write, and people:write to make people.

    Raises Invalid, NotAList, UnreadableFile before anything is queued.
    """
    require(actor, "campaigns:write")
    if makes_people:
        require(actor, "people:write")
    if audience.kind != Audience.Kind.LIST or audience.archived_at is not None:
        raise NotAList("People are brought to lists. This audience has rules, or was put away.")
    lines = _Lines()
    path, sha256 = keep_file(actor, lines.of(chunks))
    try:
        checked = checked_mapping(path, mapping)
        made = ListFile(
            workspace_id=actor.workspace_id,
            audience=audience,
            file_name=file_name[:255],
            stored_as=str(path.relative_to(settings.MEDIA_ROOT)),
            sha256=sha256,
            mapping=checked,
            makes_people=makes_people,
        )
        return _queued(actor, made, about=lines.rows, now=now)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@transaction.atomic
def _queued(actor: Actor, made: ListFile, *, about: int | None, now: datetime) -> ListFile:
    """about: how many rows it seems to have, where that is known."""
    made.save()
    title = f"People of {made.file_name} for {made.audience.name}"[:200]
    made.job = jobs.begin(actor, JOB_KIND, title=title, params={"list_file": made.pk}, total=about)
    made.save(update_fields=["job"])
    after = {"sha256": made.sha256, "makes_people": made.makes_people}
    audit.record(actor, "audience.file_brought", made.audience, now=now, after=after)
    return made


@jobs.work(JOB_KIND)
def work(job: Job) -> dict[str, Any]:
    """Read the file of a job, from its checkpoint on; each batch is one transaction with its counts."""
    made = ListFile.objects.select_related("audience").get(pk=job.params["list_file"])
    path = Path(settings.MEDIA_ROOT) / made.stored_as
    if not made.stored_as or not path.is_file():
        raise FileGone("This file is no longer kept. Bring it again.")
    for batch in batches(path, made.mapping, start_line=job.checkpoint.get("next_line", 0)):
        with transaction.atomic():
            _store(made, batch)
            words = f"{made.known:,} on it already, {made.refused:,} refused"
            jobs.advance(job, done=made.rows, message=words, checkpoint={"next_line": batch.next_line})
    ListFile.objects.filter(pk=made.pk).update(finished_at=timezone.now(), stored_as="")
    path.unlink(missing_ok=True)
    _count(made.audience)
    return {"rows": made.rows, "added": made.added, "refused": made.refused}


def _store(made: ListFile, batch: Batch) -> None:
    """Counts are read anew: what a worker before this one committed is in them."""
    joined = joining.join(made.audience, batch.wanted, makes_people=made.makes_people)
    refused = sorted([*batch.refused, *((line, Reason.UNKNOWN) for line in joined.unknown)])
    RefusedRow.objects.bulk_create(
        (
            RefusedRow(workspace_id=made.workspace_id, list_file=made, line=line, reason=reason)
            for line, reason in refused[: max(KEPT_REFUSED - made.refused, 0)]
        ),
        batch_size=2_000,
        ignore_conflicts=True,
    )
    made.rows += batch.rows
    made.added += joined.added
    made.known += joined.known
    made.made += joined.made
    made.refused += len(refused)
    made.save(update_fields=COUNTS)


def _count(audience: Audience) -> None:
    try:
        keeping.count(audience, now=timezone.now())
    except TooSlow:
        return  # it is counted when somebody asks


def get(public_id: object) -> ListFile:
    """Raises NotHere."""
    found = ListFile.objects.select_related("job", "audience").filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such file in this workspace.")
    return found


@shared_task(name="campaigns.list_files.forget")
def forget() -> int:
    """Delete the files whose reading never came to an end."""
    with scoping.across_workspaces("uploads.forget"):
        left = ListFile.objects.exclude(stored_as="").filter(created_at__lt=timezone.now() - KEPT)
        found = list(left.values_list("workspace_id", "pk", "stored_as")[:1_000])
    for workspace_id, pk, stored_as in found:
        (Path(settings.MEDIA_ROOT) / stored_as).unlink(missing_ok=True)
        with scoping.workspace(workspace_id):
            ListFile.objects.filter(pk=pk).update(stored_as="")
    return len(found)
