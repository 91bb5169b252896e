from django.db import models

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.recommendation import Recommendation


class Outcome(WorkspaceOwned):
    """What a change came to after so many days, beside what was claimed: profit a day, in the workspace's
    currency.
    """

    class Verdict(models.TextChoices):
        CAME_TRUE = "came_true", "came true"
        DID_NOT = "did_not", "did not come true"
        CANNOT_TELL = "cannot_tell", "cannot be told yet"

    recommendation = WorkspaceForeignKey(Recommendation, on_delete=models.CASCADE, db_index=False)
    after_days = models.PositiveSmallIntegerField()
    measured_at = models.DateTimeField()
    confidence = models.FloatField()
    claimed = models.FloatField(null=True, blank=True)
    realised = models.FloatField(null=True, blank=True)
    realised_low = models.FloatField(null=True, blank=True)
    realised_high = models.FloatField(null=True, blank=True)
    # Money a day that was spent on top, negative where it was saved.
    extra_spend = models.FloatField(null=True, blank=True)
    verdict = models.CharField(max_length=11, choices=Verdict.choices)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "recommendation", "after_days"], name="outcome_once_per_span"
            )
        ]

    def __str__(self) -> str:
        return f"{self.verdict} after {self.after_days} days"
