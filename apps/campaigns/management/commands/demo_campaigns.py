"""`manage.py demo_campaigns`: campaigns of the demo at the fakes, with one to launch."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.members import workspaces_for_staff
from apps.accounts.models import Membership, Workspace
from apps.campaigns import campaign_demo
from apps.integrations import http, inbound

PATIENCE_SECONDS = 60
SEED = 1
EVENTS = ["email.sent", "email.delivered", "email.bounced", "email.complained"]


class Command(BaseCommand):
    help = "Give the demo workspace a sender, an audience, a past campaign and one to launch (FAKES_URL)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", default="demo", help="slug of the workspace (default demo)")
        parser.add_argument("--key", default="", help="an API key that may track (default the demo's own)")

    def handle(self, *, workspace: str, key: str, **_: Any) -> None:
        if settings.IS_PRODUCTION or not settings.FAKES_URL:
            raise CommandError("This needs the fakes: start with `make run FAKES=9700`.")
        found = next((one for one in workspaces_for_staff() if one.slug == workspace), None)
        if found is None or not found.is_demo:
            raise CommandError(f"There is no demo workspace {workspace!r}: run `manage.py demo` first.")
        with scoping.workspace(found):
            owner = Membership.objects.filter(role=Membership.Role.OWNER).select_related("user").first()
            if owner is None:
                raise CommandError("The demo workspace has no owner: run `manage.py demo` first.")
            approver = campaign_demo.approver_of(found, owner.user_id, owner.user.email)
            rng = np.random.default_rng(SEED)
            made = campaign_demo.prepare(approver, now=timezone.now(), rng=rng)
            told_at = inbound.url_of(made.provider)
        _have_told(told_at)
        _teach(key or _kept_key(found), made.people)
        self.stdout.write(f"{len(made.people):,} people can be written to; “{campaign_demo.DRAFT}” waits.")


def _kept_key(workspace: Workspace) -> str:
    path = Path(settings.BASE_DIR) / ".bellwether" / f"{workspace.slug}.json"
    return str(json.loads(path.read_text())["api_key"]) if path.exists() else ""


def _have_told(url: str) -> None:
    """Have the fake of the provider tell here what becomes of messages, as one asks the provider itself."""
    keys = {"Authorization": f"Bearer {campaign_demo.PROVIDER['api_key']}"}
    _ask("resend/webhooks", {"endpoint": url, "events": EVENTS}, headers=keys)


def _teach(key: str, people: dict[str, str]) -> None:
    """Tell the fake that plays the recipients who they are, and how to report what they buy."""
    _ask("mailboxes/teach", {"site": settings.SITE_URL, "api_key": key, "people": people})


def _ask(path: str, document: dict[str, Any], *, headers: dict[str, str] | None = None) -> None:
    request = http.Request(
        method="POST", url=f"{settings.FAKES_URL}/{path}", headers=headers or {}, json=document
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (trouble := _trouble_with(request)) and time.monotonic() < deadline:
        time.sleep(0.5)
    if trouble:
        raise CommandError(f"The fakes at {settings.FAKES_URL} do not answer: {trouble}")


def _trouble_with(request: http.Request) -> str:
    """Empty once it was taken."""
    try:
        status = http.send(request, timeout_seconds=10).status
    except (http.NotSent, http.Failed) as error:
        return str(error)
    return "" if status < 400 else f"status {status}"
