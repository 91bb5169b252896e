"""The offline queue in a browser: the network is cut, tabs are closed; nothing is lost or counted twice."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.config.checkout import eventually

pytestmark = pytest.mark.e2e

SCRIPT = Path("apps/accounts/static/accounts/offline.js")
COUNT = """
import django; django.setup()
from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.attribution.models import Touchpoint
with scoping.across_workspaces("house.check"):
    workspace = Workspace.objects.get(slug="e2e")
with scoping.workspace(workspace):
    print(Touchpoint.objects.filter(source__platform="fair").count())
"""
ADD = """async ([device, places]) => {
    for (const place of places)
        await queue.add("event", {user_id: `${device}-${place}`, event_type: "visit", platform: "fair"});
    return queue.waiting();
}"""


def open_queue(page: Any, site: Any, device: str) -> None:
    page.goto("/account/login/")
    page.add_script_tag(path=str(SCRIPT))
    page.evaluate(
        """([device, key]) => {
            self.verdicts = [];
            self.queue = new BellwetherOffline({device, key, name: device,
                told: (event, verdict) => verdicts.push(verdict.verdict)});
        }""",
        [device, site.login["key"]],
    )


def stored(site: Any) -> int:
    run = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", COUNT], env=site.surroundings, capture_output=True, text=True, check=True
    )
    return int(run.stdout)


@pytest.fixture
def context(browser: Any, site: Any) -> Any:
    made = browser.new_context(base_url=site.address, bypass_csp=True)
    yield made
    made.close()


def test_the_client_is_smaller_than_six_kilobytes() -> None:
    assert SCRIPT.stat().st_size < 6_000


def test_what_was_done_offline_outlives_the_tab_and_comes_once(context: Any, site: Any) -> None:
    before = stored(site)
    first = context.new_page()
    open_queue(first, site, "tablet")
    context.set_offline(True)
    assert first.evaluate(ADD, ["tablet", list(range(25))]) == 25
    first.evaluate("queue.sync()")
    assert first.evaluate("queue.waiting()") == 25
    first.close()

    context.set_offline(False)
    second = context.new_page()
    open_queue(second, site, "tablet")
    second.evaluate("queue.start()")
    second.wait_for_function("verdicts.length === 25")

    assert set(second.evaluate("verdicts")) == {"accepted"}
    assert second.evaluate("queue.waiting()") == 0
    assert stored(site) == before + 25


def test_an_answer_that_was_lost_makes_nothing_twice(context: Any, site: Any) -> None:
    before = stored(site)
    page = context.new_page()
    open_queue(page, site, "phone")
    page.evaluate(ADD, ["phone", list(range(7))])

    def lose(route: Any) -> None:
        route.fetch()  # it arrives, and is stored
        route.abort()  # nobody hears of it

    page.route("**/api/v1/sync/batch", lose)
    page.evaluate("queue.sync()")
    assert page.evaluate("queue.waiting()") == 7
    page.unroute("**/api/v1/sync/batch")
    page.evaluate("queue.wait = 0; queue.sync()")

    assert page.evaluate("verdicts") == ["duplicate"] * 7
    assert stored(site) == before + 7


@pytest.mark.parametrize("status", [413, 429])
def test_what_is_too_much_at_once_comes_in_smaller_batches(context: Any, site: Any, status: int) -> None:
    before = stored(site)
    page = context.new_page()
    open_queue(page, site, f"till-{status}")
    page.evaluate(ADD, [f"till-{status}", list(range(20))])

    sizes = page.evaluate(
        """async (status) => {
            const sizes = [], send = queue.send.bind(queue);
            queue.send = async (batch) => {
                sizes.push(batch.length);
                return batch.length > 6 ? new Response("", {status}) : send(batch);
            };
            while (await queue.waiting() && sizes.length < 30) { queue.wait = 0; await queue.sync(); }
            return sizes;
        }""",
        status,
    )

    assert sizes[:4] == [20, 10, 5, 10]
    assert page.evaluate("verdicts") == ["accepted"] * 20
    assert stored(site) == before + 20


def test_two_tabs_bring_one_queue_once(context: Any, site: Any) -> None:
    before = stored(site)
    tabs = [context.new_page() for _ in range(2)]
    for tab in tabs:
        open_queue(tab, site, "kiosk")
    context.set_offline(True)
    for number, tab in enumerate(tabs):
        tab.evaluate(ADD, ["kiosk", [number * 10 + place for place in range(10)]])
    context.set_offline(False)
    for tab in tabs:
        tab.evaluate("queue.start()")
    eventually(lambda: tabs[0].evaluate("queue.waiting()") == 0, seconds=30)

    assert sum(len(tab.evaluate("verdicts")) for tab in tabs) == 20
    assert stored(site) == before + 20


def test_a_batch_that_is_too_large_goes_in_parts(context: Any, site: Any) -> None:
    page = context.new_page()
    open_queue(page, site, "long")
    sizes: list[int] = []

    def watch(request: Any) -> None:
        if request.url.endswith("/sync/batch"):
            sizes.append(1)

    page.on("request", watch)
    page.evaluate(
        """async () => { for (let place = 0; place < 40; place++)
            await queue.add("event", {user_id: `long-${place}`, event_type: "visit", platform: "fair",
                properties: {text: "x".repeat(9000)}}); }"""
    )
    page.evaluate("queue.sync()")

    assert page.evaluate("queue.waiting()") == 0
    assert len(sizes) >= 3
    assert page.evaluate("new Set(verdicts).size") == 1


def test_a_key_that_is_refused_keeps_the_queue_and_says_so(context: Any, site: Any) -> None:
    page = context.new_page()
    open_queue(page, site, "wrong")
    page.evaluate(ADD, ["wrong", [1]])
    page.evaluate(
        "queue.headers = {Authorization: 'Bearer bw_wrong'}; queue.failed = (code) => self.code = code"
    )
    page.evaluate("queue.sync()")

    assert page.evaluate("code") == 401
    assert json.loads(page.evaluate("queue.waiting().then(JSON.stringify)")) == 1
