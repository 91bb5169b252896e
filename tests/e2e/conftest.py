"""The product as it runs, seen through Chromium: a server and services of its own, and a simulated company.

Collected for `make e2e` alone: a browser drives an event loop in this process, in which Django's ORM
refuses to work.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config import embedded
from tests.config.checkout import REPOSITORY, Checkout, eventually
from tests.fakes.town import Town

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = f"No browser is on PATH ({', '.join(BROWSERS)}). On Debian or Ubuntu: apt install chromium"
FILL = """
import django; django.setup()
import json
from django.utils import timezone
from apps.accounts import api_keys, scoping, workspaces
from apps.accounts.models import Membership, User
from apps.accounts.permissions import system
from apps.attribution import demo
now = timezone.now()
made = workspaces.create(now=now, slug="e2e", name="Confetti & Co", currency="GBP", is_demo=True)
user = User.objects.create_user(email="owner@e2e.example", password="a-long-password-9", name="The owner")
with scoping.workspace(made):
    Membership.objects.create(workspace=made, user=user, role="owner")
    demo.fill(system(made.pk), people_count=600, days=100, seed=1, now=now, progress=lambda *_: None)
    key = api_keys.issue(system(made.pk), name="e2e", scopes=["track"], now=now).secret
print(json.dumps({"email": user.email, "password": "a-long-password-9", "key": key}))
"""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if "e2e" in config.option.markexpr else True


@dataclass
class Site:
    """A web server over a company of its own, with every service at its fake, and how to get in. A worker
    runs only where a test starts one.
    """

    checkout: Checkout
    port: int
    town: Town
    login: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def surroundings(self) -> dict[str, str]:
        urls = self.checkout.urls
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": urls.database_url,
            "OWNER_DATABASE_URL": urls.owner_database_url,
            "REDIS_URL": urls.redis_url,
            "SITE_URL": self.address,
            "FAKES_URL": self.town.url,
            "LOG_LEVEL": "ERROR",
        }

    def fill(self) -> None:
        run: dict[str, Any] = {"cwd": REPOSITORY, "env": self.surroundings, "check": True}
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], **run)
        made = subprocess.run([sys.executable, "-c", FILL], **run, capture_output=True, text=True)  # noqa: S603
        self.login = json.loads(made.stdout.splitlines()[-1])

    def serve(self) -> "subprocess.Popen[bytes]":
        listen = ("--host", "127.0.0.1", "--port", str(self.port), "--no-access-log", "--log-level", "error")
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application", *listen]
        server = subprocess.Popen(command, cwd=REPOSITORY, env=self.surroundings)  # noqa: S603 - our own
        eventually(self.listens, seconds=60)
        return server

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    checkout = Checkout(tmp_path_factory.mktemp("e2e"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    town = Town()
    town.start()
    made = Site(checkout, port, town)
    embedded.ensure(checkout.root)
    try:
        made.fill()
        server = made.serve()
        yield made
        server.terminate()
        server.wait(timeout=30)
    finally:
        town.stop()
        embedded.release(checkout.root)
        embedded.stop(checkout.root)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium as the system has it."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.exit(NO_BROWSER, returncode=1)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - installed for these tests alone

    with sync_playwright() as driver:
        # As root, as in a container, Chromium has no sandbox to start; it opens nothing but our own pages.
        opened = driver.chromium.launch(
            executable_path=found, args=["--no-sandbox"] if os.getuid() == 0 else []
        )
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def signed_in(browser: Any, site: Site) -> Any:
    """What a browser keeps of a sign-in."""
    context = browser.new_context(base_url=site.address)
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_label("E-mail").fill(site.login["email"])
    page.get_by_label("Password", exact=True).fill(site.login["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.address}/")
    kept = context.storage_state()
    context.close()
    return kept


@dataclass(frozen=True)
class Tab:
    """A page, and its complaints on the console: script errors, and what the security policy refused."""

    page: Any
    complaints: list[str]


@pytest.fixture
def tab(browser: Any, site: Site, signed_in: Any) -> Iterator[Callable[..., Tab]]:
    """Open a tab as the owner: tab(width=360, theme="dark")."""
    contexts = []

    def opened(*, width: int = 1280, theme: str = "light") -> Tab:
        context = browser.new_context(
            base_url=site.address,
            storage_state=signed_in,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
        )
        contexts.append(context)
        made = Tab(context.new_page(), [])
        made.page.on("console", lambda said: said.type == "error" and made.complaints.append(said.text))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        return made

    yield opened
    for context in contexts:
        context.close()
