from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.attribution.models import Experiment
from apps.campaigns.models.audience import Audience
from apps.campaigns.models.topic import Topic
from apps.integrations.ids import uuid7
from apps.integrations.models import Connection


class Campaign(WorkspaceOwned):
    """A message to many, or one that a journey sends: to whom, what, when, why, and how far it has come.

    version: counted up by each change, so that two editors do not undo each other. hold_out_share: of the
    audience, who gets nothing, to prove what the campaign does. test_share: on whom variants are tried before
    the winner goes to the rest. experiment: which variant; lift: message or nothing.
    """

    class Kind(models.TextChoices):
        BROADCAST = "broadcast"
        TRIGGERED = "triggered"

    class State(models.TextChoices):
        DRAFT = "draft"
        SCHEDULED = "scheduled"
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        CANCELLED = "cancelled"

    class AfterCrash(models.TextChoices):
        RESEND = "resend", "send again (a few may get it twice)"
        HOLD = "hold", "leave it (a few may not get it)"

    public_id = models.UUIDField(default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=9, choices=Kind.choices, default=Kind.BROADCAST)
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    state_reason = models.CharField(max_length=300, blank=True)
    version = models.PositiveIntegerField(default=1)
    audience = WorkspaceForeignKey(Audience, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    topic = WorkspaceForeignKey(Topic, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    sender = WorkspaceForeignKey(Connection, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    # The conversion type that it is for, empty for any; how long after the message one still counts.
    goal = models.CharField(max_length=60, blank=True)
    goal_days = models.FloatField(default=7.0)
    starts_at = models.DateTimeField(null=True, blank=True)
    # Hours of the day in which messages may leave, in the recipient's zone where it is known.
    send_from_hour = models.PositiveSmallIntegerField(default=8)
    send_until_hour = models.PositiveSmallIntegerField(default=20)
    is_time_optimised = models.BooleanField(default=False)
    hold_out_share = models.FloatField(default=0.0)
    test_share = models.FloatField(default=1.0)
    test_hours = models.FloatField(default=4.0)
    weight = models.PositiveSmallIntegerField(default=1)
    rate_per_hour = models.PositiveIntegerField(null=True, blank=True)
    after_crash = models.CharField(max_length=6, choices=AfterCrash.choices, default=AfterCrash.RESEND)
    experiment = WorkspaceForeignKey(
        Experiment, on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    lift = WorkspaceForeignKey(Experiment, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    # People snapshotted at the launch, those held out among them.
    recipients = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField()
    created_by = models.CharField(max_length=200, blank=True)
    launched_at = models.DateTimeField(null=True, blank=True)
    launched_by = models.CharField(max_length=200, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    # How the test ended: the key of the variant that the rest gets, empty where none could be named.
    winner = models.CharField(max_length=20, blank=True)
    winner_reason = models.CharField(max_length=300, blank=True)
    winner_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="campaign_public_id_once"),
            models.CheckConstraint(
                condition=Q(hold_out_share__gte=0, hold_out_share__lte=0.5),
                name="campaign_hold_out_at_most_half",
            ),
            models.CheckConstraint(
                condition=Q(test_share__gt=0, test_share__lte=1), name="campaign_test_is_a_share"
            ),
            models.CheckConstraint(condition=Q(weight__gte=1), name="campaign_weight_from_one"),
            models.CheckConstraint(
                condition=Q(send_from_hour__lt=models.F("send_until_hour"), send_until_hour__lte=24),
                name="campaign_window_in_a_day",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="campaign_newest_first"),
            models.Index(fields=["starts_at"], condition=Q(state="scheduled"), name="campaign_scheduled"),
            models.Index(fields=["state", "id"], condition=~Q(state="draft"), name="campaign_at_work"),
        ]

    def __str__(self) -> str:
        return self.name
