from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceOwned


class Topic(WorkspaceOwned):
    """A kind of message that people may want or not: its key is the purpose of their consent.

    basis: what lets us write. consent: they said so. customer: they bought, were told, and did not object.
    service: they wait for it (a receipt); neither unsubscribing nor caps hold it.
    """

    class Basis(models.TextChoices):
        CONSENT = "consent"
        CUSTOMER = "customer", "existing customers"
        SERVICE = "service", "a message they wait for"

    key = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    basis = models.CharField(max_length=8, choices=Basis.choices, default=Basis.CONSENT)
    is_double_opt_in = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="topic_once")]

    def __str__(self) -> str:
        return self.name
