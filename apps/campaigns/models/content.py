from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceForeignKey, WorkspaceOwned
from apps.campaigns.models.campaign import Campaign


class Content(WorkspaceOwned):
    """One variant of what a campaign says.

    subject, preheader, body: templates (Jinja in a sandbox; the body is Markdown). made_by: a person, a
    model, or our own rules where no model answered; what a person changed is theirs to approve all the same.
    version: the campaign's when this was last changed, so that of two texts under one letter none has the
    other's. has_blocks: it left with texts for some readers alone, and a part of them, by lot, gets what is
    for everybody (content/blocks.py); False as well for what left before there was such a lot.
    """

    class MadeBy(models.TextChoices):
        PERSON = "person"
        MODEL = "model", "language model"
        RULES = "rules", "our own rules, no model"

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    # Of the variant in the experiment.
    key = models.SlugField(max_length=20)
    version = models.PositiveIntegerField(default=1, db_default=1)
    position = models.PositiveSmallIntegerField()
    # Of the people whom variants are tried on, on any scale.
    weight = models.PositiveSmallIntegerField(default=1, db_default=1)
    subject = models.CharField(max_length=300)
    preheader = models.CharField(max_length=300, blank=True)
    body = models.TextField()
    cta_label = models.CharField(max_length=120, blank=True)
    cta_url = models.TextField(blank=True)
    has_blocks = models.BooleanField(default=False, db_default=False, editable=False)
    made_by = models.CharField(max_length=6, choices=MadeBy.choices, default=MadeBy.PERSON)
    angle = models.CharField(max_length=60, blank=True)
    tone = models.CharField(max_length=60, blank=True)
    rationale = models.CharField(max_length=600, blank=True)
    # What was foretold when it was approved: rates with 10/50/90 %, see content/predictions.py.
    prediction = models.JSONField(default=dict, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "campaign", "key"], name="content_key_once"),
            models.CheckConstraint(condition=models.Q(weight__gte=1), name="content_weight_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.subject}"


class Link(WorkspaceOwned):
    """Where a link of a campaign leads, by its number in the message: never an open redirect."""

    campaign = WorkspaceForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    number = models.PositiveSmallIntegerField()
    url = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "campaign", "number"], name="link_once")]

    def __str__(self) -> str:
        return self.url
