from django.db import models

from apps.accounts.models import WorkspaceOwned


class ModeSpell(WorkspaceOwned):
    """A time in which only what cannot wait is done: a day of weddings, or an emergency.

    until: when it ends by itself; ended_at: when it did, or a person ended it.
    """

    class Kind(models.TextChoices):
        SCHEDULED = "scheduled", "wedding day"
        EMERGENCY = "emergency", "emergency"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.CharField(max_length=300, blank=True)
    began_at = models.DateTimeField()
    begun_by = models.CharField(max_length=200)
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "kind"],
                condition=models.Q(ended_at__isnull=True),
                name="mode_spell_once_at_a_time",
            )
        ]
        indexes = [models.Index(fields=["workspace", "-began_at"], name="mode_spells_newest_first")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} until {self.until}"
