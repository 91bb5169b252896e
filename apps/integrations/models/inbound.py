from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models.connection import Connection


class InboundRecord(WorkspaceOwned):
    """Something a service sent us, verified and kept as it came (inbound.py). Its content is sealed."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    service = models.CharField(max_length=40)
    event_id = models.CharField(max_length=200)
    data_key = models.BinaryField(null=True, blank=True)
    content_sealed = models.BinaryField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # When a worker takes it up that nobody has processed; null once it is over.
    due_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    # What was done about it, or why it failed.
    said = models.CharField(max_length=300, blank=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "service", "event_id"], name="inbound_record_once"),
            models.CheckConstraint(
                condition=models.Q(state="waiting", due_at__isnull=False)
                | models.Q(state__in=["done", "failed"], due_at__isnull=True),
                name="inbound_record_is_due_while_it_waits",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(due_at__isnull=False), name="inbound_records_due"
            ),
            models.Index(fields=["workspace", "connection", "-id"], name="inbound_of_connection"),
            models.Index(
                fields=["workspace", "received_at"],
                condition=models.Q(content_sealed__isnull=False),
                name="inbound_records_to_forget",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.event_id}"
