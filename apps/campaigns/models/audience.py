from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Job, Person, WorkspaceForeignKey, WorkspaceOwned
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


class ListFile(WorkspaceOwned):
    """A file of people who are to be on a list: what was read, who was added, how many rows were refused.

    mapping: which of its columns is the user id, the e-mail and the phone. makes_people: who is unknown is
    made. known: rows of people who were on the list already. made: people who were unknown until then.
    """

    public_id = models.UUIDField(default=uuid7, editable=False)
    audience = WorkspaceForeignKey(Audience, on_delete=models.CASCADE, db_index=False)
    file_name = models.CharField(max_length=255)
    # Path below MEDIA_ROOT while it is needed.
    stored_as = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64)
    mapping = models.JSONField(default=dict)
    makes_people = models.BooleanField(default=False)
    rows = models.BigIntegerField(default=0)
    added = models.BigIntegerField(default=0)
    known = models.BigIntegerField(default=0)
    made = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    job = WorkspaceForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "public_id"], name="list_file_once")]
        indexes = [models.Index(fields=["workspace", "audience", "-id"], name="list_file_newest_first")]

    def __str__(self) -> str:
        return self.file_name


class RefusedRow(WorkspaceOwned):
    """A row of a file that put nobody on the list: its line and why, and nothing of what it said."""

    class Reason(models.TextChoices):
        UNREADABLE = "unreadable", "The row cannot be read"
        EMPTY = "empty", "The row names nobody"
        BAD_USER_ID = "bad_user_id", "The user id cannot be used"
        BAD_EMAIL = "bad_email", "This is not an e-mail address"
        BAD_PHONE = "bad_phone", "This is not a phone number"
        UNKNOWN = "unknown", "Nobody here is known by that"

    list_file = WorkspaceForeignKey(ListFile, on_delete=models.CASCADE, db_index=False)
    line = models.BigIntegerField()
    reason = models.CharField(max_length=11, choices=Reason.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "list_file", "line"], name="refused_row_once")
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
