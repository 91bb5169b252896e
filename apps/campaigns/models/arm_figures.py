from django.db import models

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.campaign import Campaign


class ArmFigures(WorkspaceOwned):
    """What became of the people of one arm of a campaign: sums that every reading of it is made from.

    variant: those who were sent the content, from when it left. message: all who were to get one, and
    held_out: all who were not, both from the snapshot, whatever became of it. own_hour, together: those who
    drew their own hour, and those who drew the common one, once all windows are over. blocks, plain: those
    who were sent a content with texts for some, and those who by lot got it as it is for everybody.
    converted: people. The squares are of each person's sum, for the errors of means. People who turned out
    to be one are one.
    """

    class Kind(models.TextChoices):
        VARIANT = "variant"
        MESSAGE = "message", "was to get a message"
        HELD_OUT = "held_out"
        OWN_HOUR = "own_hour"
        TOGETHER = "together", "at the common hour"
        BLOCKS = "blocks", "with texts for some"
        PLAIN = "plain", "with what is for everybody"

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    # 0 where it is of no one variant.
    content_id = models.BigIntegerField(default=0)
    people = models.BigIntegerField(default=0)
    converted = models.BigIntegerField(default=0)
    conversions = models.BigIntegerField(default=0)
    conversions_squared = models.FloatField(default=0.0)
    revenue = models.DecimalField(max_digits=20, decimal_places=2, default=0)
    revenue_squared = models.FloatField(default=0.0)
    # Of hours and blocks: people who clicked within the window. Clicks of variants are counted as they come.
    clicked = models.BigIntegerField(default=0, db_default=0)
    # Of a variant: those who still wait for their message, and when the last one left.
    to_come = models.BigIntegerField(default=0)
    last_sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "figures of arms"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "campaign", "kind", "content_id"], name="arm_figures_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.content_id} of campaign {self.campaign_id}"
