from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned


class AccuracyNight(WorkspaceOwned):
    """What one night's measurement rested on; where there was not enough data, what is missing."""

    # Of the workspace's clock.
    night = models.DateField()
    goal_key = models.CharField(max_length=60)
    lens = models.JSONField()
    lens_digest = models.CharField(max_length=64)
    # Journeys up to here were learnt from; those looked at from here to `until` were predicted.
    cut_at = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    # Of the journeys learnt from, and of those predicted.
    learnt_journeys = models.BigIntegerField(default=0)
    learnt_conversions = models.BigIntegerField(default=0)
    journeys = models.BigIntegerField(default=0)
    conversions = models.BigIntegerField(default=0)
    # Empty where it was measured.
    missing = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "night", "lens_digest"], name="accuracy_once_a_night"
            )
        ]

    def __str__(self) -> str:
        return f"{self.night} {self.goal_key}"


class ModelAccuracy(WorkspaceOwned):
    """How well one model predicted that night: maths.accuracy.Accuracy, figures with 95 % intervals."""

    night = WorkspaceForeignKey(AccuracyNight, on_delete=models.CASCADE, db_index=False)
    model = models.CharField(max_length=30)
    auc = models.FloatField()
    auc_low = models.FloatField()
    auc_high = models.FloatField()
    log_loss = models.FloatField()
    log_loss_low = models.FloatField()
    log_loss_high = models.FloatField()
    skill = models.FloatField()
    skill_low = models.FloatField()
    skill_high = models.FloatField()
    slope = models.FloatField(null=True)
    slope_low = models.FloatField(null=True)
    slope_high = models.FloatField(null=True)
    intercept = models.FloatField(null=True)
    intercept_low = models.FloatField(null=True)
    intercept_high = models.FloatField(null=True)
    calibration_error = models.FloatField()
    calibration_error_low = models.FloatField()
    calibration_error_high = models.FloatField()
    by_chance = models.FloatField()
    # Predicted, observed, journeys of each.
    bins = models.JSONField()

    class Meta:
        verbose_name_plural = "model accuracies"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "night", "model"], name="model_accuracy_once")
        ]

    def __str__(self) -> str:
        return self.model
