import uuid

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.workspace import WorkspaceForeignKey, WorkspaceOwned


class Person(WorkspaceOwned):
    """Somebody behind touches and conversions.

    Anonymous until identified. Personal fields are sealed (sealing.py).
    """

    public_id = models.UUIDField(default=uuid.uuid4, editable=False)
    external_id = models.CharField(
        max_length=200, null=True, blank=True, help_text="The customer's own user id."
    )
    # The key of this person's fields, itself sealed by a master key; deleting it erases them.
    data_key = models.BinaryField(null=True, blank=True)
    email_sealed = models.BinaryField(null=True, blank=True)
    email_index = models.BinaryField(max_length=16, null=True, blank=True)
    phone_sealed = models.BinaryField(null=True, blank=True)
    phone_index = models.BinaryField(max_length=16, null=True, blank=True)
    name_sealed = models.BinaryField(null=True, blank=True)
    traits = models.JSONField(default=dict, blank=True)
    first_seen_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    merged_into = WorkspaceForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    erased_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="person_public_id_once"),
            models.UniqueConstraint(fields=["workspace", "external_id"], name="person_external_id_once"),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "email_index"],
                condition=models.Q(email_index__isnull=False),
                name="person_by_email_index",
            ),
            models.Index(
                fields=["workspace", "phone_index"],
                condition=models.Q(phone_index__isnull=False),
                name="person_by_phone_index",
            ),
            models.Index(
                fields=["workspace", "merged_into"],
                condition=models.Q(merged_into__isnull=False),
                name="person_by_survivor",
            ),
            models.Index(
                fields=["workspace", "id"],
                condition=models.Q(merged_into__isnull=False),
                name="person_merged",
            ),
        ]

    def __str__(self) -> str:
        return f"person {self.public_id}"


class Alias(WorkspaceOwned):
    """An anonymous id (a browser, a device) and the person it belongs to now."""

    anonymous_id = models.CharField(max_length=200)
    person = WorkspaceForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "aliases"
        constraints = [models.UniqueConstraint(fields=["workspace", "anonymous_id"], name="alias_once")]
        indexes = [models.Index(fields=["workspace", "person"], name="alias_by_person")]

    def __str__(self) -> str:
        return f"alias {self.pk}"


class PersonMerge(WorkspaceOwned):
    """The history of stitching: who was absorbed into whom, by which id, and what moved."""

    class Kind(models.TextChoices):
        IDENTIFIED = "identified"
        MERGED = "merged"
        DEVICE_HANDED_OVER = "device_handed_over"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    survivor = WorkspaceForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    absorbed = WorkspaceForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    anonymous_id = models.CharField(max_length=200, blank=True)
    moved = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "survivor"], name="merge_by_survivor"),
            models.Index(fields=["workspace", "absorbed"], name="merge_by_absorbed"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.absorbed_id} → {self.survivor_id}"


class ConsentRecord(WorkspaceOwned):
    """What a person allowed or withdrew, when, where and in which words.

    is_confirmed: by who reads the mail of their address, through a link that was sent there. Append-only: the
    latest row counts.
    """

    person = WorkspaceForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    purpose = models.CharField(max_length=60)
    is_granted = models.BooleanField()
    is_confirmed = models.BooleanField(default=False, db_default=False)
    source = models.CharField(max_length=120)
    wording = models.TextField(blank=True)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_confirmed=False) | models.Q(is_granted=True),
                name="only_a_yes_is_confirmed",
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "person", "purpose", "occurred_at"], name="consent_latest")
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {'granted' if self.is_granted else 'withdrawn'}"


class Erasure(WorkspaceOwned):
    """That somebody was erased, by pseudonymous id, so that it can be repeated after a restore."""

    public_id = models.UUIDField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "public_id"], name="erasure_once")]

    def __str__(self) -> str:
        return f"erasure {self.public_id}"
