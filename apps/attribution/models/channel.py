from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned


class Channel(WorkspaceOwned):
    """A kind of way in, such as paid social. Its position gives it its colour on every page."""

    key = models.CharField(max_length=60)
    label = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="channel_key_once")]

    def __str__(self) -> str:
        return self.label


class ChannelRule(WorkspaceOwned):
    """One line of the ordered list that derives a touch's channel: the first rule that holds decides.

    An empty condition holds always. Patterns are lower-case; `*` stands for any text, `|` separates
    alternatives.
    """

    position = models.PositiveIntegerField()
    channel_key = models.CharField(max_length=60)
    platform = models.CharField(max_length=300, blank=True)
    event_type = models.CharField(max_length=300, blank=True)
    utm_source = models.CharField(max_length=300, blank=True)
    utm_medium = models.CharField(max_length=300, blank=True)
    utm_campaign = models.CharField(max_length=300, blank=True)
    referrer_host = models.CharField(max_length=300, blank=True)
    click_id = models.CharField(
        max_length=300, blank=True, help_text="gclid, fbclid, li_fat_id, ttclid, twclid, msclkid"
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "position"],
                name="channel_rule_position_once",
                deferrable=models.Deferrable.DEFERRED,
            )
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.channel_key}"


class Source(WorkspaceOwned):
    """Where a touch came from, as far as it says.

    Each distinct (channel, platform, campaign, creative) once.
    """

    channel = WorkspaceForeignKey(Channel, on_delete=models.PROTECT)
    platform = models.CharField(max_length=60)
    campaign_id = models.CharField(max_length=200, blank=True)
    creative_id = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "channel", "platform", "campaign_id", "creative_id"], name="source_once"
            )
        ]

    def __str__(self) -> str:
        return " / ".join(part for part in (self.platform, self.campaign_id, self.creative_id) if part)


class Spend(WorkspaceOwned):
    """What a source cost on a day, in the workspace's currency."""

    source = WorkspaceForeignKey(Source, on_delete=models.PROTECT)
    day = models.DateField()
    amount = models.DecimalField(max_digits=14, decimal_places=4)
    impressions = models.BigIntegerField(null=True, blank=True)
    clicks = models.BigIntegerField(null=True, blank=True)
    # Whether the sender named the channel; null: from before this was kept.
    is_channel_named = models.BooleanField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "spend"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "source", "day"], name="spend_once_per_source_and_day"
            ),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="spend_is_not_negative"),
        ]
        indexes = [models.Index(fields=["workspace", "day"], name="spend_by_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.amount}"
