from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Job, WorkspaceForeignKey, WorkspaceOwned


class ConversionModel(WorkspaceOwned):
    """A version of the probability to convert, with all that its card says. Its weights are other rows."""

    # Counts up per workspace.
    version = models.PositiveIntegerField()
    goal_key = models.CharField(max_length=60)
    lens = models.JSONField()
    lens_digest = models.CharField(max_length=64)
    intercept = models.FloatField()
    penalty = models.FloatField()
    # Of the calibration.
    slope = models.FloatField()
    shift = models.FloatField()
    # Learnt from the journeys looked at since then; judged on those of other people from `cut_at` to `until`.
    # is_of_later_days: what it learnt from was settled before `cut_at`.
    since = models.DateTimeField()
    cut_at = models.DateTimeField()
    until = models.DateTimeField()
    is_of_later_days = models.BooleanField()
    # Moments of journeys, and those that a conversion followed: learnt from, calibrated on, judged on.
    sizes = models.JSONField()
    # maths.accuracy.Accuracy of those judged on.
    figures = models.JSONField()
    # maths.drift.Sums of those, and how many of each kind there were.
    reference = models.JSONField()
    # Not shown to be calibrated, and no better than the one before, which stays in force.
    is_held_back = models.BooleanField(default=False, db_default=False)
    job = WorkspaceForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "version"], name="conversion_model_version_once")
        ]

    def __str__(self) -> str:
        return f"version {self.version}"


class ConversionWeight(WorkspaceOwned):
    """One feature of a version: log-odds for each standard deviation."""

    conversion_model = WorkspaceForeignKey(ConversionModel, on_delete=models.CASCADE, db_index=False)
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=30)
    # The channel, platform or part of the day that it is about, if any.
    key = models.CharField(max_length=200, blank=True)
    mean = models.FloatField()
    scale = models.FloatField()
    weight = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "conversion_model", "position"], name="conversion_weight_once"
            ),
            models.CheckConstraint(condition=Q(scale__gt=0), name="conversion_weight_scale_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}".strip()


class DriftCheck(WorkspaceOwned):
    """One step of the charts that watch a version: the journeys whose window passed since the last step."""

    conversion_model = WorkspaceForeignKey(ConversionModel, on_delete=models.CASCADE, db_index=False)
    number = models.PositiveIntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    journeys = models.BigIntegerField()
    conversions = models.BigIntegerField()
    # What was told, on average.
    predicted = models.FloatField()
    # maths.drift.Charts after this step.
    charts = models.JSONField()
    # How many journeys of each kind, until a test of the mix takes them; then the shifts that it found.
    mix = models.JSONField()
    shifts = models.JSONField()
    alarms = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "conversion_model", "number"], name="drift_check_once"
            )
        ]

    def __str__(self) -> str:
        return f"check {self.number}"


class Recalibration(WorkspaceOwned):
    """Models learnt anew: why, what was in force before and after, and how each predicts the same."""

    reason = models.CharField(max_length=500)
    alarms = models.JSONField()
    by_itself = models.BooleanField()
    before = WorkspaceForeignKey(
        ConversionModel, on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    after = WorkspaceForeignKey(
        ConversionModel, on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    # Jobs that train Markov chains, by order.
    markov_jobs = models.JSONField()
    # Accuracy of `before` and of `after` on the journeys that `after` was judged on.
    figures = models.JSONField(default=dict)
    outcome = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="recalibration_newest_first")]

    def __str__(self) -> str:
        return self.reason
