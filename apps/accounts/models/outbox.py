from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.workspace import WorkspaceForeignKey, WorkspaceOwned


class OutboxEvent(WorkspaceOwned):
    """News, written in the transaction of the change it tells of (events.py)."""

    name = models.CharField(max_length=100)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    # When to try again; null once every subscriber has it or is a dead letter.
    due_at = models.DateTimeField(null=True, db_default=Now())
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="outbox_due"),
            models.Index(fields=["workspace", "-id"], name="outbox_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.pk}"


class Delivery(WorkspaceOwned):
    """What became of an event at one subscriber: the receipt, the failures so far, or the dead letter."""

    class State(models.TextChoices):
        DONE = "done"
        FAILING = "failing"
        DEAD = "dead"

    event = WorkspaceForeignKey(OutboxEvent, on_delete=models.CASCADE)
    subscriber = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State.choices)
    attempts = models.PositiveSmallIntegerField(default=1)
    error = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "event", "subscriber"], name="delivery_once_per_subscriber"
            )
        ]
        indexes = [
            models.Index(
                fields=["workspace", "-id"], condition=models.Q(state="dead"), name="delivery_dead_letters"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subscriber} {self.state}"
