from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7


class Audience(WorkspaceOwned):
    """Whom to write to: a rule that is asked anew each time, or a list of people.

    rules: the tree as it was checked (audiences/tree.py); empty for a list. people: how many they were at
    counted_at.
    """

    class Kind(models.TextChoices):
        RULES = "rules"
        LIST = "list"

    public_id = models.UUIDField(default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.RULES)
    rules = models.JSONField(default=dict, blank=True)
    people = models.BigIntegerField(null=True, blank=True)
    counted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="audience_public_id_once"),
            models.UniqueConstraint(
                fields=["workspace", "name"],
                condition=models.Q(archived_at__isnull=True),
                name="audience_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AudienceMember(WorkspaceOwned):
    """Somebody on a list."""

    audience = WorkspaceForeignKey(Audience, on_delete=models.CASCADE, db_index=False)
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "audience", "person"], name="audience_member_once")
        ]
        indexes = [models.Index(fields=["workspace", "person"], name="audience_member_by_person")]

    def __str__(self) -> str:
        return f"member {self.pk}"
