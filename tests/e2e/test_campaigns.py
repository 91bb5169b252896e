"""From the demo's data to a launched A/B campaign with a hold-out, and a result that can be read: in a
browser, with workers, the fake of Resend, and recipients who click and buy.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.config.checkout import REPOSITORY
from tests.e2e.conftest import Site
from tests.e2e.test_pages import OVERFLOW, UNDRAWN
from tests.fakes.mailboxes import Mailboxes

pytestmark = pytest.mark.e2e

MINUTES = 10


@pytest.fixture(scope="module")
def _at_work(site: Site) -> Iterator[None]:
    """A worker for every queue, and beat; the demo's campaigns; recipients who live six times as fast."""
    mailboxes = site.town.fakes["mailboxes"]
    assert isinstance(mailboxes, Mailboxes)
    mailboxes._pace = 6.0
    queues = "default,events,calls,critical,long,delivery"
    command = ("-m", "celery", "-A", "config.celery", "worker", "-B", "-Q", queues, "-c", "2", "-l", "error")
    schedule = ("-s", str(site.checkout.root / "beat"))
    run: dict[str, Any] = {"cwd": REPOSITORY, "env": site.surroundings}
    subprocess.run(  # noqa: S603 - our own
        [sys.executable, "manage.py", "demo_campaigns", "--workspace", "e2e", "--key", site.login["key"]],
        check=True,
        **run,
    )
    worker = subprocess.Popen([sys.executable, *command, *schedule], **run)  # noqa: S603 - our own
    yield
    worker.terminate()
    worker.wait(timeout=60)


@pytest.mark.usefixtures("_at_work")
def test_a_newcomer_gets_to_a_result(tab):
    seen, began = tab(), time.monotonic()
    page = seen.page
    page.goto("/campaigns/")
    page.get_by_role("link", name="Spring open days").click()
    page.get_by_role("heading", name=re.compile("Nothing stands against it")).wait_for()
    page.get_by_role("link", name=re.compile("Goal and test")).click()
    page.get_by_label("Of 100 people, hold out").fill("25")
    page.get_by_label("Of 100 people, hold out").blur()
    page.get_by_text("Kept at").wait_for()
    page.get_by_role("link", name=re.compile("Content")).click()
    page.frame_locator("iframe.letter").get_by_text("first weekend of the season").wait_for()
    page.get_by_role("link", name=re.compile("Check and launch")).click()
    page.get_by_role("button", name=re.compile("Launch it to")).click()
    page.get_by_role("heading", name=re.compile("Sent to")).wait_for(timeout=60_000)

    _until(page, r"more than sending nothing|is ahead|is the winner|won;", began)

    assert seen.complaints == []
    assert time.monotonic() - began < 60 * MINUTES
    assert page.get_by_role("cell", name=re.compile(r"%")).count() > 2


@pytest.mark.usefixtures("_at_work")
@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_campaigns_fit_and_complain_of_nothing(tab, width, theme):
    seen = tab(width=width, theme=theme)
    seen.page.goto("/campaigns/")
    past = seen.page.get_by_role("link", name="Autumn open days").get_attribute("href")
    assert past is not None
    for address in ("/campaigns/", "/campaigns/new/", "/campaigns/switches/", past):
        seen.page.goto(address)
        seen.page.wait_for_function(f"!{UNDRAWN}")
        assert seen.page.evaluate(OVERFLOW) <= 0, address
    assert seen.complaints == []


def _until(page: Any, wanted: str, began: float) -> None:
    """Load the page anew until its first line says so."""
    while not re.search(wanted, page.locator("h1").inner_text()):
        assert time.monotonic() - began < 60 * MINUTES, page.locator("h1").inner_text()
        page.wait_for_timeout(3_000)
        page.reload()
