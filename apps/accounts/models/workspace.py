from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from apps.accounts.scoping import InScope, WorkspaceManager


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())  # walks through the files of all zones: ten milliseconds


def check_time_zone(name: str) -> None:
    if name not in _time_zones():
        raise ValidationError(f"{name!r} is not a time zone. Use a name such as Europe/London.")


class InWorkspaceManager(models.Manager["Workspace"]):
    """The workspace in scope, and no other."""

    def get_queryset(self) -> models.QuerySet["Workspace"]:
        return super().get_queryset().filter(InScope("id"))


class Workspace(models.Model):
    """A tenant: one company's data, its money and its clock."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    currency = models.CharField(
        max_length=3,
        default="GBP",
        validators=[RegexValidator(r"^[A-Z]{3}$", "Use the three letters of ISO 4217, such as GBP.")],
    )
    time_zone = models.CharField(max_length=64, default="Europe/London", validators=[check_time_zone])
    # Overrides of defaults that a workspace may set: rate limits, exchange rates, look-back.
    settings = models.JSONField(default=dict, blank=True)
    is_demo = models.BooleanField(default=False)
    # Whether event ids that are made up for rows of files begin with the row's time. The database says no of
    # a workspace that an older version opens, which makes them up in another way; this one says yes itself.
    row_ids_have_time = models.BooleanField(default=True, db_default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    objects = InWorkspaceManager()

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class WorkspaceOwned(models.Model):
    """A row of one workspace. The only base class of the house."""

    # No index of its own: each table has one that begins with the workspace, and a plan that picks the bare
    # one while statistics are old reads the whole workspace for a row.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)

    objects = WorkspaceManager()

    class Meta:
        abstract = True


class WorkspaceForeignKey(models.ForeignKey[Any, Any]):
    """A pointer that cannot leave the workspace.

    Tenancy.install adds FOREIGN KEY (workspace_id, this) to the database. is_checked_by_statement: of tables
    that take tens of thousands of rows at once; their parents have to be there before they are
    (statement_keys.py). is_seldom_changed: with it, of rows whose other columns change all the time.
    """

    is_workspace_bound = True

    def __init__(
        self,
        to: Any,
        on_delete: Any,
        *,
        is_checked_by_statement: bool = False,
        is_seldom_changed: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.update(db_constraint=False, related_name="+")
        self.is_checked_by_statement = is_checked_by_statement
        self.is_seldom_changed = is_seldom_changed
        super().__init__(to, on_delete, **kwargs)
