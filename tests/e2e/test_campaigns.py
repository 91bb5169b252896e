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
    for address in _addresses(seen.page):
        seen.page.goto(address)
        seen.page.wait_for_function(f"!{UNDRAWN}")
        assert seen.page.evaluate(OVERFLOW) <= 0, address
        assert _barriers(seen.page) == [], address
    assert seen.complaints == []


@pytest.mark.usefixtures("_at_work")
def test_five_variants_are_written_taken_and_changed_as_one_goes(tab):
    seen = tab()
    page = seen.page
    page.goto("/campaigns/new/")
    page.get_by_label("What is it called?").fill("Written for us")
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("link", name=re.compile("Content")).click()
    page.get_by_label("What do you want to say?").fill("The barn is open on 6 June. There is cake.")
    page.get_by_role("button", name="Write five variants").click()
    page.get_by_role("heading", name="Which of them do you want?").wait_for()
    assert page.get_by_text("prior only").or_(page.get_by_text("of yours")).count() >= 5

    page.get_by_role("button", name="Take those").click()
    page.get_by_role("link", name="Variant b").click()
    for subject in ("In our own words", "And once more"):
        page.get_by_label("Subject").fill(subject)
        page.get_by_label("Subject").blur()
        page.get_by_text("Kept at").wait_for()
        page.wait_for_timeout(1_100)

    page.reload()
    assert page.get_by_label("Subject").input_value() == "And once more"
    assert seen.complaints == []


def _addresses(page: Any) -> list[str]:
    """What is there once campaigns are: the past one, and a draft's steps."""
    page.goto("/campaigns/")
    past = page.get_by_role("link", name="Autumn open days").get_attribute("href")
    page.goto("/campaigns/new/")
    page.get_by_label("What is it called?").fill("A draft")
    page.get_by_role("button", name="Begin").click()
    draft = page.url.removesuffix("audience/")
    steps = ("audience", "content", "schedule", "goal", "check")
    return ["/campaigns/", "/campaigns/topics/news/", past, *(f"{draft}{step}/" for step in steps)]


def _barriers(page: Any) -> list[Any]:
    """What keeps people out of the page."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - installed for these tests alone

    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


def _until(page: Any, wanted: str, began: float) -> None:
    """Load the page anew until its first line says so."""
    while not re.search(wanted, page.locator("h1").inner_text()):
        assert time.monotonic() - began < 60 * MINUTES, page.locator("h1").inner_text()
        page.wait_for_timeout(3_000)
        page.reload()
