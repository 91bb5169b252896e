from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import WorkspaceOwned


class TrailEntry(WorkspaceOwned):
    """One step in the life of something: what happened, in order, chained by digests (trail.py).

    The application's role may add rows and change none; old trails of calls go as a whole
    (call_retention.py). data holds no personal data.
    """

    stream = models.CharField(max_length=80)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "trail entries"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "stream", "position"], name="trail_position_once")
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.position} {self.kind}"
