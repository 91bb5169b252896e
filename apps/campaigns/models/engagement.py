from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, Workspace, WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.campaign import Campaign


class Engagement(WorkspaceOwned):
    """What was heard of a message: each once, whoever tells it how often.

    recipient_id: whose message (Recipient.pk). is_machine: by a scanner or a privacy proxy, for the reason
    named; never counted where something is judged. is_first: the first of its kind that a person did of this
    message. told_at: when attribution was told of a click.
    """

    class Kind(models.TextChoices):
        DELIVERED = "delivered"
        OPENED = "opened"
        CLICKED = "clicked"
        BOUNCED = "bounced"
        COMPLAINED = "complained"
        UNSUBSCRIBED = "unsubscribed"
        REPLIED = "replied"

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    campaign = WorkspaceForeignKey(
        Campaign, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    recipient_id = models.BigIntegerField()
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    content_id = models.BigIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    event_id = models.CharField(max_length=200)
    link = models.PositiveSmallIntegerField(null=True, blank=True)
    is_machine = models.BooleanField(default=False)
    reason = models.CharField(max_length=20, blank=True, db_default="")
    is_first = models.BooleanField(default=False)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "event_id"], name="engagement_once")]
        indexes = [
            models.Index(
                fields=["workspace", "occurred_at"],
                condition=models.Q(kind="clicked", is_machine=False, told_at__isnull=True),
                name="engagement_to_tell",
            ),
            models.Index(
                fields=["workspace", "campaign", "occurred_at"],
                condition=models.Q(kind__in=["bounced", "complained"]),
                name="engagement_of_harm",
            ),
            models.Index(fields=["workspace", "recipient_id"], name="engagement_of_recipient"),
            models.Index(fields=["workspace", "person", "occurred_at"], name="engagement_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class EngagementCount(WorkspaceOwned):
    """Engagement of a campaign's variant, hour by hour, counted in the transaction that stores it.

    events: all of them. people: first ones only. machine: events by scanners and proxies, not in the others.
    """

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    # 0: of no variant that is known.
    content_id = models.BigIntegerField(default=0)
    kind = models.CharField(max_length=12, choices=Engagement.Kind.choices)
    hour = models.DateTimeField()
    events = models.BigIntegerField(default=0)
    people = models.BigIntegerField(default=0)
    machine = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "campaign", "content_id", "kind", "hour"], name="engagement_count_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "hour"], name="engagement_count_by_hour")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.hour:%Y-%m-%d %H}h"
