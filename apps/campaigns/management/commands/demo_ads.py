"""`manage.py demo_ads`: the demo's ad accounts at the fakes, connected and read."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.members import workspaces_for_staff
from apps.accounts.permissions import system
from apps.campaigns import demo
from apps.integrations import http

PATIENCE_SECONDS = 60


class Command(BaseCommand):
    help = "Connect the demo workspace to the ad accounts of the fakes (FAKES_URL), and read them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", default="demo", help="slug of the workspace (default demo)")

    def handle(self, *, workspace: str, **_: Any) -> None:
        if settings.IS_PRODUCTION or not settings.FAKES_URL:
            raise CommandError("This needs the fakes: start with `make run FAKES=9700`.")
        found = next((one for one in workspaces_for_staff() if one.slug == workspace), None)
        if found is None or not found.is_demo:
            raise CommandError(f"There is no demo workspace {workspace!r}: run `manage.py demo` first.")
        _wait_for_fakes()
        with scoping.workspace(found):
            actor, now = system(found.pk, "demo"), timezone.now()
            made = demo.connect(actor, now=now)
            past = demo.recall(actor, now=now)
        names = ", ".join(one.label for one in made) or "nothing new"
        self.stdout.write(f"Connected {names}.{' A past change waits to be measured.' if past else ''}")


def _wait_for_fakes() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            http.send(http.Request(method="GET", url=f"{settings.FAKES_URL}/"), timeout_seconds=5)
            return
        except (http.NotSent, http.Failed) as error:
            if time.monotonic() > deadline:
                raise CommandError(f"The fakes at {settings.FAKES_URL} do not answer: {error}") from error
            time.sleep(0.5)
