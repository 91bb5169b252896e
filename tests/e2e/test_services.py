"""The story of the doors, in a browser, with services at their fakes and a worker that does the work:
connect, see campaigns come in and a conversion go out, and hear of what is wrong until it is over.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.config.checkout import REPOSITORY, eventually
from tests.e2e.conftest import Site, Tab
from tests.fakes import resend
from tests.fakes.conversions import CAPI_TOKEN
from tests.fakes.slack import HOOK

pytestmark = pytest.mark.e2e

# What beat does each minute, for the one workspace, without waiting for it.
LOOK = """
import django; django.setup()
from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.integrations.monitoring import health
with scoping.across_workspaces("workspace.list"):
    [workspace] = Workspace.objects.all()
health.look(workspace_id=workspace.pk)
"""
CONNECTION = re.compile(r"/integrations/[0-9a-f-]{36}/$")


@pytest.fixture(scope="module", autouse=True)
def _worker(site: Site) -> Iterator[None]:
    queues = "critical,default,events,calls"
    command = ("-m", "celery", "-A", "config.celery", "worker", "-Q", queues, "-c", "2", "-l", "error")
    worker = subprocess.Popen([sys.executable, *command], cwd=REPOSITORY, env=site.surroundings)  # noqa: S603
    yield
    worker.terminate()
    worker.wait(timeout=60)


@pytest.fixture
def look(site: Site) -> Any:
    def look() -> None:
        command = [sys.executable, "-c", LOOK]
        subprocess.run(command, cwd=REPOSITORY, env=site.surroundings, check=True)  # noqa: S603

    return look


@pytest.fixture
def send(site: Site) -> Any:
    """What a shop sends, with its key."""

    def send(page: Any, path: str, body: dict[str, Any]) -> None:
        key = {"Authorization": f"Bearer {site.login['key']}"}
        answer = page.request.post(f"/api/v1/attribution/{path}", data=body, headers=key)
        assert answer.ok, answer.text()

    return send


def comes(page: Any, text: str, *, seconds: int = 60) -> None:
    """Wait until the page, loaded anew, says so."""

    def is_there() -> bool:
        page.reload()
        return bool(page.get_by_text(text).count())

    eventually(is_there, seconds=seconds)


def connect(seen: Tab, service: str, **fields: str) -> str:
    """Fill in the form of a service and go through its sign-in; answers the address of the connection."""
    seen.page.goto(f"/integrations/connect/{service}/")
    for name, text in fields.items():
        seen.page.locator(f"[name={name}]").fill(text)
    seen.page.locator("main form button[type=submit]").click()
    seen.page.wait_for_url(CONNECTION)
    told = seen.page.locator("h1").inner_text()
    assert "works" in told or "not known yet" in told
    return str(seen.page.url)


@pytest.mark.parametrize(
    ("service", "account", "campaign"),
    [("meta_ads", "1234", "Spring brides"), ("google_ads", "1234567890", "Wedding photographer")],
)
def test_an_ad_account_is_connected_by_signing_in_there_and_its_campaigns_come_in(
    tab, service, account, campaign
):
    seen = tab()

    connect(seen, service, account=account)

    comes(seen.page, campaign)
    assert seen.complaints == []


def test_a_sign_in_that_is_refused_there_connects_nothing_and_says_so(tab):
    seen = tab()
    seen.page.goto("/integrations/signed-in/?error=access_denied")

    assert "Nothing is connected" in seen.page.locator(".toasts").inner_text()


def test_mail_is_connected_by_its_keys(tab):
    seen = tab()
    connect(seen, "resend", account="studio.example", api_key=resend.KEY)
    connect(seen, "mail", account="hello@studio.example")

    seen.page.goto("/integrations/")
    assert "of 2 it is not known yet whether they work" in seen.page.locator("h1").inner_text()
    assert seen.complaints == []


def test_a_conversion_goes_out_an_alert_fires_and_is_over(tab, site, send, look):
    slack, meta = site.town.fakes["slack"], site.town.fakes["meta_conversions"]
    seen = tab()
    connect(seen, "slack", webhook_url=f"https://hooks.slack.com{HOOK}")
    destination = connect(seen, "meta_conversions", account="1234567890", access_token=CAPI_TOKEN)

    def buy(number: int) -> None:
        bought = {"conversion_type": "purchase", "revenue": 100 + number, "order_id": f"e2e-{number}"}
        send(seen.page, "track/conversion", {"user_id": "e2e-bride", **bought})

    def told() -> list[str]:
        return [one.body.decode() for one in meta.seen if one.method == "POST"]

    said = {"ad_user_data": True, "ad_personalization": True}
    send(
        seen.page,
        "identify",
        {"user_id": "e2e-bride", "traits": {"email": "bride@example.com"}, "consent": said},
    )
    buy(1)
    eventually(lambda: any("Purchase" in body for body in told()), seconds=60)
    seen.page.goto("/integrations/conversions/")
    comes(seen.page, "none rejected")
    assert "1 sent" in " ".join(seen.page.locator("h1").inner_text().split())

    meta.token = "revoked there"
    buy(2)
    seen.page.goto(destination)
    comes(seen.page, "needs a look")
    eventually(lambda: look() or "A connection needs a person" in str(slack.messages), seconds=120)
    seen.page.goto("/integrations/incidents/")
    assert "A connection needs a person" in seen.page.locator("main").inner_text()

    meta.token = CAPI_TOKEN
    before = len(slack.messages)
    seen.page.goto(destination)
    seen.page.get_by_role("button", name="Test it").click()
    seen.page.wait_for_url(destination)
    assert "works" in seen.page.locator("h1").inner_text()
    eventually(lambda: len([body for body in told() if "Purchase" in body]) >= 2, seconds=90)
    eventually(lambda: look() or len(slack.messages) > before, seconds=150)
    seen.page.goto("/integrations/incidents/")
    assert "Nothing is wrong" in seen.page.locator("h1").inner_text()
    assert seen.complaints == []


def test_what_is_said_of_a_service_fits_a_narrow_page(tab):
    """Addresses that are to be copied have no space to break at."""
    seen = tab(width=360)
    seen.page.goto("/integrations/")
    links = seen.page.locator("main a[href^='/integrations/connect/']").all()
    addresses = sorted({str(one.get_attribute("href")) for one in links})
    assert len(addresses) > 10
    for address in addresses:
        seen.page.goto(address)
        fits(seen.page)


@pytest.mark.parametrize("width", [1280, 360])
def test_a_post_is_written_approved_published_and_taken_down(tab, site, width):
    facebook = site.town.fakes["facebook_pages"]
    words = f"Spring dates are open, seen at {width}"
    seen = tab(width=width)
    connect(seen, "facebook_pages", account="1001")

    seen.page.goto("/integrations/social/new/")
    seen.page.locator("[name=text]").fill(words)
    for box in seen.page.locator("[name=accounts]").all():
        box.check()
    fits(seen.page)
    seen.page.get_by_role("button", name="Keep as drafts").click()
    seen.page.wait_for_url(re.compile(r"/integrations/social/[0-9a-f-]{36}/$"))
    assert "waits for an approval" in seen.page.locator("main").inner_text()
    fits(seen.page)
    seen.page.get_by_role("button", name="Approve").click()
    comes(seen.page, "It is out")
    assert words in [one["message"] for one in facebook.posts.values()]

    seen.page.get_by_text("Take down").first.click()
    seen.page.get_by_role("button", name="Take down").click()
    eventually(lambda: words not in [one["message"] for one in facebook.posts.values()], seconds=60)
    seen.page.goto("/integrations/social/")
    assert words in seen.page.locator("main").inner_text()
    fits(seen.page)
    assert seen.complaints == []


def fits(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
