from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Person, Workspace, WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.campaign import Campaign
from apps.campaigns.models.content import Content
from apps.integrations.ids import uuid7


class Recipient(WorkspaceOwned):
    """Somebody whom a campaign wants to reach, as snapshotted; what became of it is in the ledger.

    waiting: for the winner of the test. held_out: gets nothing, and is counted. uncertain: it may have gone,
    and is not sent again. occurrence: tells apart what a triggered campaign sends the same person again,
    empty for a broadcast. chunk: with whom it is sent, 0 for nobody yet. due_at: not before then, and by
    itself; empty: with its chunk. is_timed: due_at is the person's own hour (chosen by past clicks); False:
    by lot at the common hour, to compare with; None: no hour was drawn, as for those who wait for a winner.
    is_counted: the cap of the person counts it already, however often it is tried; counted_on: in which day.

    No index looks at what changes while it is sent, and the pages are half empty, so that settling a row
    touches no index (measured: a third of the time).
    """

    class State(models.TextChoices):
        TO_SEND = "to_send"
        WAITING = "waiting", "waits for the winner"
        HELD_OUT = "held_out"
        SENT = "sent"
        SKIPPED = "skipped"
        REFUSED = "refused"
        UNCERTAIN = "uncertain"

    # The campaign's own foreign key says which workspaces there are.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    campaign = WorkspaceForeignKey(
        Campaign,
        on_delete=models.CASCADE,
        db_index=False,
        is_checked_by_statement=True,
        is_seldom_changed=True,
    )
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True, is_seldom_changed=True
    )
    content = WorkspaceForeignKey(
        Content,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        is_checked_by_statement=True,
        is_seldom_changed=True,
    )
    occurrence = models.CharField(max_length=60, blank=True, default="")
    chunk = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=9, choices=State.choices, default=State.TO_SEND)
    reason = models.CharField(max_length=60, blank=True, default="")
    due_at = models.DateTimeField(null=True, blank=True)
    is_timed = models.BooleanField(null=True, blank=True)
    is_counted = models.BooleanField(default=False, db_default=False)
    counted_on = models.DateField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "campaign", "person", "occurrence"], name="recipient_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["workspace", "campaign", "due_at"],
                condition=Q(due_at__isnull=False),
                name="recipient_due",
            )
        ]

    def __str__(self) -> str:
        return f"recipient {self.pk}"


class SendRun(WorkspaceOwned):
    """A campaign that is being sent, and its place in the queue of all: who has had least for its weight is
    next (vtime).

    is_open: it stands in the queue. due_at: it does not, and comes back then; the sweep sees to it.
    through_person: up to which person the snapshot has come. chunks: the highest number of one.
    winner: what those who wait for the test get, once it is known.
    """

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    weight = models.PositiveSmallIntegerField(default=1)
    vtime = models.FloatField(default=0.0)
    is_open = models.BooleanField(default=True)
    is_paused = models.BooleanField(default=False)
    due_at = models.DateTimeField(null=True, blank=True)
    through_person = models.BigIntegerField(default=0)
    is_snapshotted = models.BooleanField(default=False)
    chunks = models.PositiveIntegerField(default=0)
    winner = WorkspaceForeignKey(Content, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "campaign"], name="send_run_once")]
        indexes = [
            models.Index(fields=["vtime"], condition=Q(is_open=True), name="send_run_queue"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="send_run_asleep"),
            models.Index(
                fields=["workspace", "id"],
                condition=Q(is_snapshotted=False, finished_at__isnull=True),
                name="send_run_to_snapshot",
            ),
        ]

    def __str__(self) -> str:
        return f"run of campaign {self.campaign_id}"


class Chunk(WorkspaceOwned):
    """Some hundred recipients that one worker takes at once. lease_until: whose worker is silent longer has
    lost it.

    Whose: those of its number among the people from first_person to last_person, or the recipients named.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waits for the winner"
        OPEN = "open"
        LEASED = "leased"
        DONE = "done"

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    first_person = models.BigIntegerField(default=0)
    last_person = models.BigIntegerField(default=0)
    recipient_ids = ArrayField(models.BigIntegerField(), null=True, blank=True)
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
            ),
            models.Index(fields=["lease_until"], condition=Q(state="leased"), name="chunk_leased"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of campaign {self.campaign_id}"


class SendBatch(WorkspaceOwned):
    """The journal: at most fifty messages, written down before the first of them leaves.

    settled_at: their fates are in the ledger. One that is not, and whose lease has run out, belonged to a
    worker that died: its messages are uncertain, unless the provider drops what it has had under this key.
    accepted_at: the provider had taken them then, and the ledger has yet to be told: once a chunk, for all of
    its batches. Whom it had not taken was settled with that, and is in the batch no more.
    parted: the keys under which the provider refused more than one message, and was asked for parts of them;
    none where it was not.
    """

    # The campaign's own foreign key says which workspaces there are.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    key = models.UUIDField(default=uuid7, editable=False)
    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    chunk = models.PositiveIntegerField()
    recipient_ids = ArrayField(models.BigIntegerField())
    provider = models.CharField(max_length=40)
    connection_id = models.BigIntegerField()
    begun_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    parted = ArrayField(models.CharField(max_length=200), null=True, blank=True)

    class Meta:
        verbose_name_plural = "send batches"
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="send_batch_once")]
        indexes = [
            models.Index(
                fields=["lease_until"], condition=Q(settled_at__isnull=True), name="send_batch_under_way"
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.key}"


class LedgerEntry(WorkspaceOwned):
    """What happened to a recipient's message, never changed: who got it, when, through whom, or why not.

    later: not taken, and tried again. uncertain: it may have gone; one that was then sent again has an
    accepted entry after it, and may have come twice. batch: with which others it was journalled (SendBatch).
    """

    class Fate(models.TextChoices):
        ACCEPTED = "accepted"
        REFUSED = "refused"
        SKIPPED = "skipped"
        LATER = "later"
        UNCERTAIN = "uncertain"

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    campaign = WorkspaceForeignKey(
        Campaign, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    recipient_id = models.BigIntegerField()
    batch = models.UUIDField(null=True, blank=True)
    fate = models.CharField(max_length=9, choices=Fate.choices)
    reason = models.CharField(max_length=200, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(fields=["workspace", "campaign", "recipient_id"], name="ledger_of_recipient"),
            models.Index(
                fields=["workspace", "provider_id"],
                condition=~Q(provider_id=""),
                name="ledger_of_provider",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fate} {self.recipient_id}"


class SendCount(WorkspaceOwned):
    """How many recipients of a campaign are in a state, counted in the transaction that changes it.

    reason: why they were skipped, else empty.
    """

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    state = models.CharField(max_length=9, choices=Recipient.State.choices)
    reason = models.CharField(max_length=60, blank=True, default="")
    people = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "campaign", "state", "reason"], name="send_count_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.people} {self.state}"


class Pace(WorkspaceOwned):
    """How much of a limit is used up: of a campaign, a sender, a receiving domain.

    full_at: when all that was let through has been paid for at the limit's rate (GCRA). day, used: so many
    were let through on that day, in the workspace's zone.
    """

    key = models.CharField(max_length=200)
    full_at = models.DateTimeField(null=True, blank=True)
    day = models.DateField(null=True, blank=True)
    used = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="pace_once")]

    def __str__(self) -> str:
        return self.key


class PersonDay(WorkspaceOwned):
    """How many messages of campaigns a person was let have on a day, where a workspace caps them."""

    person = WorkspaceForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    day = models.DateField()
    messages = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "person", "day"], name="person_day_once")]

    def __str__(self) -> str:
        return f"{self.messages} on {self.day}"
