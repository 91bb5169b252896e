from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, Workspace, WorkspaceForeignKey, WorkspaceOwned


class Conversion(WorkspaceOwned):
    """One order, lead or sign-up, as it stands after refunds and corrections.

    value: what it is worth now, in the workspace's currency. is_counted is false for an order that was
    refunded whole, and for a refund whose order has not arrived yet.
    """

    # The person's own foreign key says which workspaces there are; a second check of every row took a
    # tenth of an import.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    conversion_type = models.CharField(max_length=60)
    order_id = models.CharField(max_length=200, null=True, blank=True)
    occurred_at = models.DateTimeField()
    value = models.DecimalField(max_digits=16, decimal_places=4)
    is_counted = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "order_id"], name="conversion_order_once")
        ]
        indexes = [
            models.Index(fields=["workspace", "occurred_at"], name="conversion_by_time"),
            models.Index(fields=["workspace", "person", "occurred_at"], name="conversion_journey"),
            models.Index(fields=["workspace", "conversion_type"], name="conversion_by_type"),
        ]

    def __str__(self) -> str:
        return f"{self.conversion_type} {self.order_id or self.pk}"


class ConversionRecord(WorkspaceOwned):
    """A purchase, correction or refund as it was received. History: never changed."""

    class Kind(models.TextChoices):
        CONVERSION = "conversion"
        CORRECTION = "correction"
        REFUND = "refund"
        # The total of another record at another time: a duplicate, kept for when it happened.
        COPY = "copy"

    # The conversion's own foreign key says which workspaces there are; a second check of every row took a
    # tenth of an import.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    conversion = WorkspaceForeignKey(
        Conversion, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    event_id = models.CharField(max_length=200)
    revenue = models.DecimalField(max_digits=16, decimal_places=4)
    currency = models.CharField(max_length=3)
    exchange_rate = models.DecimalField(max_digits=18, decimal_places=8, default=1)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    properties = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "event_id"], name="conversion_event_once")
        ]
        indexes = [models.Index(fields=["workspace", "conversion"], name="conversion_record_history")]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
