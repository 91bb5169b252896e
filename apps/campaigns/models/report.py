from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import WorkspaceOwned


class ReportSchedule(WorkspaceOwned):
    """To whom the business report goes by e-mail, and how often.

    done_on: the day for which it was sent last, in the workspace's zone.
    """

    class Cadence(models.TextChoices):
        NEVER = "never"
        WEEKLY = "weekly", "each Monday"
        MONTHLY = "monthly", "on the first of each month"

    cadence = models.CharField(max_length=7, choices=Cadence.choices, default=Cadence.NEVER)
    at_hour = models.PositiveSmallIntegerField(default=8)
    to = ArrayField(models.EmailField(), default=list, blank=True)
    done_on = models.DateField(null=True, blank=True)
    # Why the last one could not be sent, empty when it was.
    trouble = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace"], name="report_schedule_once")]

    def __str__(self) -> str:
        return f"report {self.cadence}"
