from django.db import models
from django.db.models import Q

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.recommendation import Recommendation
from apps.integrations.ids import uuid7
from apps.integrations.models import AdCampaign, Call


class Change(WorkspaceOwned):
    """An intent, written down before anything is sent, and what became of it.

    step: of a recommendation that is carried out in several (a budget test). before, after: budgets and bids
    in the account's currency, or a status. increase: of a day's budget in the workspace's currency, 0 where
    nothing rises; day: of the workspace's calendar, on which it counts against the caps.
    """

    class Deed(models.TextChoices):
        DO = "do", "carried out"
        UNDO = "undo", "rolled back"

    class State(models.TextChoices):
        SENT = "sent", "on its way"
        UNKNOWN = "unknown", "fate unknown"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    OPEN = (State.SENT, State.UNKNOWN)

    public_id = models.UUIDField(default=uuid7, editable=False)
    recommendation = WorkspaceForeignKey(Recommendation, on_delete=models.CASCADE, db_index=False)
    campaign = WorkspaceForeignKey(AdCampaign, on_delete=models.CASCADE, db_index=False)
    deed = models.CharField(max_length=4, choices=Deed.choices, default=Deed.DO)
    step = models.PositiveSmallIntegerField(default=0)
    before = models.CharField(max_length=60, blank=True)
    after = models.CharField(max_length=60, blank=True)
    increase = models.DecimalField(max_digits=20, decimal_places=2, default=0)
    # The campaign's daily budget once the change is in force, in the workspace's currency.
    budget_after = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    day = models.DateField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.SENT)
    reason = models.CharField(max_length=300, blank=True)
    call = WorkspaceForeignKey(Call, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    ordered_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="change_public_id_once"),
            models.UniqueConstraint(
                fields=["workspace", "recommendation", "campaign", "deed", "step"],
                condition=~Q(state__in=["failed", "cancelled"]),
                name="change_once",
            ),
            # Two changes of one campaign on their way would each see the other's "before" as moved.
            models.UniqueConstraint(
                fields=["workspace", "campaign"],
                condition=Q(state__in=["sent", "unknown"]),
                name="change_one_in_flight_per_campaign",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "day"], name="changes_of_day"),
            models.Index(fields=["workspace", "-id"], name="changes_newest"),
            models.Index(
                fields=["workspace", "call"], condition=Q(call__isnull=False), name="changes_by_call"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.before} to {self.after} ({self.state})"
