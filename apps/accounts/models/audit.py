from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.workspace import WorkspaceForeignKey, WorkspaceOwned


class AuditEntry(WorkspaceOwned):
    """A named deed: who did what to what, and why. The application's role may add rows and change none."""

    class ActorKind(models.TextChoices):
        USER = "user"
        API_KEY = "api_key"
        SYSTEM = "system"

    actor_kind = models.CharField(max_length=10, choices=ActorKind.choices)
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor_label = models.CharField(max_length=120)
    deed = models.CharField(max_length=80)
    target_kind = models.CharField(max_length=60, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["workspace", "-occurred_at"], name="audit_newest_first"),
            models.Index(fields=["workspace", "target_kind", "target_id"], name="audit_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.deed} by {self.actor_label}"


class AuditSeal(WorkspaceOwned):
    """An entry's place in its workspace's chain.

    Digest = SHA-256(previous digest, the entry). Append-only.
    """

    entry = WorkspaceForeignKey(AuditEntry, on_delete=models.PROTECT)
    position = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "entry"], name="audit_entry_sealed_once"),
            models.UniqueConstraint(fields=["workspace", "position"], name="audit_position_once"),
        ]

    def __str__(self) -> str:
        return f"seal {self.position}"
