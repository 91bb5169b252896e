from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceOwned
from apps.integrations.ids import uuid7


class Connection(WorkspaceOwned):
    """An account at a service that the workspace lets us use. Credentials are sealed (sealed_json.py).

    service: a key of services.py. account: the service's own id of it. options: what is not secret.
    """

    class State(models.TextChoices):
        CONNECTED = "connected"
        NEEDS_SIGN_IN = "needs_sign_in", "needs to be connected again"
        SWITCHED_OFF = "switched_off", "switched off"
        DISCONNECTED = "disconnected"

    public_id = models.UUIDField(default=uuid7, editable=False)
    service = models.CharField(max_length=40)
    account = models.CharField(max_length=120, blank=True)
    label = models.CharField(max_length=120)
    state = models.CharField(max_length=16, choices=State.choices, default=State.CONNECTED)
    state_reason = models.CharField(max_length=300, blank=True)
    state_changed_at = models.DateTimeField()
    options = models.JSONField(default=dict, blank=True)
    scopes = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    data_key = models.BinaryField(null=True, blank=True)
    credentials_sealed = models.BinaryField(null=True, blank=True)
    credentials_expire_at = models.DateTimeField(null=True, blank=True)
    refresh_failed_at = models.DateTimeField(null=True, blank=True)
    refresh_failing_since = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    connected_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "service", "account"],
                condition=~models.Q(state="disconnected"),
                name="connection_once_per_account",
            ),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="connection_public_id_once"),
        ]
        indexes = [
            models.Index(
                fields=["credentials_expire_at"],
                condition=models.Q(state="connected", credentials_expire_at__isnull=False),
                name="connections_that_expire",
            )
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.label}"

    @property
    def is_usable(self) -> bool:
        return self.state == self.State.CONNECTED
