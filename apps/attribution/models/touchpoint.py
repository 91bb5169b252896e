from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, Workspace, WorkspaceForeignKey, WorkspaceOwned
from apps.attribution.models.channel import Source


class Touchpoint(WorkspaceOwned):
    """One contact of a person with the company: an impression, a click, a visit, a call."""

    # The person's own foreign key says which workspaces there are; a second check of every row took a
    # tenth of an import.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    source = WorkspaceForeignKey(
        Source, on_delete=models.PROTECT, db_index=False, is_checked_by_statement=True
    )
    event_id = models.CharField(max_length=200)
    event_type = models.CharField(max_length=40)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    cost = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    url = models.TextField(blank=True)
    referrer = models.TextField(blank=True)
    properties = models.JSONField(null=True, blank=True)
    # Whether the sender named the channel, which rules then leave alone; null: from before this was kept.
    is_channel_named = models.BooleanField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "event_id"], name="touchpoint_event_once")
        ]
        indexes = [
            # All that a journey needs, in its order: books are built from the index alone.
            models.Index(
                fields=["workspace", "person", "occurred_at", "id"],
                include=["source"],
                name="touchpoint_of_person",
            ),
            models.Index(fields=["workspace", "occurred_at"], name="touchpoint_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
