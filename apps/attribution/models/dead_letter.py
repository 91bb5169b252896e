import uuid

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.attribution.models.file_import import FileImport


class Door(models.TextChoices):
    """How records come in."""

    API = "api", "API"
    IMPORT = "import", "Import"


class Reason(models.TextChoices):
    """Why an accepted record could not be stored: the closed list, which the database holds as well."""

    UNREADABLE_ROW = "unreadable_row", "The row cannot be read"
    UNUSABLE_FIELDS = "unusable_fields", "A field is missing or cannot be used"
    NO_EXCHANGE_RATE = "no_exchange_rate", "There is no exchange rate for its currency"
    AMOUNT_TOO_LARGE = "amount_too_large", "It is worth more than can be kept"
    CONTESTED = "contested", "Other requests kept changing the same people or orders"
    DATABASE_REFUSED = "database_refused", "The database refused to keep it"


class DeadLetter(WorkspaceOwned):
    """A record that was accepted and could not be stored: what it said, why not, and what became of it.

    What it said is sealed under a key of its own (dead_letters.py), for it may name anybody. identity: a
    digest that is equal when the same record comes again. A letter found by a dry run was never accepted.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        REPLAYED = "replayed"
        DROPPED = "dropped"
        FOUND_BY_CHECK = "found_by_check", "found by a check"

    class Kind(models.TextChoices):
        EVENT = "event"
        CONVERSION = "conversion"
        IDENTIFY = "identify"
        SPEND = "spend"
        UNKNOWN = "unknown"

    public_id = models.UUIDField(default=uuid.uuid4, editable=False)
    door = models.CharField(max_length=10, choices=Door.choices)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.CharField(max_length=40, choices=Reason.choices)
    identity = models.CharField(max_length=80)
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    received_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    file_import = WorkspaceForeignKey(
        FileImport, on_delete=models.CASCADE, null=True, blank=True, db_index=False
    )
    line = models.BigIntegerField(null=True, blank=True)
    data_key = models.BinaryField(null=True, blank=True)
    content_sealed = models.BinaryField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reason__in=Reason.values), name="dead_letter_reason_is_registered"
            ),
            models.UniqueConstraint(fields=["workspace", "identity"], name="dead_letter_once"),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="dead_letter_public_id_once"),
        ]
        indexes = [
            models.Index(fields=["workspace", "state", "reason", "-id"], name="dead_letters_by_reason"),
            models.Index(fields=["workspace", "received_at"], name="dead_letters_by_day"),
            models.Index(fields=["workspace", "file_import", "line"], name="dead_letters_of_import"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class IntakeCount(WorkspaceOwned):
    """How many records a transaction took in, written by itself: accepted is the sum of the other three.

    Added to and never changed, so that no two transactions wait for each other; intake.fold sums them up.
    """

    day = models.DateField()
    door = models.CharField(max_length=10, choices=Door.choices)
    accepted = models.BigIntegerField()
    stored = models.BigIntegerField()
    duplicates = models.BigIntegerField()
    dead_lettered = models.BigIntegerField()
    is_folded = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["workspace", "day"], name="intake_by_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.door}"
