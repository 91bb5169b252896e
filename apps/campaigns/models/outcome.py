from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.recommendation import Recommendation
from apps.integrations.models import AdCampaign


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


class BudgetTest(WorkspaceOwned):
    """A randomised test of a campaign's budget in blocks of four days, and what it showed.

    factors: what the base budget is multiplied by in each block. base: in the account's currency.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        READ = "read"
        STOPPED = "stopped"

    recommendation = WorkspaceForeignKey(Recommendation, on_delete=models.CASCADE, db_index=False)
    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    state = models.CharField(max_length=7, choices=State.choices, default=State.RUNNING)
    state_reason = models.CharField(max_length=300, blank=True)
    starts_on = models.DateField()
    base = models.DecimalField(max_digits=20, decimal_places=6)
    factors = ArrayField(models.FloatField())
    seed = models.BigIntegerField()
    exponent = models.FloatField(null=True, blank=True)
    exponent_error = models.FloatField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "campaign"],
                condition=Q(state="running"),
                name="budget_test_one_running",
            ),
            models.UniqueConstraint(fields=["workspace", "recommendation"], name="budget_test_once"),
        ]

    def __str__(self) -> str:
        return f"budget test of {self.campaign_id} ({self.state})"
