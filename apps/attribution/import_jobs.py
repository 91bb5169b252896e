"""The import of a kept file as a job, which goes on where it stopped."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, jobs, scoping
from apps.accounts.models import Job
from apps.accounts.permissions import Actor, system
from apps.attribution import imports
from apps.attribution.models import DeadLetter, FileImport

JOB_KIND = "attribution.import"


@transaction.atomic
def queue(
    actor: Actor, made: FileImport, *, mapping: dict[str, str], is_dry_run: bool, now: datetime
) -> FileImport:
    """Begin the import of a kept file as a job. What an earlier dry run counted is forgotten."""
    DeadLetter.objects.filter(file_import=made, state=DeadLetter.State.FOUND_BY_CHECK).delete()
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

    def note(tally: imports.Tally) -> None:
        counts = {
            name: value + (before.get(name, 0) if name != "next_line" else 0)
            for name, value in tally.counts().items()
        }
        FileImport.objects.filter(pk=made.pk).update(
            **{name: counts[name] for name in ("rows", "stored", "duplicates", "rejected")}
        )
        words = f"{counts['duplicates']:,} known already, {counts['rejected']:,} set aside"
        jobs.advance(job, done=counts["rows"], message=words, checkpoint={"counts": counts})

    imports.run(
        actor,
        path,
        mapping=made.mapping,
        now=made.created_at,
        is_dry_run=made.is_dry_run,
        start_line=before.get("next_line", 0),
        file_import=made,
        after_batch=note,
    )
    FileImport.objects.filter(pk=made.pk).update(finished_at=timezone.now())
    if not made.is_dry_run:  # a checked file waits for its import (uploads.py)
        FileImport.objects.filter(pk=made.pk).update(stored_as="")
        path.unlink(missing_ok=True)
    made.refresh_from_db()
    return {name: getattr(made, name) for name in ("rows", "stored", "duplicates", "rejected")}
