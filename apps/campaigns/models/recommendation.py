from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.run import Run
from apps.integrations.ids import uuid7
from apps.integrations.models import AdCampaign


class Kind(models.TextChoices):
    BUDGET = "budget"
    BID = "bid"
    TARGETING = "targeting", "targeting refinement"
    CREATIVE = "creative", "creative rotation"
    BUDGET_TEST = "budget_test", "budget test"


class Recommendation(WorkspaceOwned):
    """A change that would pay, with how sure that is and why, until it was measured.

    target: the platform's id of what is changed within the campaign; empty for the campaign itself. before,
    after: budgets and bids in the account's currency. amount: by how much a day's budget rises (or falls), in
    the workspace's currency; of a test, those of all its campaigns together. gain: of profit a day in the
    workspace's currency, with its 95 % interval.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed"
        APPROVED = "approved"
        EXECUTING = "executing"
        UNKNOWN = "unknown", "fate unknown"
        DONE = "done"
        MEASURED = "measured"
        REJECTED = "rejected"
        EXPIRED = "expired"
        FAILED = "failed"
        ROLLING_BACK = "rolling_back", "being rolled back"
        ROLLED_BACK = "rolled_back", "rolled back"

    OPEN = (State.PROPOSED, State.APPROVED, State.EXECUTING, State.UNKNOWN, State.ROLLING_BACK)
    IN_FLIGHT = (State.EXECUTING, State.UNKNOWN, State.ROLLING_BACK)
    IN_FORCE = (State.DONE, State.MEASURED)

    public_id = models.UUIDField(default=uuid7, editable=False)
    run = WorkspaceForeignKey(Run, on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=11, choices=Kind.choices)
    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    target = models.CharField(max_length=200, blank=True)
    target_name = models.CharField(max_length=400, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PROPOSED)
    state_reason = models.CharField(max_length=300, blank=True)
    title = models.CharField(max_length=300)
    before = models.CharField(max_length=60, blank=True)
    after = models.CharField(max_length=60, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    amount = models.DecimalField(max_digits=20, decimal_places=2, default=0)
    gain = models.FloatField(null=True, blank=True)
    gain_low = models.FloatField(null=True, blank=True)
    gain_high = models.FloatField(null=True, blank=True)
    confidence = models.FloatField()
    reasons = ArrayField(models.CharField(max_length=400))
    doubts = ArrayField(models.CharField(max_length=400), default=list, blank=True)
    # The figures behind it, as they were, for the page of evidence.
    evidence = models.JSONField(default=dict)
    is_doable = models.BooleanField(default=True)
    is_auto = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="recommendation_public_id_once"),
            models.UniqueConstraint(
                fields=["workspace", "campaign", "kind", "target"],
                condition=Q(state__in=["proposed", "approved", "executing", "unknown", "rolling_back"]),
                name="recommendation_one_open",
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1), name="recommendation_confidence_is_a_share"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["done", "measured"]) | Q(done_at__isnull=False),
                name="recommendation_done_at_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "state", "-id"], name="recommendations_by_state"),
            models.Index(fields=["workspace", "run"], name="recommendations_of_run"),
            models.Index(fields=["done_at"], condition=Q(state="done"), name="recommendations_to_measure"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class Approval(WorkspaceOwned):
    """Somebody said yes to a recommendation as it stood: a user, or a program by its key."""

    recommendation = WorkspaceForeignKey(Recommendation, on_delete=models.CASCADE, db_index=False)
    actor_kind = models.CharField(max_length=8)
    actor_id = models.BigIntegerField()
    actor_label = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "recommendation", "actor_kind", "actor_id"],
                name="approval_once_per_actor",
            )
        ]

    def __str__(self) -> str:
        return f"{self.recommendation_id} approved by {self.actor_label}"
