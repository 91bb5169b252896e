from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.topic import Topic
from apps.integrations.ids import uuid7


class FrequencyWish(WorkspaceOwned):
    """How often somebody wants to hear from the workspace at most. Records are added; the latest counts.

    paused_until: nothing before then, whatever the frequency.
    """

    class Frequency(models.TextChoices):
        ALL = "all", "Everything"
        WEEKLY = "weekly", "At most once a week"
        MONTHLY = "monthly", "At most once a month"

    person = WorkspaceForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    frequency = models.CharField(max_length=7, choices=Frequency.choices, default=Frequency.ALL)
    paused_until = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=120)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "person", "-occurred_at", "-id"], name="frequency_wish_latest")
        ]

    def __str__(self) -> str:
        return f"{self.frequency} since {self.occurred_at:%Y-%m-%d}"


class SignUp(WorkspaceOwned):
    """Somebody asked for a topic; it counts once the owner of the address has confirmed it.

    wording: what was shown where it was asked. asked_from, confirmed_from: keyed hashes of the addresses of
    the machines. The e-mail address is sealed, and forgotten when nobody confirms.
    """

    public_id = models.UUIDField(default=uuid7, editable=False)
    topic = WorkspaceForeignKey(Topic, on_delete=models.CASCADE, db_index=False)
    address_index = models.BinaryField(max_length=16, null=True, blank=True)
    data_key = models.BinaryField(null=True, blank=True)
    address_sealed = models.BinaryField(null=True, blank=True)
    source = models.CharField(max_length=120)
    wording = models.TextField()
    asked_at = models.DateTimeField()
    asked_from = models.CharField(max_length=32, blank=True)
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_from = models.CharField(max_length=32, blank=True)
    person = WorkspaceForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "public_id"], name="sign_up_once")]
        indexes = [
            models.Index(fields=["workspace", "address_index", "asked_at"], name="sign_up_by_address"),
            models.Index(
                fields=["workspace", "person"],
                condition=models.Q(person__isnull=False),
                name="sign_up_by_person",
            ),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(confirmed_at__isnull=True, address_sealed__isnull=False),
                name="sign_up_unconfirmed",
            ),
        ]

    def __str__(self) -> str:
        return f"sign-up {self.public_id}"


class AddressMark(WorkspaceOwned):
    """Under which index of the operator's list an address of this workspace is found. Made when it is first
    looked for, so that looking again is one join.
    """

    address_index = models.BinaryField(max_length=16)
    everywhere_index = models.BinaryField(max_length=16)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "address_index"], name="address_mark_once")
        ]

    def __str__(self) -> str:
        return f"mark {self.pk}"
