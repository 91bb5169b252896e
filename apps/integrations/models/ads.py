from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.models.connection import Connection


class AdCampaign(WorkspaceOwned):
    """A campaign as a platform had it when it was last read. budget: in the account's currency."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        ENDED = "ended"

    class BudgetKind(models.TextChoices):
        DAILY = "daily"
        LIFETIME = "lifetime"

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    external_id = models.CharField(max_length=120)
    name = models.CharField(max_length=400)
    status = models.CharField(max_length=8, choices=Status.choices)
    native_status = models.CharField(max_length=60, blank=True)
    objective = models.CharField(max_length=120, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    budget = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    budget_kind = models.CharField(max_length=8, choices=BudgetKind.choices, blank=True)
    first_read_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "connection", "external_id"], name="ad_campaign_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class AdDay(WorkspaceOwned):
    """What a campaign did on a day of its account's zone, as last read; recent days still change."""

    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    on = models.DateField()
    currency = models.CharField(max_length=3)
    spend = models.DecimalField(max_digits=20, decimal_places=6)
    impressions = models.BigIntegerField(null=True, blank=True)
    clicks = models.BigIntegerField(null=True, blank=True)
    conversions = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    conversion_value = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "campaign", "on"], name="ad_day_once")]
        indexes = [models.Index(fields=["workspace", "on"], name="ad_days_by_day")]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.on}"
