from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned


class Experiment(WorkspaceOwned):
    """A question put to chance: which of several variants, handed out by lot, does better by one metric."""

    class Unit(models.TextChoices):
        PERSON = "person"
        REFERRAL_ROOT = "referral_root"
        CAMPAIGN = "campaign"
        REGION = "region"
        DAY_BLOCK = "day_block"

    class Reading(models.TextChoices):
        SEND_WINNER = "send_winner"
        PROVE_LIFT = "prove_lift"
        ALWAYS_VALID = "always_valid"

    class State(models.TextChoices):
        DRAFT = "draft"
        RUNNING = "running"
        STOPPED = "stopped"
        DECIDED = "decided"

    key = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    hypothesis = models.TextField(blank=True)
    unit = models.CharField(max_length=14, choices=Unit.choices, default=Unit.PERSON)
    reading = models.CharField(max_length=12, choices=Reading.choices, default=Reading.PROVE_LIFT)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    # A registered metric (experiment_metrics); goal: the conversion type that it counts, empty for all.
    metric = models.CharField(max_length=60, default="conversion")
    goal = models.CharField(max_length=60, blank=True)
    # How long after a first exposure an outcome still counts, and how much before it CUPED looks at.
    outcome_window_days = models.FloatField(default=14.0)
    covariate_days = models.FloatField(default=30.0)
    # Experiments of one layer share no unit: each running one holds a slice of it, traffic_share wide.
    layer = models.CharField(max_length=60, blank=True)
    slice_start = models.FloatField(default=0.0)
    traffic_share = models.FloatField(default=1.0)
    # The workspace's permanent hold-out as it was at the start.
    holdout_share = models.FloatField(default=0.0)
    duration_days = models.FloatField(default=28.0)
    planned_looks = models.PositiveSmallIntegerField(default=5)
    alpha = models.FloatField(default=0.05)
    power = models.FloatField(default=0.8)
    # Relative to the control: 0.1 is one tenth more.
    minimum_effect = models.FloatField(default=0.1)
    # What the control is expected to do: planned_units, over all variants, follows from it.
    baseline = models.FloatField(null=True, blank=True)
    planned_units = models.BigIntegerField(null=True, blank=True)
    reallocate_hours = models.FloatField(default=24.0)
    # When the sweep next has to look or to re-allocate; empty when there is nothing to wait for.
    due_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=120, blank=True)
    decision = models.TextField(blank=True)
    # Whether a person named the winner although the reading did not.
    is_overridden = models.BooleanField(default=False)
    winner = WorkspaceForeignKey(
        "attribution.Variant", on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], name="experiment_key_once"),
            models.CheckConstraint(
                condition=Q(traffic_share__gt=0, traffic_share__lte=1), name="experiment_traffic_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0, holdout_share__lt=1), name="experiment_holdout_is_a_share"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="experiment_newest_first"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="experiment_due"),
        ]

    def __str__(self) -> str:
        return self.name


class Variant(WorkspaceOwned):
    """One of the things compared. Exactly one of an experiment's is the control."""

    experiment = WorkspaceForeignKey(Experiment, on_delete=models.CASCADE, db_index=False)
    key = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    is_control = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "experiment", "key"], name="variant_key_once"),
            models.UniqueConstraint(
                fields=["workspace", "experiment"], condition=Q(is_control=True), name="variant_one_control"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Allocation(WorkspaceOwned):
    """The share that a variant gets in one phase. A phase is never changed: another one follows it."""

    experiment = WorkspaceForeignKey(Experiment, on_delete=models.CASCADE, db_index=False)
    variant = WorkspaceForeignKey(Variant, on_delete=models.CASCADE, db_index=False)
    phase = models.PositiveIntegerField()
    share = models.FloatField()
    starts_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "experiment", "phase", "variant"], name="allocation_once"
            ),
            models.CheckConstraint(condition=Q(share__gte=0, share__lte=1), name="allocation_is_a_share"),
        ]

    def __str__(self) -> str:
        return f"phase {self.phase}: {self.share}"


class Exposure(WorkspaceOwned):
    """The first time that somebody (or something) met a variant.

    unit: what was assigned: a person's key as it was then, a referral root, a campaign, a region, a block of
    days. observed: the key, then, of the person whose outcome counts, 0 where the unit itself is measured.
    person follows merges; unit and observed do not.
    """

    experiment = WorkspaceForeignKey(Experiment, on_delete=models.CASCADE, db_index=False)
    variant = WorkspaceForeignKey(Variant, on_delete=models.CASCADE, db_index=False)
    unit = models.CharField(max_length=200)
    observed = models.BigIntegerField(default=0)
    person = WorkspaceForeignKey(Person, on_delete=models.CASCADE, null=True, blank=True, db_index=False)
    phase = models.PositiveIntegerField()
    first_exposed_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    # The lot of that moment had drawn another variant than the one that was shown.
    is_off_lot = models.BooleanField(default=False, db_default=False)
    # Another variant was seen as well.
    is_mixed = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "experiment", "unit", "observed"], name="exposure_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["workspace", "person", "experiment"],
                condition=Q(person__isnull=False),
                name="exposure_by_person",
            )
        ]

    def __str__(self) -> str:
        return f"exposure {self.pk}"


class Look(WorkspaceOwned):
    """One planned look at an experiment, or one re-allocation: what was seen then, and what followed.

    Never changed.
    """

    experiment = WorkspaceForeignKey(Experiment, on_delete=models.CASCADE, db_index=False)
    number = models.PositiveIntegerField()
    taken_at = models.DateTimeField()
    # Units whose outcome window had passed, and their share of those planned.
    units = models.BigIntegerField()
    information = models.FloatField(null=True, blank=True)
    is_conclusive = models.BooleanField(default=False)
    # Variants found better or worse than the control, here or before: that stands for as long as they are on
    # that side (Holm).
    settled = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    # The variant that this look names, if it names one.
    favours = models.CharField(max_length=60, blank=True)
    verdict = models.TextField()
    # The reading as it was shown. Later looks read on which side a settled variant was; nothing else is
    # computed with.
    figures = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "experiment", "number"], name="look_once")
        ]

    def __str__(self) -> str:
        return f"look {self.number}"
