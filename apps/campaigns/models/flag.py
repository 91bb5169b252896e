import zlib
from typing import Any

from django.db import models
from django.db.models.functions import Now
from waffle.models import AbstractUserFlag

from apps.accounts.models import WorkspaceOwned

PARTS = 1_000


class Flag(AbstractUserFlag):
    """A risky capability, over all workspaces: on or off for everyone, or on in a percentage of workspaces.

    A workspace's own word (FlagChoice) may switch off what it has, never on what it has not.
    """

    class Meta(AbstractUserFlag.Meta):
        abstract = False

    def is_on_in(self, workspace_id: int) -> bool:
        """By its place in the percentage, the same at every call; without one it is on."""
        if self.everyone is not None:
            return bool(self.everyone)
        if self.percent is None:
            return True
        place = zlib.crc32(f"{self.name}/{workspace_id}".encode()) % PARTS
        return place < 10 * self.percent

    def is_active(self, request: Any, read_only: bool = False) -> bool:
        """What waffle's own tags and decorators ask: by the request's workspace."""
        workspace_id = getattr(request, "workspace_id", None)
        if not self.pk or workspace_id is None:
            return bool(super().is_active(request, read_only))
        return self.is_on_in(workspace_id)


class FlagChoice(WorkspaceOwned):
    """That a workspace has switched a capability off, or on again."""

    name = models.CharField(max_length=100)
    is_on = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True)
    changed_by = models.CharField(max_length=200)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="flag_choice_once")]

    def __str__(self) -> str:
        return f"{self.name} {'on' if self.is_on else 'off'}"
