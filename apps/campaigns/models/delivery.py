from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Person, Workspace, WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.campaign import Campaign
from apps.campaigns.models.content import Content


class Recipient(WorkspaceOwned):
    """Somebody whom a campaign wants to reach, as snapshotted; what became of it is in the ledger.

    arm: to_send; waiting for the winner of the test; held_out, who gets nothing; sent, skipped: settled.
    occurrence: tells apart what a triggered campaign sends the same person again, empty for a broadcast.
    due_at: not before then; empty: as soon as the campaign may.
    """

    class State(models.TextChoices):
        TO_SEND = "to_send"
        WAITING = "waiting", "waits for the winner"
        HELD_OUT = "held_out"
        SENDING = "sending"
        SENT = "sent"
        SKIPPED = "skipped"
        REFUSED = "refused"
        UNCERTAIN = "uncertain"

    # The campaign's own foreign key says which workspaces there are.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    campaign = WorkspaceForeignKey(
        Campaign, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    content = WorkspaceForeignKey(
        Content,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        is_checked_by_statement=True,
    )
    occurrence = models.CharField(max_length=60, blank=True, default="")
    chunk = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=9, choices=State.choices, default=State.TO_SEND)
    reason = models.CharField(max_length=60, blank=True, default="")
    due_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "campaign", "person", "occurrence"], name="recipient_once"
            )
        ]

    def __str__(self) -> str:
        return f"recipient {self.pk}"


class SendRun(WorkspaceOwned):
    """A campaign that is being sent, and its place in the queue of all: who has had least for its weight is
    next (vtime).
    """

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    weight = models.PositiveSmallIntegerField(default=1)
    vtime = models.FloatField(default=0.0)
    is_open = models.BooleanField(default=True)
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "campaign"], name="send_run_once")]
        indexes = [models.Index(fields=["vtime"], condition=Q(is_open=True), name="send_run_queue")]

    def __str__(self) -> str:
        return f"run of campaign {self.campaign_id}"


class Chunk(WorkspaceOwned):
    """Some hundred recipients that one worker takes at once. lease_until: whose worker is silent longer has
    lost it.
    """

    class State(models.TextChoices):
        OPEN = "open"
        LEASED = "leased"
        DONE = "done"

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    due_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    leased_by = models.UUIDField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "campaign", "number"], name="chunk_once")]
        indexes = [
            models.Index(
                fields=["workspace", "campaign", "number"],
                condition=~Q(state="done"),
                name="chunk_not_done",
            )
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of campaign {self.campaign_id}"


class LedgerEntry(WorkspaceOwned):
    """What happened to a recipient's message, never changed: who got it, when, through whom, or why not.

    sending is written before a batch of at most fifty leaves: after a crash those without a later entry are
    uncertain.
    """

    class Fate(models.TextChoices):
        SENDING = "sending"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        SKIPPED = "skipped"
        UNCERTAIN = "uncertain"

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    campaign = WorkspaceForeignKey(
        Campaign, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    recipient_id = models.BigIntegerField()
    batch = models.UUIDField()
    fate = models.CharField(max_length=9, choices=Fate.choices)
    reason = models.CharField(max_length=200, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(fields=["workspace", "campaign", "recipient_id"], name="ledger_of_recipient"),
            models.Index(fields=["workspace", "batch"], name="ledger_of_batch"),
            models.Index(
                fields=["workspace", "provider_id"],
                condition=~Q(provider_id=""),
                name="ledger_of_provider",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fate} {self.recipient_id}"
