from django.db import models

from apps.accounts.models import WorkspaceOwned


class MetricPoint(WorkspaceOwned):
    """A metric over one span of time: its count, sum, bounds and sketch. Spans of a longer resolution hold
    the shorter.

    labels: "service=meta_ads,kind=read", sorted, or empty.
    """

    class Resolution(models.IntegerChoices):
        MINUTE = 60
        FIVE_MINUTES = 300
        HOUR = 3_600
        DAY = 86_400

    name = models.CharField(max_length=80)
    labels = models.CharField(max_length=200, blank=True)
    resolution = models.PositiveIntegerField(choices=Resolution.choices)
    at = models.DateTimeField()
    count = models.BigIntegerField()
    total = models.FloatField()
    least = models.FloatField()
    most = models.FloatField()
    sketch = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name", "labels", "resolution", "at"], name="metric_point_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "resolution", "at"], name="metric_points_by_time")]

    def __str__(self) -> str:
        return f"{self.name} {self.at}"


class AlertRule(WorkspaceOwned):
    """When somebody is to be told: a figure of a metric against a bound, for so long."""

    class Severity(models.TextChoices):
        INFO = "info"
        WARNING = "warning"
        ERROR = "error"
        CRITICAL = "critical"

    class Figure(models.TextChoices):
        MEAN = "mean"
        MOST = "most"
        LEAST = "least"
        SUM = "sum"
        COUNT = "count"
        P95 = "p95"
        P99 = "p99"
        LAST = "last"

    class Comparison(models.TextChoices):
        BELOW = "below"
        ABOVE = "above"

    key = models.SlugField(max_length=60)
    title = models.CharField(max_length=160)
    metric = models.CharField(max_length=80)
    labels = models.CharField(max_length=200, blank=True)
    figure = models.CharField(max_length=8, choices=Figure.choices, default=Figure.MEAN)
    comparison = models.CharField(max_length=8, choices=Comparison.choices)
    bound = models.FloatField()
    window_seconds = models.PositiveIntegerField(default=300)
    for_seconds = models.PositiveIntegerField(default=0)
    least_count = models.PositiveIntegerField(default=1)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    # A registered deed (monitoring/actions.py), or empty.
    action = models.CharField(max_length=60, blank=True)
    is_on = models.BooleanField(default=True)
    silenced_until = models.DateTimeField(null=True, blank=True)
    # Since when the condition holds without a break; null while it does not.
    holds_since = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    last_value = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="alert_rule_once")]

    def __str__(self) -> str:
        return self.title


class Incident(WorkspaceOwned):
    """Something is wrong: opened once while it lasts, escalated until somebody takes it, and resolved."""

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        RESOLVED = "resolved"

    public_id = models.UUIDField(editable=False)
    dedup_key = models.CharField(max_length=200)
    title = models.CharField(max_length=200)
    detail = models.CharField(max_length=500, blank=True)
    severity = models.CharField(max_length=8, choices=AlertRule.Severity.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    # How far it was escalated: 0 nobody was told, 1 to 3 the tiers.
    tier = models.PositiveSmallIntegerField(default=0)
    escalate_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        "accounts.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "dedup_key"],
                condition=~models.Q(state="resolved"),
                name="incident_once_while_it_lasts",
            ),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="incident_public_id_once"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-opened_at"], name="incidents_newest_first"),
            models.Index(
                fields=["escalate_at"],
                condition=models.Q(escalate_at__isnull=False),
                name="incidents_to_escalate",
            ),
        ]

    def __str__(self) -> str:
        return self.title
