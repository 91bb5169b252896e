from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.models.call import Call
from apps.integrations.models.connection import Connection


class ForwardedConversion(WorkspaceOwned):
    """A conversion, a change of its value, or a step on the way, as one destination was told of it; or why it
    was not.

    value: what the destination believes it is worth. step: of a change, the value that it leads to.
    """

    class Stage(models.TextChoices):
        CONVERSION = "conversion"
        CHANGE = "change"
        STEP = "step", "visit or click"

    class Verdict(models.TextChoices):
        """What the service said of it later, where it says so at all."""

        NONE = "", "nothing yet"
        CONFIRMED = "confirmed"
        PARTLY = "partly", "its batch in part"
        REJECTED = "rejected"

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    call = WorkspaceForeignKey(Call, on_delete=models.CASCADE, null=True, blank=True, db_index=False)
    person = WorkspaceForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    event_id = models.CharField(max_length=200)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.CONVERSION)
    step = models.CharField(max_length=30, blank=True)
    kind = models.CharField(max_length=60)
    value = models.DecimalField(max_digits=16, decimal_places=4)
    currency = models.CharField(max_length=3)
    has_email = models.BooleanField()
    has_phone = models.BooleanField()
    has_click_id = models.BooleanField()
    # Why it was not sent, where it was not.
    kept_back = models.CharField(max_length=200, blank=True)
    # How often the same event came again.
    repeats = models.PositiveIntegerField(default=0)
    verdict = models.CharField(max_length=9, choices=Verdict.choices, default=Verdict.NONE, blank=True)
    verdict_reason = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "connection", "event_id", "stage", "step"],
                name="conversion_forwarded_once",
            ),
            models.CheckConstraint(
                condition=Q(call__isnull=True) ^ Q(kept_back=""), name="conversion_is_sent_or_kept_back"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "connection", "created_at"], name="forwarded_by_time"),
            models.Index(
                fields=["workspace", "person"],
                condition=Q(person__isnull=False),
                name="forwarded_by_person",
            ),
            models.Index(
                fields=["workspace", "call"], condition=Q(call__isnull=False), name="forwarded_by_call"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
