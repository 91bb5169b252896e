from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceOwned
from apps.attribution.lenses import LOOKBACK_DAYS, Lens


class Goal(WorkspaceOwned):
    """A named way to look at journeys: which conversions count, how, and which touches belong to them."""

    class Counting(models.TextChoices):
        EVERY = "every"
        ONCE = "once"

    class Transform(models.TextChoices):
        UNIQUE = "unique"
        EXPOSURE = "exposure"
        FIRST = "first"
        FREQUENCY = "frequency"
        TRIM = "trim"

    class Direct(models.TextChoices):
        KEPT = "kept"
        DROPPED_BESIDE_OTHERS = "dropped_beside_others"

    key = models.SlugField(max_length=60)
    label = models.CharField(max_length=80)
    # Empty: conversions of every type.
    conversion_types = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    lookback_days = models.FloatField(default=LOOKBACK_DAYS)
    counting = models.CharField(max_length=5, choices=Counting.choices, default=Counting.EVERY)
    transform = models.CharField(max_length=9, choices=Transform.choices, default=Transform.UNIQUE)
    # What "trim" keeps; 0 for every other transform.
    trim_touches = models.PositiveSmallIntegerField(default=0)
    direct = models.CharField(max_length=21, choices=Direct.choices, default=Direct.KEPT)
    is_default = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], name="goal_key_once"),
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(is_default=True), name="goal_one_default"
            ),
            models.CheckConstraint(condition=Q(lookback_days__gt=0), name="goal_lookback_is_positive"),
            models.CheckConstraint(
                condition=~Q(is_default=True, archived_at__isnull=False), name="goal_default_is_not_archived"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def lens(self) -> Lens:
        return Lens(
            conversion_types=tuple(sorted(self.conversion_types)),
            lookback_days=self.lookback_days,
            counting=self.counting,  # type: ignore[arg-type] # the column holds these and no others
            transform=self.transform,  # type: ignore[arg-type]
            trim_touches=self.trim_touches,
            direct=self.direct,  # type: ignore[arg-type]
        )
