from django.db import models

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models.connection import Connection


class InboundRecord(WorkspaceOwned):
    """What a service told us by itself, as it came; verified and stored first, worked on after (inbound.py).

    event_id: the service's own, or what it never uses twice; the same one again changes nothing.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        IGNORED = "ignored"
        FAILED = "failed"

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    service = models.CharField(max_length=40)
    event_id = models.CharField(max_length=200)
    received_at = models.DateTimeField()
    headers = models.JSONField(default=dict)
    data_key = models.BinaryField(null=True, blank=True)
    body_sealed = models.BinaryField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # When it may be worked on; null once that is over.
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "service", "event_id"], name="inbound_record_once"),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="inbound_public_id_once"),
            models.CheckConstraint(
                condition=models.Q(state="waiting", due_at__isnull=False)
                | models.Q(state__in=["done", "ignored", "failed"], due_at__isnull=True),
                name="inbound_is_due_while_it_waits",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="inbound_due"),
            models.Index(fields=["workspace", "received_at"], name="inbound_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.event_id}"
