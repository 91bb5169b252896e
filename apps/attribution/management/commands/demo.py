"""`manage.py demo`: a workspace full of a simulated company, with a login and an API key to try it."""

import json
import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from apps.accounts import api_keys, scoping, workspaces
from apps.accounts.members import workspaces_for_staff
from apps.accounts.models import Membership, User, Workspace
from apps.accounts.permissions import system
from apps.attribution import demo

EMAIL = "demo@bellwether.example"


class Command(BaseCommand):
    help = "Fill a demo workspace with a simulated company of wedding suppliers, and print how to get in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--people", type=int, default=5_000, help="how many people to simulate (default 5,000)"
        )
        parser.add_argument(
            "--days", type=int, default=180, help="over how many days until today (default 180)"
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="the same seed on the same day gives the same company"
        )
        parser.add_argument("--workspace", default="demo", help="slug of the workspace (default demo)")
        parser.add_argument(
            "--if-empty", action="store_true", help="do nothing but print the login if it is there"
        )

    def handle(self, **options: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("This makes a login with a printed password: it does not run in production.")
        if options["people"] < 1 or options["days"] < 1:
            raise CommandError("--people and --days must be 1 or more.")
        workspace, is_new = self._workspace(options["workspace"])
        with scoping.workspace(workspace):
            if is_new or not options["if_empty"]:
                self._fill(workspace, options)
            self._print(self._login(workspace, renew=is_new))

    def _workspace(self, slug: str) -> tuple[Workspace, bool]:
        found = next((one for one in workspaces_for_staff() if one.slug == slug), None)
        if found is not None and not found.is_demo:
            raise CommandError(f"The workspace {slug!r} holds real data. Choose another --workspace.")
        if found is not None:
            return found, not found.settings.get("demo")
        name = "Confetti & Co (demo)"
        return workspaces.create(slug=slug, name=name, is_demo=True, now=timezone.now()), True

    def _fill(self, workspace: Workspace, options: dict[str, Any]) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}: {task.completed:,.0f}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, transient=True, disable=not self.stdout.isatty()) as bars:
            tasks: dict[str, Any] = {}

            def advance(step: str, rows: int) -> None:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=None)
                bars.advance(tasks[step], rows)

            filled = demo.fill(
                system(workspace.pk, "demo"),
                people_count=options["people"],
                days=options["days"],
                seed=options["seed"],
                now=timezone.now(),
                progress=advance,
            )
        self.stdout.write(
            f"{workspace.name}: {filled.touchpoints:,} touchpoints ({filled.duplicates:,} came twice), "
            f"{filled.conversions:,} conversions, {filled.identified:,} devices tied to their people."
        )

    def _login(self, workspace: Workspace, *, renew: bool) -> dict[str, str]:
        """The login kept beside the embedded services.

        Made anew when the file or what it speaks of is gone.
        """
        path = Path(settings.BASE_DIR) / ".bellwether" / f"{workspace.slug}.json"
        if path.exists() and not renew:
            return dict(json.loads(path.read_text()))
        password = secrets.token_urlsafe(12)
        user, _ = User.objects.get_or_create(email=EMAIL, defaults={"name": "Demo owner", "is_staff": True})
        user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save()
        Membership.objects.get_or_create(
            workspace=workspace, user=user, defaults={"role": Membership.Role.OWNER}
        )
        key = api_keys.issue(system(workspace.pk, "demo"), name="demo", scopes=["admin"], now=timezone.now())
        login = {"url": settings.SITE_URL, "email": EMAIL, "password": password, "api_key": key.secret}
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(login, file, indent=1)
        return login

    def _print(self, login: dict[str, str]) -> None:
        self.stdout.write(f"Sign in as {login['email']} with the password {login['password']}")
        self.stdout.write(f"API key: {login['api_key']}")
