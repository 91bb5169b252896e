from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Job, WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models import AdCampaign


class Run(WorkspaceOwned):
    """One look of the engine at all campaigns: what was known, what was fitted, and what it came to.

    Money is in the workspace's currency, a day. gap: certified relative distance from the best plan.
    """

    class Cadence(models.TextChoices):
        DAILY = "daily"
        WEEKLY = "weekly"
        ASKED = "asked", "asked for"

    public_id = models.UUIDField(default=uuid7, editable=False)
    cadence = models.CharField(max_length=6, choices=Cadence.choices)
    job = WorkspaceForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField()
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True)
    campaigns = models.PositiveIntegerField(default=0)
    currency = models.CharField(max_length=3)
    total_budget = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    revenue_now = models.FloatField(null=True, blank=True)
    revenue_planned = models.FloatField(null=True, blank=True)
    gain = models.FloatField(null=True, blank=True)
    gain_low = models.FloatField(null=True, blank=True)
    gain_high = models.FloatField(null=True, blank=True)
    marginal_return = models.FloatField(null=True, blank=True)
    gap = models.FloatField(null=True, blank=True)
    # Why there is no plan, or what stands in its way; in words.
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "public_id"], name="run_public_id_once")]
        indexes = [models.Index(fields=["workspace", "-id"], name="runs_newest")]

    def __str__(self) -> str:
        return f"{self.cadence} run of {self.started_at:%Y-%m-%d}"


class PlanLine(WorkspaceOwned):
    """A campaign in a run: its curve (a day's revenue = scale * spend ** exponent), its place in the plan.

    Money is in the workspace's currency, a day. silent_because: why nothing is claimed of it.
    """

    run = WorkspaceForeignKey(Run, on_delete=models.CASCADE, db_index=False)
    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    days = models.PositiveSmallIntegerField(default=0)
    scale = models.FloatField(null=True, blank=True)
    exponent = models.FloatField(null=True, blank=True)
    exponent_error = models.FloatField(null=True, blank=True)
    is_tested = models.BooleanField(default=False)
    budget_now = models.FloatField(null=True, blank=True)
    budget_planned = models.FloatField(null=True, blank=True)
    revenue_now = models.FloatField(null=True, blank=True)
    revenue_planned = models.FloatField(null=True, blank=True)
    marginal_return = models.FloatField(null=True, blank=True)
    binds = models.CharField(max_length=120, blank=True)
    silent_because = models.CharField(max_length=300, blank=True)
    # What was unusual of its last days, in words; while it is, nothing is carried out.
    anomaly = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "run", "campaign"], name="plan_line_once")
        ]
        indexes = [models.Index(fields=["workspace", "campaign", "-id"], name="plan_lines_of_campaign")]

    def __str__(self) -> str:
        return f"{self.campaign_id} in run {self.run_id}"


class RunForecast(WorkspaceOwned):
    """What a run foresaw of all campaigns together, from the day after its last on; medians with 95 %.

    Money is the workspace's, over all the days. because: what was lacking for one; then there are no figures.
    """

    class Scenario(models.TextChoices):
        NOW = "now", "budgets as they are"
        PLANNED = "planned", "budgets of the plan"

    run = WorkspaceForeignKey(Run, on_delete=models.CASCADE, db_index=False)
    scenario = models.CharField(max_length=7, choices=Scenario.choices)
    days = models.PositiveSmallIntegerField()
    spend = models.FloatField(null=True, blank=True)
    revenue = models.FloatField(null=True, blank=True)
    revenue_low = models.FloatField(null=True, blank=True)
    revenue_high = models.FloatField(null=True, blank=True)
    profit = models.FloatField(null=True, blank=True)
    profit_low = models.FloatField(null=True, blank=True)
    profit_high = models.FloatField(null=True, blank=True)
    roi = models.FloatField(null=True, blank=True)
    roi_low = models.FloatField(null=True, blank=True)
    roi_high = models.FloatField(null=True, blank=True)
    # Campaigns without a curve: their spend is in the figures, their revenue is not.
    without_curve = models.PositiveIntegerField(default=0)
    because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "run", "scenario"], name="run_forecast_once")
        ]

    def __str__(self) -> str:
        return f"forecast of run {self.run_id}, {self.scenario}"
