from django.db import models

from apps.accounts.models import WorkspaceOwned


class NightCheck(WorkspaceOwned):
    """What the last nightly look at the workspace's books found; see night_checks.py.

    findings: in words, empty where everything is there. crowded: ids with more than a person does.
    """

    checked_at = models.DateTimeField()
    findings = models.JSONField(default=list)
    crowded = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace"], name="night_check_once")]

    def __str__(self) -> str:
        return f"{self.checked_at:%Y-%m-%d}: {len(self.findings)} findings"
