"""The fakes of a trial tell what became of messages, signed as services do it, where they were asked to."""

from datetime import UTC, datetime

import httpx2
import pytest

from apps.integrations.connectors.email.mailgun import Mailgun
from apps.integrations.connectors.email.resend import Resend
from tests.config.checkout import eventually
from tests.fakes import mailgun, resend
from tests.fakes.server import Fake, Reply, route
from tests.fakes.telling import fate_of
from tests.fakes.town import Town

AT_RESEND = {"Authorization": f"Bearer {resend.KEY}"}
AT_MAILGUN = ("api", mailgun.KEY)
LETTER = {"from": "hello@studio.example", "subject": "Hi", "text": "Hi"}


class Site(Fake):
    """Where webhooks arrive. refusals: how many are answered 503 first."""

    refusals = 0

    @route("POST", r"/hooks/.+")
    def hook(self, request):
        self.refusals -= 1
        return Reply(503 if self.refusals >= 0 else 200)


@pytest.fixture
def site():
    with Site() as one:
        yield one


@pytest.fixture
def door(site):
    with Town() as town, httpx2.Client(base_url=town.url, timeout=5) as client:
        town.fakes["resend"].per_second = 1_000
        asked = {"endpoint": f"{site.url}/hooks/resend", "events": ["email.delivered", "email.bounced"]}
        assert client.post("/resend/webhooks", json=asked, headers=AT_RESEND).status_code == 201
        yield client


def told(site, many):
    """The events that came, once there are so many."""
    eventually(lambda: len(site.seen) >= many, seconds=10)
    return site.seen[:many]


def news_of_resend(seen):
    keys = {"webhook_secret": resend.SECRET}
    assert Resend.verified_id(keys, seen.headers, seen.body, now=datetime.now(UTC))
    return Resend.news(seen.json)


def test_resend_tells_what_the_address_says(door, site):
    for name in ("ada", "bounced"):
        tags = [{"name": "message", "value": name}]
        letter = {**LETTER, "to": [f"{name}@mail.example"], "tags": tags}
        assert door.post("/resend/emails", json=letter, headers=AT_RESEND).status_code == 200

    news = {one.message_id: one for one in map(news_of_resend, told(site, 2))}
    assert news["ada"].state == "delivered"
    assert (news["bounced"].state, news["bounced"].suppresses) == ("bounced", "bounced")


def test_what_is_not_taken_comes_again_as_it_was(door, site):
    site.refusals = 1
    door.post("/resend/emails", json={**LETTER, "to": ["ada@mail.example"]}, headers=AT_RESEND)

    first, second = told(site, 2)
    assert (first.headers["svix-id"], first.body) == (second.headers["svix-id"], second.body)


def test_mailgun_tells_what_it_was_asked_for(door, site):
    domain = mailgun.DOMAIN
    for kind in ("delivered", "complained"):
        asked = {"id": kind, "url": f"{site.url}/hooks/mailgun"}
        path = f"/mailgun/v3/domains/{domain}/webhooks"
        assert door.post(path, data=asked, auth=AT_MAILGUN).status_code == 200
    form = {**LETTER, "to": "bounced@mail.example", "h:Message-Id": "<k1@studio.example>", "v:delivery": "k1"}
    files = {name: (None, text) for name, text in form.items()}
    door.post(f"/mailgun/v3/{domain}/messages", files=files, auth=AT_MAILGUN)

    order = {"service": "mailgun", "event": "complained", "to": "bounced@mail.example"}
    assert door.post("/_tell", json=order).status_code == 202

    [seen] = told(site, 1)
    keys = {"webhook_signing_key": mailgun.SIGNING_KEY}
    assert Mailgun.verified_id(keys, seen.headers, seen.body, now=datetime.now(UTC))
    news = Mailgun.news(seen.json)
    assert (news.state, news.key, news.message_id) == ("complained", "k1", "<k1@studio.example>")


@pytest.mark.parametrize(
    "order",
    [
        {"service": "smtp", "event": "delivered", "to": "ada@mail.example"},
        {"service": "resend", "event": "opened", "to": "ada@mail.example"},
        {"service": "resend", "event": "complained", "to": "ada@mail.example"},
        {"service": "resend", "event": "delivered", "to": "nobody@mail.example"},
    ],
)
def test_an_order_that_cannot_be_followed_is_told_why(door, site, order):
    answer = door.post("/_tell", json=order)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert not site.seen


def test_few_bounce_and_hardly_anybody_complains():
    fates = [fate_of(f"user-{number}@mail.example") for number in range(20_000)]

    assert fates.count("bounced") == pytest.approx(120, abs=40)
    assert fates.count("complained") == pytest.approx(6, abs=6)
