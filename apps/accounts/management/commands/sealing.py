"""Master keys: make one, see which are in use, exchange them.

To exchange a key: `new-key`, put its line first in SEALING_KEYS, restart everything, `rotate`, and when
`status` no longer shows the old key, take it off the list and restart again.
"""

import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts import key_rotation, scoping, sealing
from apps.accounts.errors import DomainError


class Command(BaseCommand):
    help = "Make a master key, count what each one seals, or seal everything under the first one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        make = deeds.add_parser("new-key", help="print a fresh entry for SEALING_KEYS")
        make.add_argument("key_id", help="a new name, such as 2027-01")
        deeds.add_parser("status", help="how many data keys each master key seals")
        deeds.add_parser("rotate", help="seal every data key under the first master key; safe to repeat")

    def handle(self, *_: Any, deed: str, **options: Any) -> None:
        try:
            getattr(self, f"_{deed.replace('-', '_')}")(**options)
        except (DomainError, ValueError) as error:
            raise CommandError(str(error)) from error

    def _new_key(self, *, key_id: str, **_: Any) -> None:
        self.stdout.write(sealing.new_key(key_id))

    def _status(self, **_: Any) -> None:
        totals: Counter[str] = Counter()
        for workspace_id in key_rotation.workspace_ids():
            with scoping.workspace(workspace_id):
                totals += key_rotation.sealed_by()
        listed = [key.id for key in sealing.ring()]
        for position, key_id in enumerate([*listed, *sorted(set(totals) - set(listed))]):
            note = (
                "NOT IN SEALING_KEYS" if key_id not in listed else "opens" if position else "seals and opens"
            )
            self.stdout.write(f"{key_id}: {totals[key_id]:,} data keys ({note})")

    def _rotate(self, **_: Any) -> None:
        started, total = time.perf_counter(), 0
        for workspace_id in key_rotation.workspace_ids():
            with scoping.workspace(workspace_id):
                done = sum(key_rotation.rotate())
            total += done
            if done:
                self.stdout.write(f"workspace {workspace_id}: {done:,} data keys")
        seconds = time.perf_counter() - started
        self.stdout.write(f"{total:,} data keys sealed under {sealing.ring()[0].id} in {seconds:.1f} s")
