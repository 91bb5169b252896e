from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.content import Content
from apps.integrations.ids import uuid7


class Device(WorkspaceOwned):
    """A device that works offline, and how far it has been heard: all up to `cursor`, without a gap."""

    device_id = models.CharField(max_length=64)
    cursor = models.BigIntegerField(default=0)
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "device_id"], name="device_once")]

    def __str__(self) -> str:
        return self.device_id


class DeviceEvent(WorkspaceOwned):
    """That an event of a device was taken, so that it is not taken again. Kept 45 days.

    said_at: as its own clock had it; occurred_at: corrected. verdict: accepted, merged or conflict.
    """

    device = WorkspaceForeignKey(Device, on_delete=models.CASCADE, db_index=False)
    event_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    verdict = models.CharField(max_length=8, default="accepted")
    lamport = models.BigIntegerField()
    said_at = models.DateTimeField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "event_id"], name="device_event_once")]
        indexes = [
            models.Index(fields=["received_at"], name="device_events_by_age"),
            models.Index(fields=["workspace", "device", "-received_at"], name="device_events_of_device"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class FieldStamp(WorkspaceOwned):
    """Who wrote a field of a person last: what comes with a smaller stamp came late, and changes nothing."""

    person = WorkspaceForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    field = models.CharField(max_length=60)
    lamport = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    device_id = models.CharField(max_length=64)
    event_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "person", "field"], name="field_stamp_once")
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.person_id}"


class EditConflict(WorkspaceOwned):
    """An edit made offline of a text that somebody else had changed since: a person decides.

    fields: what the device wants to write. base_version: of the campaign, as the device knew it.
    """

    class State(models.TextChoices):
        OPEN = "open"
        TAKEN = "taken", "the device's text was taken"
        DROPPED = "dropped", "the present text stayed"

    public_id = models.UUIDField(default=uuid7, editable=False)
    content = WorkspaceForeignKey(Content, on_delete=models.CASCADE, db_index=False)
    device = WorkspaceForeignKey(Device, on_delete=models.CASCADE, db_index=False)
    event_id = models.UUIDField()
    base_version = models.PositiveIntegerField()
    fields = models.JSONField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "event_id"], name="edit_conflict_once"),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="edit_conflict_public_id_once"),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "created_at"], condition=Q(state="open"), name="edit_conflicts_open"
            )
        ]

    def __str__(self) -> str:
        return f"conflict {self.public_id}"
