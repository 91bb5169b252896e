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


class AdGroup(WorkspaceOwned):
    """What lies between a campaign and its ads where the platform has it: an ad set, an ad group.

    bid: the highest or the target cost that was set, in the account's currency; empty where the platform
    bids by itself. budget: only where the campaign has none.
    """

    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    external_id = models.CharField(max_length=120)
    name = models.CharField(max_length=400)
    status = models.CharField(max_length=8, choices=AdCampaign.Status.choices)
    currency = models.CharField(max_length=3, blank=True)
    bid = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    bid_strategy = models.CharField(max_length=60, blank=True)
    budget = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    budget_kind = models.CharField(max_length=8, choices=AdCampaign.BudgetKind.choices, blank=True)
    first_read_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "campaign", "external_id"], name="ad_group_once")
        ]

    def __str__(self) -> str:
        return self.name


class AdCreative(WorkspaceOwned):
    """An ad as a platform had it when it was last read: what people see."""

    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    group = WorkspaceForeignKey(AdGroup, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    external_id = models.CharField(max_length=120)
    name = models.CharField(max_length=400)
    status = models.CharField(max_length=8, choices=AdCampaign.Status.choices)
    first_read_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "campaign", "external_id"], name="ad_creative_once")
        ]

    def __str__(self) -> str:
        return self.name


class AdCreativeDay(WorkspaceOwned):
    """What an ad did on a day. frequency: how often one person saw it that day, on average."""

    creative = WorkspaceForeignKey(AdCreative, on_delete=models.CASCADE, db_index=False)
    on = models.DateField()
    currency = models.CharField(max_length=3)
    spend = models.DecimalField(max_digits=20, decimal_places=6)
    impressions = models.BigIntegerField(null=True, blank=True)
    clicks = models.BigIntegerField(null=True, blank=True)
    conversions = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    conversion_value = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    reach = models.BigIntegerField(null=True, blank=True)
    frequency = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "creative", "on"], name="ad_creative_day_once")
        ]
        indexes = [models.Index(fields=["workspace", "on"], name="ad_creative_days_by_day")]

    def __str__(self) -> str:
        return f"{self.creative_id} {self.on}"


class AdSegmentDay(WorkspaceOwned):
    """What a campaign did on a day among some of the people: those of one device, region, hour and so on.

    value: in the platform's own words, as a change of targeting takes it. label: for people, where the
    value is a number of the platform's.
    """

    class Dimension(models.TextChoices):
        DEVICE = "device"
        REGION = "region"
        HOUR = "hour"
        AGE = "age"
        PLACEMENT = "placement"

    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    on = models.DateField()
    dimension = models.CharField(max_length=10, choices=Dimension.choices)
    value = models.CharField(max_length=120)
    label = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=3)
    spend = models.DecimalField(max_digits=20, decimal_places=6)
    impressions = models.BigIntegerField(null=True, blank=True)
    clicks = models.BigIntegerField(null=True, blank=True)
    conversions = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    conversion_value = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "campaign", "dimension", "value", "on"], name="ad_segment_day_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "on"], name="ad_segment_days_by_day")]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.dimension} {self.value} {self.on}"
