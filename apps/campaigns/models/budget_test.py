from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.recommendation import Recommendation
from apps.integrations.models import AdCampaign


class BudgetTest(WorkspaceOwned):
    """A test of budgets by lot, in blocks of days, over several campaigns at once."""

    class State(models.TextChoices):
        RUNNING = "running"
        RESTORING = "restoring", "putting budgets back"
        READ = "read"
        STOPPED = "stopped"

    UNFINISHED = (State.RUNNING, State.RESTORING)

    recommendation = WorkspaceForeignKey(Recommendation, on_delete=models.CASCADE, db_index=False)
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    state_reason = models.CharField(max_length=300, blank=True)
    starts_on = models.DateField()
    block_days = models.PositiveSmallIntegerField()
    blocks = models.PositiveSmallIntegerField()
    # Of all campaigns together: how revenue follows spend, with its 95 % interval.
    exponent = models.FloatField(null=True, blank=True)
    exponent_low = models.FloatField(null=True, blank=True)
    exponent_high = models.FloatField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace"],
                condition=Q(state__in=["running", "restoring"]),
                name="budget_test_one_at_a_time",
            ),
            models.UniqueConstraint(fields=["workspace", "recommendation"], name="budget_test_once"),
        ]

    def __str__(self) -> str:
        return f"budget test from {self.starts_on} ({self.state})"


class BudgetTestArm(WorkspaceOwned):
    """A campaign in a test. base: its daily budget in the account's currency; factors: of it, by block.

    slope, slope_error: what the test says of this campaign alone; null where it says nothing.
    """

    test = WorkspaceForeignKey(BudgetTest, on_delete=models.CASCADE, db_index=False)
    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    base = models.DecimalField(max_digits=20, decimal_places=6)
    factors = ArrayField(models.FloatField())
    slope = models.FloatField(null=True, blank=True)
    slope_error = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "test", "campaign"], name="budget_test_arm_once")
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} in test {self.test_id}"
