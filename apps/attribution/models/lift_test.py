from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.attribution.models.channel import Channel
from apps.attribution.models.experiment import Experiment

# A test of less than a thousandth of a channel says nothing of the rest.
LEAST_COVERED = 0.001


class LiftTest(WorkspaceOwned):
    """What a channel caused over some days, measured and not modelled."""

    class Kind(models.TextChoices):
        HOLDOUT = "holdout"
        GEO = "geo"
        EXTERNAL = "external"

    class Measure(models.TextChoices):
        CONVERSIONS = "conversions"
        REVENUE = "revenue"

    channel = WorkspaceForeignKey(Channel, on_delete=models.PROTECT, db_index=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    measure = models.CharField(max_length=11, choices=Measure.choices, default=Measure.CONVERSIONS)
    goal = models.CharField(max_length=60, blank=True)
    # Days of the workspace's clock, both inclusive.
    first_day = models.DateField()
    last_day = models.DateField()
    # Conversions, or money in the workspace's currency.
    incremental = models.FloatField()
    standard_error = models.FloatField()
    # The part of the channel's effect that lay where the test measured; 1 when all of it did.
    covered_share = models.FloatField(default=1.0)
    # Conversions, or money, that there were in these days by all channels, when last compared with models.
    there_were = models.FloatField(null=True, blank=True)
    experiment = WorkspaceForeignKey(
        Experiment, on_delete=models.PROTECT, null=True, blank=True, db_index=False
    )
    source = models.CharField(max_length=200, blank=True)
    notes = models.TextField(blank=True)
    entered_by = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(standard_error__gt=0), name="lift_test_has_an_error"),
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="lift_test_days_in_order"),
            models.CheckConstraint(
                condition=Q(covered_share__gte=LEAST_COVERED, covered_share__lte=1),
                name="lift_test_covers_a_share",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="lift_test_newest_first")]

    def __str__(self) -> str:
        return self.name

    @property
    def measured(self) -> float:
        """Of the whole channel: the tested part, scaled up."""
        return self.incremental / self.covered_share

    @property
    def is_beyond(self) -> bool:
        """Whether it measured more than there was to cause: it corrects no model then."""
        return self.there_were is not None and self.measured > self.there_were


class LiftTestCredit(WorkspaceOwned):
    """What one model gave the tested channel over the test's days."""

    lift_test = WorkspaceForeignKey(LiftTest, on_delete=models.CASCADE, db_index=False)
    model = models.CharField(max_length=30)
    attributed = models.FloatField()
    standard_error = models.FloatField()
    computed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "lift_test", "model"], name="lift_test_credit_once")
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.attributed}"


class RegionDay(WorkspaceOwned):
    """The outcome of one region on one day of a geo test, from before and during it."""

    lift_test = WorkspaceForeignKey(LiftTest, on_delete=models.CASCADE, db_index=False)
    region = models.CharField(max_length=80)
    day = models.DateField()
    is_treated = models.BooleanField()
    outcome = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "lift_test", "region", "day"], name="region_day_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.region} {self.day}"
