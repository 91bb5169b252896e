"""What only a browser can tell: scripts run, charts are drawn, pages fit, and nobody is kept out."""

import pytest

pytestmark = pytest.mark.e2e

PAGES = [
    "/",
    "/attribution/",
    "/attribution/?model=all",
    "/attribution/channel/email/",
    "/attribution/journeys/",
    "/attribution/experiments/",
    "/attribution/experiments/new/",
    "/attribution/lift-tests/?add=1",
    "/attribution/models/",
    "/attribution/accuracy/",
    "/attribution/goals/",
    "/attribution/goals/edit/",
    "/attribution/channels/",
    "/attribution/first-event/",
    "/attribution/import/",
    "/attribution/data-health/",
    "/optimization/",
    "/optimization/engine/",
    "/optimization/recommendations/",
    "/optimization/log/",
    "/optimization/track-record/",
    "/optimization/limits/",
    "/campaigns/",
    "/campaigns/new/",
    "/campaigns/audiences/",
    "/campaigns/audiences/new/",
    "/campaigns/audiences/new-list/",
    "/campaigns/journeys/",
    "/campaigns/journeys/tasks/",
    "/campaigns/topics/",
    "/campaigns/suppressions/",
    "/campaigns/predictions/",
    "/campaigns/report/",
    "/campaigns/edits/",
    "/campaigns/limits/",
    "/campaigns/switches/",
    "/integrations/",
    "/integrations/connect/meta_ads/",
    "/integrations/connect/slack/",
    "/integrations/status/",
    "/integrations/incidents/",
    "/integrations/rules/",
    "/integrations/wedding-days/",
    "/integrations/conversions/",
    "/integrations/webhooks/",
    "/people/consent/",
    "/jobs/",
    "/settings/workspace/",
    "/settings/members/",
    "/settings/keys/",
    "/settings/audit/",
    "/profile/",
    "/account/2fa/",
    "/api/docs/",
]
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNDRAWN = "document.querySelectorAll('[data-figure]:not([data-state=drawn])').length"
# Swagger's own markup: a version badge as <pre>, colours of its own sheet.
NOT_OURS = {"/api/docs/": ["#swagger-ui"]}


def test_signing_in_leads_to_the_answer(tab):
    seen = tab()
    seen.page.goto("/")

    assert "earned" in seen.page.locator("h1").inner_text()
    assert seen.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_the_overview_draws_all_its_charts(tab, width, theme):
    seen = tab(width=width, theme=theme)
    seen.page.goto("/attribution/")

    seen.page.wait_for_function(f"document.querySelectorAll('.chart svg').length && !{UNDRAWN}")
    assert seen.page.locator(".chart").count() >= 5
    assert seen.complaints == []


@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("address", PAGES)
def test_a_page_fits_and_complains_of_nothing(tab, address, width):
    seen = tab(width=width, theme="dark")
    seen.page.goto(address)

    assert seen.page.evaluate(OVERFLOW) <= 0
    assert seen.complaints == []


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_kept_out(tab, address, theme):
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - installed for these tests alone

    seen = tab(theme=theme)
    seen.page.goto(address)
    found = Axe().run(seen.page, context={"exclude": [NOT_OURS[address]]} if address in NOT_OURS else None)

    barriers = [one for one in found.response["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in barriers] == []


def test_an_event_that_arrives_is_shown_at_once(tab, site):
    seen = tab()
    seen.page.goto("/attribution/first-event/")
    before = seen.page.get_by_text("e2e-spring").count()
    event = {"user_id": "u-e2e", "event_type": "click", "platform": "meta", "campaign_id": "e2e-spring"}
    answer = seen.page.request.post(
        "/api/v1/attribution/track/event",
        data=event,
        headers={"Authorization": f"Bearer {site.login['key']}"},
    )

    assert answer.status == 201
    seen.page.get_by_text("e2e-spring").first.wait_for(timeout=15_000)
    assert before == 0
    assert seen.complaints == []


def test_an_experiment_is_made_and_started_on_the_page(tab):
    seen = tab()
    seen.page.goto("/attribution/experiments/new/")
    seen.page.get_by_label("Name").fill("Does a rosier headline sell more?")
    seen.page.get_by_label("The control's rate, %").fill("10")
    seen.page.get_by_role("button", name="Keep as a draft").click()
    assert "not started" in seen.page.locator("h1").inner_text()

    seen.page.get_by_role("button", name="Start").click()

    assert "Nobody has seen it yet" in seen.page.locator("h1").inner_text()
    assert seen.complaints == []


def test_a_mistake_in_a_form_keeps_what_was_typed(tab):
    seen = tab(width=360)
    seen.page.goto("/attribution/experiments/new/")
    seen.page.get_by_label("Name").fill("Kept")
    seen.page.get_by_role("button", name="Keep as a draft").click()

    assert seen.page.get_by_label("Name").input_value() == "Kept"
    assert seen.page.locator(".errorlist").first.is_visible()


def test_the_keyboard_reaches_the_content_past_the_rail(tab):
    seen = tab()
    seen.page.goto("/attribution/")
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("Enter")

    assert seen.page.evaluate("document.activeElement.id") == "main"
