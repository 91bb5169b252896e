from datetime import datetime

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models.connection import Connection
from apps.integrations.resilience.lanes import Lane


class Call(WorkspaceOwned):
    """Something to tell a service, written in the transaction that decided it (outbox.py).

    dedup_key: the same deed is enqueued once. The payload is sealed, and gone once nobody needs it any more.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        SENDING = "sending"
        UNKNOWN = "unknown", "fate unknown"
        HELD = "held", "held until the connection works"
        DONE = "done"
        DEAD = "dead", "dead letter"
        CANCELLED = "cancelled"

    TERMINAL = (State.DONE, State.DEAD, State.CANCELLED)

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    service = models.CharField(max_length=40)
    operation = models.CharField(max_length=60)
    lane = models.PositiveSmallIntegerField(choices=[(lane.value, lane.name.lower()) for lane in Lane])
    dedup_key = models.CharField(max_length=200)
    # Whom it is about, so that an erasure finds it.
    person = WorkspaceForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    data_key = models.BinaryField(null=True, blank=True)
    payload_sealed = models.BinaryField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # When it may be taken; null while nobody is to take it.
    due_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    # After this it is worth nothing to anybody.
    expires_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_kind = models.CharField(max_length=20, blank=True)
    last_reason = models.CharField(max_length=300, blank=True)
    reference = models.CharField(max_length=200, blank=True)
    is_possible_duplicate = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    # When the first attempt began whose fate is open, or the one that did it; null while none is.
    sent_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    # When this worker took it under its lease; of the process, not of the row.
    claimed_at: datetime | None = None

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="call_public_id_once"),
            models.UniqueConstraint(
                fields=["workspace", "connection", "operation", "dedup_key"], name="call_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "sending", "unknown"], due_at__isnull=False)
                | models.Q(state__in=["held", "done", "dead", "cancelled"], due_at__isnull=True),
                name="call_is_due_while_it_waits",
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "lane", "due_at"],
                condition=models.Q(due_at__isnull=False),
                name="calls_due",
            ),
            models.Index(
                fields=["due_at"], condition=models.Q(due_at__isnull=False), name="calls_due_anywhere"
            ),
            models.Index(fields=["workspace", "connection", "state", "-id"], name="calls_of_connection"),
            models.Index(
                fields=["workspace", "settled_at"],
                condition=models.Q(state="dead"),
                name="calls_given_up",
            ),
            models.Index(
                fields=["workspace", "person"],
                condition=models.Q(person__isnull=False),
                name="calls_by_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.operation} {self.public_id}"

    @property
    def stream(self) -> str:
        """Where its trail stands."""
        return f"call:{self.public_id}"
