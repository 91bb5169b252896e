from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models.call import Call
from apps.integrations.models.connection import Connection


class SocialAccount(WorkspaceOwned):
    """How an account at a network is used: whether anything may leave, and what may be spent in a day.

    mentions_after: the network's id of the newest mention that was read.
    """

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    is_paused = models.BooleanField(default=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    daily_limit = models.DecimalField(max_digits=8, decimal_places=3)
    currency = models.CharField(max_length=3, default="USD")
    # Figures and mentions cost money where posts do.
    reads_are_on = models.BooleanField(default=True)
    mentions_after = models.CharField(max_length=120, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    read_failed = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "connection"], name="social_account_once"),
            models.CheckConstraint(condition=Q(daily_limit__gte=0), name="social_limit_is_an_amount"),
        ]

    def __str__(self) -> str:
        return f"social account {self.connection_id}"


class SocialPost(WorkspaceOwned):
    """A post on its way to one account, and what became of it.

    body_hash: fingerprint of the text as the network gets it, by which it is found again. prepared: what the
    network gave for its images, used for every attempt. price: what publishing it cost or will.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        APPROVED = "approved"
        QUEUED = "queued"
        MEDIA_UPLOADING = "media_uploading", "images on their way"
        CONTAINER_READY = "container_ready", "images ready"
        PUBLISHING = "publishing"
        PUBLISHED = "published"
        UNKNOWN = "unknown", "fate unknown"
        FAILED = "failed"

    IN_FLIGHT = (
        State.QUEUED,
        State.MEDIA_UPLOADING,
        State.CONTAINER_READY,
        State.PUBLISHING,
        State.UNKNOWN,
    )

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.DRAFT)
    reason = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    link = models.CharField(max_length=2_000, blank=True)
    images = ArrayField(models.CharField(max_length=2_000), default=list, blank=True)
    alts = ArrayField(models.CharField(max_length=1_000, blank=True), default=list, blank=True)
    is_made_with_ai = models.BooleanField(default=False)
    body_hash = models.CharField(max_length=64)
    # Null: as soon as it is approved.
    scheduled_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        "accounts.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    approved_by = models.ForeignKey(
        "accounts.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    call = WorkspaceForeignKey(Call, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    prepared = models.TextField(blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=3, default=0)
    external_id = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=2_000, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    views = models.BigIntegerField(null=True, blank=True)
    reactions = models.BigIntegerField(null=True, blank=True)
    comments = models.BigIntegerField(null=True, blank=True)
    shares = models.BigIntegerField(null=True, blank=True)
    clicks = models.BigIntegerField(null=True, blank=True)
    figures_read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="social_post_public_id_once"),
            models.UniqueConstraint(
                fields=["workspace", "connection"],
                condition=Q(
                    state__in=["queued", "media_uploading", "container_ready", "publishing", "unknown"]
                ),
                name="social_post_one_in_flight",
            ),
            models.CheckConstraint(
                condition=~Q(state="published") | Q(published_at__isnull=False),
                name="social_post_published_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "failed"]) | Q(approved_at__isnull=False),
                name="social_post_leaves_when_approved",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="social_posts_newest"),
            models.Index(
                fields=["scheduled_at"], condition=Q(state="approved"), name="social_posts_to_queue"
            ),
            models.Index(
                fields=["workspace", "call"], condition=Q(call__isnull=False), name="social_posts_by_call"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.text[:60]} ({self.state})"

    @property
    def is_in_flight(self) -> bool:
        return self.state in self.IN_FLIGHT

    @property
    def is_out(self) -> bool:
        return self.state == self.State.PUBLISHED and self.deleted_at is None

    @property
    def is_open(self) -> bool:
        """Whether it may still be changed or thrown away."""
        return self.state in {self.State.DRAFT, self.State.APPROVED, self.State.FAILED}


class SocialSpend(WorkspaceOwned):
    """Money that a deed at a network costs, counted before it is done; what was not done is given back."""

    class Deed(models.TextChoices):
        PUBLISH = "publish"
        LOOK_UP = "look_up", "look up what became of a post"
        FIGURES = "figures"
        MENTIONS = "mentions"
        DELETE = "delete"

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    post = WorkspaceForeignKey(SocialPost, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    deed = models.CharField(max_length=8, choices=Deed.choices)
    # The day in UTC.
    on = models.DateField()
    amount = models.DecimalField(max_digits=8, decimal_places=3)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount__gte=0), name="social_spend_is_an_amount")]
        indexes = [models.Index(fields=["workspace", "connection", "on"], name="social_spend_by_day")]

    def __str__(self) -> str:
        return f"{self.deed} {self.amount}"


class SocialMention(WorkspaceOwned):
    """What somebody wrote of an account, as it was read; forgotten after a while."""

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    external_id = models.CharField(max_length=200)
    author = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=2_000, blank=True)
    at = models.DateTimeField()
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "connection", "external_id"], name="social_mention_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "-at"], name="social_mentions_newest")]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:60]}"


class SocialDay(WorkspaceOwned):
    """An account's figures as they were last read on a day (UTC)."""

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    on = models.DateField()
    followers = models.BigIntegerField(null=True, blank=True)
    views = models.BigIntegerField(null=True, blank=True)
    engagements = models.BigIntegerField(null=True, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "connection", "on"], name="social_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.on}"
