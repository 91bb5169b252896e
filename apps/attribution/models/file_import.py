from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Job, WorkspaceForeignKey, WorkspaceOwned


class FileImport(WorkspaceOwned):
    """A file of events that somebody brought: what was mapped, what was stored, what was set aside."""

    file_name = models.CharField(max_length=255)
    # Path below MEDIA_ROOT while it is needed; empty for a command that read its own file.
    stored_as = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64)
    mapping = models.JSONField(default=dict)
    is_dry_run = models.BooleanField(default=False)
    rows = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    job = WorkspaceForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="import_newest_first")]

    def __str__(self) -> str:
        return self.file_name
