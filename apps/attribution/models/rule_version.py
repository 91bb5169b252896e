from django.db import models

from apps.accounts.models import Job, WorkspaceForeignKey, WorkspaceOwned


class RuleVersion(WorkspaceOwned):
    """The channel rules as they stood from a moment on; the highest number is in force. Never changed but to
    say what became of it.

    applied_at, touches_moved: when touches that were here already were last moved to where these rules put
    them, and how many were elsewhere.
    """

    number = models.PositiveIntegerField()
    # As channels.replace_rules takes them, in order. A snapshot: read back whole, never searched.
    rules = models.JSONField()
    note = models.CharField(max_length=500, blank=True)
    made_by = models.CharField(max_length=120)
    made_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)
    touches_moved = models.BigIntegerField(null=True, blank=True)
    job = WorkspaceForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "number"], name="rule_version_number_once")
        ]

    def __str__(self) -> str:
        return f"version {self.number}"
