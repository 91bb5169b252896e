from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.recommendation import Kind
from apps.integrations.models import AdCampaign, Connection


class Policy(WorkspaceOwned):
    """What the engine may do in a workspace, when, and within what. One each.

    Hours are of the workspace's clock. margin: how much of a pound of revenue is left before advertising.
    stopped_at: the kill switch; while it is set nothing is carried out.
    """

    class RevenueBy(models.TextChoices):
        PLATFORM = "platform", "what platforms report"
        ATTRIBUTION = "attribution", "what attribution credits"

    is_on = models.BooleanField(default=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.CharField(max_length=200, blank=True)
    stop_reason = models.CharField(max_length=300, blank=True)
    daily_at_hour = models.PositiveSmallIntegerField(default=6)
    weekly_on_weekday = models.PositiveSmallIntegerField(default=0)
    counts_revenue_by = models.CharField(max_length=11, choices=RevenueBy.choices, default=RevenueBy.PLATFORM)
    margin = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal(1))
    total_daily_budget = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    # As much as pays instead of a total; the caps hold all the same.
    spends_what_pays = models.BooleanField(default=False)
    target_cost_per_conversion = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    largest_change_percent = models.PositiveSmallIntegerField(default=20)
    # Eight days: what a change brings is measured over the week after it, and so that one alone counts.
    cooldown_hours = models.PositiveSmallIntegerField(default=192)
    data_age_hours = models.PositiveSmallIntegerField(default=36)
    acts_from_hour = models.PositiveSmallIntegerField(default=7)
    acts_until_hour = models.PositiveSmallIntegerField(default=20)
    four_eyes_above = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    rests_on_wedding_days = models.BooleanField(default=True)
    report_to = ArrayField(models.EmailField(), default=list, blank=True)
    # Of the workspace's calendar: the last day and week that a scheduled run was made for.
    daily_done_on = models.DateField(null=True, blank=True)
    weekly_done_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["workspace"], name="policy_once"),
            models.CheckConstraint(condition=Q(margin__gt=0, margin__lte=1), name="policy_margin_is_a_share"),
            models.CheckConstraint(
                condition=Q(largest_change_percent__gte=1, largest_change_percent__lte=100),
                name="policy_change_is_a_percentage",
            ),
            models.CheckConstraint(
                condition=Q(daily_at_hour__lte=23, weekly_on_weekday__lte=6)
                & Q(acts_from_hour__lte=23, acts_until_hour__lte=24),
                name="policy_hours_are_of_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"policy of workspace {self.workspace_id}"


class AutoRule(WorkspaceOwned):
    """What of one kind may be carried out without a person. demoted_at: its record took that right away."""

    kind = models.CharField(max_length=11, choices=Kind.choices)
    is_on = models.BooleanField(default=False)
    least_confidence = models.FloatField(default=0.9)
    # The largest change of a day's budget, in the workspace's currency.
    most_amount = models.DecimalField(max_digits=20, decimal_places=2, default=Decimal(50))
    demoted_at = models.DateTimeField(null=True, blank=True)
    demoted_because = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "kind"], name="auto_rule_once_per_kind"),
            models.CheckConstraint(
                condition=Q(least_confidence__gte=0.5, least_confidence__lte=1),
                name="auto_rule_confidence_is_a_share",
            ),
            models.CheckConstraint(condition=Q(most_amount__gte=0), name="auto_rule_amount_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by itself: {self.is_on}"


class SpendCap(WorkspaceOwned):
    """A bound that no change may break: of the whole workspace, an account, or a campaign.

    amount: in the workspace's currency, a day.
    """

    class Measure(models.TextChoices):
        DAILY_BUDGET = "daily_budget", "sum of daily budgets"
        DAILY_INCREASE = "daily_increase", "raised in one day"

    measure = models.CharField(max_length=14, choices=Measure.choices)
    connection = WorkspaceForeignKey(
        Connection, on_delete=models.CASCADE, null=True, blank=True, db_index=False
    )
    campaign = WorkspaceForeignKey(
        AdCampaign, on_delete=models.CASCADE, null=True, blank=True, db_index=False
    )
    amount = models.DecimalField(max_digits=20, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "measure", "connection", "campaign"],
                nulls_distinct=False,
                name="spend_cap_once",
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="spend_cap_is_an_amount"),
            models.CheckConstraint(
                condition=Q(connection__isnull=True) | Q(campaign__isnull=True),
                name="spend_cap_has_one_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_measure_display()} at most {self.amount}"
