"""manage.py audit verify [--workspace SLUG]: whether each workspace's chain of audit entries still holds."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import audit, members, scoping
from apps.accounts.models import AuditSeal, Workspace


class Command(BaseCommand):
    help = "Check the audit chain. Ends with status 1 and names what was changed, moved or deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("deed", choices=["verify"])
        parser.add_argument("--workspace", metavar="SLUG", help="only this one; all of them otherwise")

    def handle(self, *args: Any, workspace: str | None, **options: Any) -> None:
        chosen = [one for one in members.workspaces_for_staff() if workspace in (None, one.slug)]
        if not chosen and workspace is not None:
            raise CommandError(f"There is no workspace {workspace!r}.")
        faults = sum(self._verify(one) for one in chosen)
        if faults:
            raise CommandError(f"{faults} faults. Compare with the heads that were logged as audit.sealed.")

    def _verify(self, workspace: Workspace) -> int:
        faults = 0
        with scoping.workspace(workspace):
            for fault in audit.verify():
                faults += 1
                entry = f" (entry {fault.entry_id})" if fault.entry_id else ""
                self.stderr.write(f"{workspace.slug} at position {fault.position}{entry}: {fault.what}")
            head = AuditSeal.objects.order_by("-position").first()
            waiting = audit.unsealed().count()
        position, digest = (head.position, bytes(head.digest).hex()) if head else (0, "none")
        self.stdout.write(
            f"{workspace.slug}: {position} sealed, {waiting} waiting, {faults} faults, head {digest}"
        )
        return faults
