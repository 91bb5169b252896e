"""manage.py privacy replay-erasures: after a restore, erase again whoever was erased before."""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts import members, privacy, scoping
from apps.accounts.permissions import system


class Command(BaseCommand):
    help = "Erase again the people who came back with a restored backup."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("deed", choices=["replay-erasures"])
        parser.add_argument("--workspace", metavar="SLUG", help="only this one; all of them otherwise")
        parser.add_argument(
            "--ids",
            type=Path,
            help="file of public ids, one a line, from the log's person.erased since the backup",
        )

    def handle(self, *args: Any, workspace: str | None, ids: Path | None, **_: Any) -> None:
        chosen = [one for one in members.workspaces_for_staff() if workspace in (None, one.slug)]
        if not chosen:
            raise CommandError(f"There is no workspace {workspace!r}.")
        if ids is not None and len(chosen) != 1:
            raise CommandError("--ids speaks of one workspace: name it with --workspace.")
        for one in chosen:
            with scoping.workspace(one):
                actor = system(one.pk, "restore")
                count = privacy.replay_erasures(actor, now=timezone.now(), public_ids=_read(ids))
            self.stdout.write(f"{one.slug}: {count} people erased again.")


def _read(path: Path | None) -> list[UUID]:
    if path is None:
        return []
    try:
        return [UUID(line.strip()) for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}. Give one public id a line.") from error
