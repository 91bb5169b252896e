from django.db import models

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.campaign import Campaign
from apps.campaigns.models.content import Content
from apps.integrations.ids import uuid7


class AiDraft(WorkspaceOwned):
    """Five variants that were asked for, and who wrote them: a model, or our own rules and why.

    brief: as it was asked (content/briefs.py). variants: as content/contract.py promises. why: a word for why
    no model wrote them, reason: the same in a sentence.
    """

    class State(models.TextChoices):
        ASKED = "asked"
        DONE = "done"

    public_id = models.UUIDField(default=uuid7, editable=False)
    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    brief = models.JSONField()
    brief_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=5, choices=State.choices, default=State.ASKED)
    made_by = models.CharField(max_length=6, choices=Content.MadeBy.choices, blank=True)
    why = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    variants = models.JSONField(default=list, blank=True)
    model = models.CharField(max_length=120, blank=True)
    tokens = models.PositiveIntegerField(default=0)
    asked_by = models.CharField(max_length=200, blank=True)
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="ai_draft_public_id_once")
        ]
        indexes = [models.Index(fields=["workspace", "campaign", "-id"], name="ai_draft_of_campaign")]

    def __str__(self) -> str:
        return f"draft {self.public_id}"


class AiSwitch(WorkspaceOwned):
    """Whether language models write here at all. An alert may switch them off; a person switches them on."""

    is_on = models.BooleanField(default=True)
    reason = models.CharField(max_length=300, blank=True)
    changed_by = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "AI switches"
        constraints = [models.UniqueConstraint(fields=["workspace"], name="ai_switch_once")]

    def __str__(self) -> str:
        return f"AI switch {self.pk}"
