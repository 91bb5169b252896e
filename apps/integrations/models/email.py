from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models.call import Call
from apps.integrations.models.connection import Connection


class Suppression(WorkspaceOwned):
    """An address that no provider is asked to write to any more, known by its blind index alone.

    unsubscribed: from mail to many; a message that somebody waits for still goes out.
    """

    class Reason(models.TextChoices):
        BOUNCED = "bounced"
        COMPLAINED = "complained"
        INVALID = "invalid", "no such address"
        SUPPRESSED = "suppressed", "on the provider's own list"
        UNSUBSCRIBED = "unsubscribed"

    address_index = models.BinaryField(max_length=16)
    reason = models.CharField(max_length=12, choices=Reason.choices)
    told_by = models.CharField(max_length=40)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "address_index", "reason"], name="suppression_once_per_reason"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} since {self.since:%Y-%m-%d}"


class EmailDelivery(WorkspaceOwned):
    """A message to one address and how far it has come: what providers answered, and told us later.

    key: the same for each try, at each provider; the Message-ID and the idempotency key are made of it.
    provider, connection: who was asked last. state: asked means that the fate is open. call: none once it is
    forgotten (call_retention.py).
    """

    class State(models.TextChoices):
        PENDING = "pending"
        ASKED = "asked", "fate unknown"
        ACCEPTED = "accepted"
        DELAYED = "delayed"
        DELIVERED = "delivered"
        REFUSED = "refused"
        FAILED = "failed"
        BOUNCED = "bounced"
        COMPLAINED = "complained"
        SUPPRESSED = "suppressed"

    public_id = models.UUIDField(default=uuid7, editable=False)
    key = models.CharField(max_length=32)
    call = WorkspaceForeignKey(Call, on_delete=models.CASCADE, null=True, blank=True, db_index=False)
    sender = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    person = WorkspaceForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    address_index = models.BinaryField(max_length=16, null=True, blank=True)
    template = models.CharField(max_length=80)
    is_bulk = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=300, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    connection = WorkspaceForeignKey(
        Connection, on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    provider_id = models.CharField(max_length=200, blank=True)
    message_id = models.CharField(max_length=200)
    is_possible_duplicate = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    # The first time that this provider was asked.
    asked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "e-mail deliveries"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], name="email_delivery_once"),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="email_delivery_public_id_once"),
        ]
        indexes = [
            models.Index(fields=["workspace", "call"], name="email_deliveries_by_call"),
            models.Index(fields=["workspace", "provider_id"], name="email_deliveries_by_id"),
            models.Index(fields=["workspace", "message_id"], name="email_deliveries_by_message"),
            models.Index(
                fields=["workspace", "sender", "accepted_at"],
                condition=models.Q(accepted_at__isnull=False),
                name="email_deliveries_accepted",
            ),
            models.Index(
                fields=["workspace", "person"],
                condition=models.Q(person__isnull=False),
                name="email_deliveries_by_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.public_id}"
