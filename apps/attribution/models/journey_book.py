from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Workspace, WorkspaceForeignKey, WorkspaceOwned


class JourneyBook(WorkspaceOwned):
    """The journeys of a workspace as one lens sees them, kept counted by day."""

    class State(models.TextChoices):
        DUE = "due"
        BUILDING = "building"
        READY = "ready"

    lens = models.JSONField()
    lens_digest = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DUE)
    # Rises with each change of a day; never falls, also when the book is built anew.
    revision = models.BigIntegerField(default=0)
    # What the days were counted with: another clock, currency or method means another book.
    method = models.CharField(max_length=16)
    time_zone = models.CharField(max_length=64)
    currency = models.CharField(max_length=3)
    # [channel id, times], in the order of the codes of packed paths. times is 0 but for the lens "frequency".
    steps = models.JSONField(default=list)
    asked_at = models.DateTimeField()
    built_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "lens_digest"], name="journey_book_once_per_lens")
        ]

    def __str__(self) -> str:
        return f"Journeys, {self.state}"


class BookedPeople(WorkspaceOwned):
    """The journeys of some neighbouring people as they were last counted: what a change takes back."""

    book = WorkspaceForeignKey(JourneyBook, on_delete=models.CASCADE, db_index=False)
    # Person ids divided by journey_books.NEIGHBOURS.
    bucket = models.BigIntegerField()
    journeys = models.BinaryField()

    class Meta:
        verbose_name_plural = "booked people"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "book", "bucket"], name="booked_people_once")
        ]

    def __str__(self) -> str:
        return f"Bucket {self.bucket}"


class BookDay(WorkspaceOwned):
    """The journeys that ended on one day of the workspace's clock, counted."""

    book = WorkspaceForeignKey(JourneyBook, on_delete=models.CASCADE, db_index=False)
    day = models.DateField()
    # Of the book, when this day last changed.
    revision = models.BigIntegerField()
    journeys = models.BigIntegerField()
    conversions = models.BigIntegerField()
    # Whole minor units.
    value = models.BigIntegerField()
    distinct_paths = models.IntegerField()
    # Packed by maths.packed.
    counts = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "book", "day"], name="book_day_once")]

    def __str__(self) -> str:
        return f"{self.day}"


class StalePerson(WorkspaceOwned):
    """Somebody whose touches or conversions changed. Added in the transaction of the change, taken by
    journey_books.catch_up; the same person may wait several times.
    """

    # No foreign key is checked: every event would pay for it.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    # None at all: who was merged or deleted has journeys to take back.
    person_id = models.BigIntegerField()
    # Whose book has not heard yet; null for all of them.
    book = WorkspaceForeignKey(JourneyBook, on_delete=models.CASCADE, db_index=False, null=True, blank=True)

    class Meta:
        verbose_name_plural = "stale people"
        indexes = [models.Index(fields=["workspace", "id"], name="stale_people_in_order")]

    def __str__(self) -> str:
        return f"Person {self.person_id}"


class AskedQuestion(WorkspaceOwned):
    """A question that a book was asked of late: computed anew after changes, before anybody asks again."""

    book = WorkspaceForeignKey(JourneyBook, on_delete=models.CASCADE, db_index=False)
    digest = models.CharField(max_length=64)
    params = models.JSONField()
    asked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "book", "digest"], name="asked_question_once")
        ]

    def __str__(self) -> str:
        return self.digest
