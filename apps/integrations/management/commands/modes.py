"""manage.py modes [check | emergency | end]: when only what cannot wait is done, in all workspaces."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.integrations import modes


class Command(BaseCommand):
    help = (
        "Say in which workspaces only what cannot wait is done; `check` fails while there is one, so that a "
        "deployment waits; `emergency` and `end` switch by hand."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("deed", nargs="?", choices=["list", "check", "emergency", "end"], default="list")
        parser.add_argument("--workspace", metavar="SLUG", help="only this one; all without it")
        parser.add_argument("--reason", default="")
        parser.add_argument("--hours", type=float, default=4.0)

    def handle(self, *args: Any, deed: str, workspace: str | None, **options: Any) -> None:
        found = _workspaces(workspace)
        if not found and workspace:
            raise CommandError(f"There is no workspace {workspace!r}.")
        for one in found:
            with scoping.workspace(one):
                self._do(deed, one, **options)
        if deed == "check" and (on := [one.slug for one in found if _is_on(one)]):
            raise CommandError(f"Only what cannot wait is done in {', '.join(on)}.")

    def _do(self, deed: str, workspace: Workspace, *, reason: str, hours: float, **_: Any) -> None:
        actor, now = system(workspace.pk, "manage.py modes"), timezone.now()
        try:
            if deed == "emergency":
                modes.begin_emergency(actor, reason=reason, hours=hours, now=now)
            elif deed == "end":
                modes.end(actor, reason=reason, now=now)
        except DomainError as refusal:
            self.stderr.write(f"{workspace.slug}: {_said(refusal)}")
        mode = modes.active(now)
        self.stdout.write(
            f"{workspace.slug}: {f'{mode.name} until {mode.until:%F %H:%M} UTC' if mode else 'off'}"
        )


def _said(refusal: DomainError) -> str:
    return " ".join(text for texts in refusal.errors.values() for text in texts) or refusal.detail


def _is_on(workspace: Workspace) -> bool:
    with scoping.workspace(workspace):
        return modes.active(timezone.now()) is not None


def _workspaces(slug: str | None) -> list[Workspace]:
    with scoping.across_workspaces("workspace.list"):
        rows = Workspace.objects.order_by("slug")
        return list(rows if slug is None else rows.filter(slug=slug))
