"""Budgets in a real browser: the slider answers, the switch is found, and everything is drawn."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.config.checkout import REPOSITORY
from tests.e2e.test_pages import OVERFLOW, UNDRAWN

pytestmark = pytest.mark.e2e

# A company of its own with campaigns, their days, a run, and something in every state.
FILL = """
import django; django.setup()
import json
from datetime import timedelta
from decimal import Decimal
import numpy as np
from django.utils import timezone
from apps.accounts import scoping, workspaces
from apps.accounts.models import Membership, User
from apps.campaigns.models import AutoRule, Change, Outcome, PlanLine, Recommendation
from apps.campaigns.optimization import runs
from apps.integrations.models import AdCampaign, AdDay, Connection
now, rng = timezone.now(), np.random.default_rng(3)
made = workspaces.create(now=now, slug="e2e-budgets", name="Budgets & Co", currency="GBP")
user = User.objects.create_user(email="budgets@e2e.example", password="a-long-password-9", name="The owner")
worth = {"Spring brides": 30, "Venues near you": 9, "Albums & prints": 8, "Brand": 22, "A paused one": 5}
with scoping.workspace(made):
    Membership.objects.create(workspace=made, user=user, role="owner")
    meta = Connection.objects.create(
        workspace=made, service="meta_ads", account="1", label="Meta Ads", state_changed_at=now
    )
    campaigns = []
    for name, each in worth.items():
        campaign = AdCampaign.objects.create(
            workspace=made, connection=meta, external_id=name, name=name, currency="GBP", budget=Decimal(40),
            status="paused" if "paused" in name else "active", budget_kind="daily", read_at=now,
        )
        campaigns.append(campaign)
        spend = 40 * np.exp(rng.normal(0, 0.3, 90))
        revenue = each * spend**0.62 * rng.gamma(40, 1 / 40, 90)
        AdDay.objects.bulk_create(
            AdDay(
                workspace=made, campaign=campaign, on=now.date() - timedelta(days=90 - day), currency="GBP",
                spend=Decimal(f"{spend[day]:.2f}"), impressions=2000, clicks=50, conversions=Decimal(2),
                conversion_value=Decimal(f"{revenue[day]:.2f}"), read_at=now,
            )
            for day in range(90)
        )
    run = runs.make("daily", now=now)
    for number in range(12):
        at = now - timedelta(days=20 + number)
        found = Recommendation.objects.create(
            workspace=made, run=run, kind="budget", campaign=campaigns[number % 4], state="measured",
            title=f"Raise a budget, number {number}", before="40", after="46", currency="GBP", gain=4.0,
            gain_low=1.0, gain_high=7.0, confidence=0.62 + 0.03 * number, reasons=["It pays."],
            expires_at=now, changed_at=at, done_at=at, decided_at=at,
        )
        Change.objects.create(
            workspace=made, recommendation=found, campaign=found.campaign, before="40", after="46",
            day=at.date(), state="done", ordered_by="The owner", created_at=at, settled_at=at,
        )
        Outcome.objects.create(
            workspace=made, recommendation=found, after_days=14, measured_at=now, confidence=found.confidence,
            claimed=4.0, realised=3.0, realised_low=1.0, realised_high=5.0,
            verdict="did_not" if number % 4 == 3 else "came_true", note="14 days after against 28 before.",
        )
    AutoRule.objects.create(
        workspace=made, kind="bid", demoted_at=now, demoted_because="Of 12 claims, 6 came true."
    )
    PlanLine.objects.filter(run=run, campaign=campaigns[3]).update(anomaly="Its spend has tripled.")
    proposed = Recommendation.objects.filter(state="proposed").order_by("-confidence", "-pk").first()
login = {"email": user.email, "password": "a-long-password-9"}
print(json.dumps(login | {"proposed": str(proposed.public_id)}))
"""
PAGES = [
    "/optimization/",
    "/optimization/?total=200",
    "/optimization/?total=x",
    "/optimization/engine/",
    "/optimization/recommendations/",
    "/optimization/recommendations/?state=on_the_way",
    "/optimization/recommendations/{proposed}/",
    "/optimization/log/",
    "/optimization/track-record/",
    "/optimization/limits/",
]


@pytest.fixture(scope="module")
def company(site: Any) -> dict[str, str]:
    run: dict[str, Any] = {"cwd": REPOSITORY, "env": site.surroundings, "check": True}
    made = subprocess.run([sys.executable, "-c", FILL], **run, capture_output=True, text=True)  # noqa: S603
    found: dict[str, str] = json.loads(made.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def inside(browser: Any, site: Any, company: dict[str, str]) -> Any:
    """What a browser keeps of the owner's sign-in."""
    context = browser.new_context(base_url=site.address)
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_label("E-mail").fill(company["email"])
    page.get_by_label("Password", exact=True).fill(company["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.address}/")
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def owner(browser: Any, site: Any, inside: Any) -> Iterator[Callable[..., Any]]:
    """Open a page as the company's owner; what it complains of on the console fails the test."""
    contexts, complaints = [], []

    def opened(address: str, *, width: int = 1280, theme: str = "light") -> Any:
        size = {"width": width, "height": 900}
        context = browser.new_context(
            base_url=site.address, storage_state=inside, viewport=size, color_scheme=theme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("address", PAGES)
def test_a_page_fits_and_the_switch_is_in_sight(owner, company, address, width):
    page = owner(address.format(**company), width=width, theme="dark")

    assert page.evaluate(OVERFLOW) <= 0
    seen = page.get_by_role("button", name="Stop everything").bounding_box()
    assert seen["y"] + seen["height"] <= 300  # without scrolling


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("address", PAGES)
def test_nobody_is_kept_out(owner, company, address, theme):
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - installed for these tests alone

    page = owner(address.format(**company), theme=theme)

    found = Axe().run(page)

    barriers = [one for one in found.response["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in barriers] == []


@pytest.mark.parametrize("address", ["/optimization/", "/optimization/recommendations/{proposed}/"])
def test_every_chart_is_drawn(owner, company, address):
    page = owner(address.format(**company))

    page.wait_for_function(f"document.querySelectorAll('.chart svg').length && !{UNDRAWN}")


def test_the_slider_answers_while_it_is_dragged(owner):
    page = owner("/optimization/")
    slider = page.locator("[type=range]")
    before = page.locator("#tried").inner_text()

    slider.focus()
    slider.fill("200")

    page.locator("#tried").get_by_text("£200 a day at its best would").wait_for(timeout=5_000)
    assert page.locator("#id_total").input_value() == "200"
    assert page.locator("#tried").inner_text() != before
    assert "£200 a day" in page.locator("#said").text_content()
    assert page.url.endswith("/optimization/")


def test_a_total_can_be_typed_by_who_cannot_drag(owner):
    page = owner("/optimization/", width=360)

    page.get_by_label("What if the total were, a day").fill("120")

    page.locator("#tried").get_by_text("£120 a day at its best would").wait_for(timeout=5_000)
    assert page.locator("[type=range]").input_value() == "120"


def test_a_total_beyond_what_is_known_is_named(owner):
    page = owner("/optimization/")

    page.get_by_label("What if the total were, a day").fill("999999")

    page.locator("#tried").get_by_text("further from what is spent today the curves are guesses").wait_for(
        timeout=5_000
    )


def test_everything_is_stopped_by_one_press_and_started_again(owner):
    page = owner("/optimization/recommendations/", width=360)
    page.get_by_label("Why everything is stopped").fill("Wrong prices on the site")

    page.get_by_role("button", name="Stop everything").click()

    page.get_by_text("Everything is stopped since").wait_for()
    assert "Wrong prices on the site" in page.locator(".switch").inner_text()
    assert page.url.endswith("/optimization/recommendations/")
    page.get_by_role("button", name="Start again").click()
    page.get_by_role("button", name="Stop everything").wait_for()


def test_the_engine_shows_that_it_was_asked(owner):
    page = owner("/optimization/")
    asked = []
    page.on("request", lambda one: asked.append(one.url))

    page.get_by_role("button", name="Run it now").click()

    page.locator("#engine").get_by_text("starts as soon as a worker is free").wait_for()
    with page.expect_response(lambda answer: answer.url.endswith("/optimization/engine/"), timeout=10_000):
        pass
    assert page.get_by_role("button", name="Run it now").is_disabled()


def test_one_is_approved_from_the_list_and_says_what_follows(owner):
    page = owner("/optimization/recommendations/")
    titles = page.locator(".proposals h3")
    before, first = titles.count(), titles.first.inner_text()

    page.locator(".proposals > li").first.get_by_role("button", name="Approve").click()

    page.get_by_text("It is approved, and leaves as soon as nothing stands in the way.").wait_for()
    assert page.locator(".proposals h3").count() == before - 1
    assert first in page.locator("table").first.inner_text()
