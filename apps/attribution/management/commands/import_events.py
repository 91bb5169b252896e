"""`manage.py import_events FILE --workspace W`: store a log of touchpoints and conversions."""

import csv
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from apps.accounts import audit, scoping
from apps.accounts.errors import DomainError
from apps.accounts.members import workspaces_for_staff
from apps.accounts.permissions import system
from apps.attribution import imports
from apps.attribution.import_columns import check_mapping
from apps.attribution.row_files import rows


class Command(BaseCommand):
    help = (
        "Store a CSV, JSON Lines or Parquet file (also .gz) of touchpoints and conversions. Rows that cannot "
        "be stored go to a reject file with the reasons; running it again stores nothing twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--workspace", required=True, help="slug of the workspace")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="which column is which field; repeatable",
        )
        parser.add_argument("--dry-run", action="store_true", help="read and check everything, store nothing")
        parser.add_argument("--rejects", type=Path, help="where rejected rows go (default FILE.rejects.csv)")

    def handle(self, **options: Any) -> None:
        path: Path = options["file"]
        workspace = next((one for one in workspaces_for_staff() if one.slug == options["workspace"]), None)
        if workspace is None:
            raise CommandError(f"There is no workspace {options['workspace']!r}.")
        try:
            with scoping.workspace(workspace):
                self._import(path, system(workspace.pk, "import_events"), options)
        except DomainError as error:
            details = "".join(f"\n  {name}: {' '.join(texts)}" for name, texts in error.errors.items())
            raise CommandError(f"{error.detail}{details}") from error

    def _import(self, path: Path, actor: Any, options: dict[str, Any]) -> None:
        mapping = check_mapping(path, _pairs(options["map"]))
        rejects = options["rejects"] or path.with_name(path.name + ".rejects.csv")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        draft = rejects.with_name(rejects.name + ".part")
        with (
            draft.open("w", newline="", encoding="utf-8") as out,
            Progress(*columns, disable=not self.stderr.isatty()) as bars,
        ):
            writer = csv.writer(out)
            writer.writerow(["line", "errors", "row"])
            total = sum(1 for _ in rows(path)) if self.stderr.isatty() else None
            task = bars.add_task(path.name, total=total)

            def note(tally: imports.Tally) -> None:
                for one in tally.rejects:
                    reasons = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in one.errors.items())
                    writer.writerow([one.line, reasons, imports.printable(one.payload)])
                bars.update(task, completed=tally.rows)

            tally = imports.run(
                actor,
                path,
                mapping=mapping,
                now=timezone.now(),
                is_dry_run=options["dry_run"],
                after_batch=note,
            )
        if not options["dry_run"]:
            counts = {"file": path.name, **tally.counts()}
            audit.record(actor, "events.imported", now=timezone.now(), after=counts)
        self._report(tally, rejects, draft, is_dry_run=options["dry_run"])

    def _report(self, tally: imports.Tally, rejects: Path, draft: Path, *, is_dry_run: bool) -> None:
        if tally.rejected:
            draft.replace(rejects)
        else:
            draft.unlink()
        would = "would be stored or are known" if is_dry_run else "stored"
        self.stdout.write(
            f"{tally.rows:,} rows: {tally.stored:,} {would}, {tally.duplicates:,} known already, "
            f"{tally.rejected:,} set aside" + (f" in {rejects}." if tally.rejected else ".")
        )


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, sign, column = one.partition("=")
        if not sign or not name or not column:
            raise CommandError(f"--map {one!r} should look like user_id=customer_number.")
        pairs[name] = column
    return pairs
