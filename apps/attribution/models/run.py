from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Job, WorkspaceForeignKey, WorkspaceOwned


class ModelRun(WorkspaceOwned):
    """One computation of one or more models over one period, with all that decided its result."""

    class Kind(models.TextChoices):
        ANALYSIS = "analysis"
        MARKOV = "markov"

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    # Counts up per workspace and kind (for Markov: per order), so that a person can name a model.
    version = models.PositiveIntegerField()
    # Model names, period, look-back, conversion type, order: everything the caller chose.
    params = models.JSONField()
    params_digest = models.CharField(max_length=64)
    # What the data looked like: equal fingerprints and equal params give equal results.
    data_fingerprint = models.CharField(max_length=64)
    journeys = models.BigIntegerField(null=True)
    conversions = models.BigIntegerField(null=True)
    revenue = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    # Figures of the model as a whole (such as the fitted probability of conversion), by name.
    figures = models.JSONField(default=dict)
    job = WorkspaceForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "params_digest", "-id"], name="run_by_params"),
            models.Index(fields=["workspace", "kind", "-id"], name="run_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"


class Credit(WorkspaceOwned):
    """What one model of a run gave to one group (a channel, or a source within it)."""

    run = WorkspaceForeignKey(ModelRun, on_delete=models.CASCADE, db_index=False)
    model = models.CharField(max_length=30)
    # channel|platform|campaign|creative and the values that name the group, such as {"channel": "email"}.
    group_by = models.CharField(max_length=10)
    group_key = models.CharField(max_length=480)
    conversions = models.FloatField()
    revenue = models.DecimalField(max_digits=18, decimal_places=4)
    share = models.FloatField()
    cost = models.DecimalField(max_digits=18, decimal_places=4, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "run", "model", "group_by", "group_key"], name="credit_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.group_key}"


class CreditErrors(WorkspaceOwned):
    """How sure one model of a run is of what it gave, in one grouping."""

    run = WorkspaceForeignKey(ModelRun, on_delete=models.CASCADE, db_index=False)
    model = models.CharField(max_length=30)
    # channel|platform|campaign|creative
    group_by = models.CharField(max_length=10)
    # By the smallest source id of the group, or "none": standard errors of conversions, revenue, share and
    # revenue share.
    errors = models.JSONField()
    # What the model decided by itself: the order it chose, the channels it gave nothing.
    notes = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "credit errors"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "run", "model", "group_by"], name="credit_errors_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} by {self.group_by}"


class MarkovTransition(WorkspaceOwned):
    """One arrow of a trained chain.

    How often journeys went from one state to the next. Enough to rebuild the model.
    """

    run = WorkspaceForeignKey(ModelRun, on_delete=models.CASCADE, db_index=False)
    # Channel keys joined by " > "; "(start)", "(conversion)" and "(null)" are the ends.
    from_state = models.CharField(max_length=300)
    to_state = models.CharField(max_length=300)
    count = models.FloatField()
    # Sum of conversion values on arrows into "(conversion)".
    value = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "run", "from_state", "to_state"], name="transition_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"
