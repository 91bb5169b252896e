from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models.connection import Connection


class WebhookEndpoint(WorkspaceOwned):
    """A customer's address that is told of events (webhooks.py).

    Its connection carries the state, the sealed secrets, and the calls that wait. event_names: ["*"] for all.
    """

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    url = models.CharField(max_length=2_000)
    event_names = ArrayField(models.CharField(max_length=80))
    # Since when nothing was accepted; null while it works.
    failing_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="webhook_public_id_once"),
            models.UniqueConstraint(fields=["workspace", "connection"], name="webhook_connection_once"),
        ]

    def __str__(self) -> str:
        return f"webhook {self.public_id}"

    @property
    def is_on(self) -> bool:
        return self.connection.is_usable
