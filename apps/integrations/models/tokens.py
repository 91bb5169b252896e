from django.db import models

from apps.accounts.models import WorkspaceOwned


class TokenDay(WorkspaceOwned):
    """What language models may still use today: reserved before a call, settled after (llm/budget.py)."""

    on = models.DateField()
    reserved = models.BigIntegerField(default=0)
    used = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "on"], name="token_day_once"),
            models.CheckConstraint(
                condition=models.Q(reserved__gte=0, used__gte=0), name="token_day_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on}: {self.used:,} used, {self.reserved:,} reserved"
