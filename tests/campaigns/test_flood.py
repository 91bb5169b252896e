"""How often the doors of recipients may be used, and that the way out stays open."""

import pytest

from apps.accounts import consent
from apps.campaigns import message_tokens
from apps.campaigns.models import Engagement
from apps.campaigns.subscriptions import flood
from tests.campaigns import messages
from tests.factories import NOW

BROWSER = {"HTTP_USER_AGENT": "Mozilla/5.0", "REMOTE_ADDR": "203.0.113.7"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def sent(workspace, actor):
    made = messages.sent(workspace)
    consent.record(
        actor, made.person, purpose="news", is_granted=True, source="form", occurred_at=NOW, now=NOW
    )
    return made


@pytest.fixture(autouse=True)
def _few(settings):
    settings.LETTER_REQUESTS_PER_MINUTE = 3


def test_links_of_one_message_have_a_limit(client, sent, workspace):
    other = messages.sent(
        workspace, campaign_=sent.recipient.campaign, to=messages.person(workspace, "other@example.com")
    )

    answers = [client.get(sent.link(1), **BROWSER) for _ in range(5)]

    assert [one.status_code for one in answers] == [302, 302, 302, 429, 429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert "Too many requests" in answers[-1].content.decode()
    assert client.get(other.link(1), **BROWSER).status_code == 302


def test_made_up_links_shut_no_genuine_one_of_their_network(client, sent):
    most = flood.MOST_MADE_UP
    made_up = [client.get(f"/c/{'A' * 32}/1", **BROWSER).status_code for _ in range(most + 2)]
    assert made_up == [404] * most + [429] * 2

    assert client.get(sent.link(1), **BROWSER).status_code == 302


def test_a_picture_is_always_shown_and_not_counted_beyond_the_limit(client, sent, settings):
    for _ in range(settings.LETTER_REQUESTS_PER_MINUTE):
        flood.admit("pictures", message_tokens.read(sent.token))

    assert client.get(f"/o/{sent.token}.gif", **BROWSER).status_code == 200
    assert not Engagement.objects.exists()


def test_the_way_out_is_open_however_much_comes_from_there(client, sent):
    for _ in range(5):
        client.get(sent.link(1), **BROWSER)
        client.get(f"/u/{sent.way_out}", **BROWSER)
        client.post(f"/preferences/{sent.way_out}", **BROWSER)
    most = flood.MOST_MADE_UP
    made_up = [client.post(f"/u/{'A' * 32}", ONE_CLICK, **BROWSER).status_code for _ in range(most + 2)]
    assert made_up == [404] * most + [429] * 2

    assert client.post(f"/u/{sent.way_out}", ONE_CLICK, **BROWSER).status_code == 200
    assert not consent.is_given(sent.person, "news")


def test_leaving_has_a_limit_that_only_the_taken_off_can_reach(client, sent):
    answers = [client.post(f"/u/{sent.way_out}", ONE_CLICK, **BROWSER).status_code for _ in range(4)]

    assert answers == [200] * 3 + [429]
    assert not consent.is_given(sent.person, "news")


def test_without_redis_everything_in_messages_goes_on(client, sent, settings):
    settings.REDIS_URL = "unix:///nobody/listens.sock"

    answers = [client.get(sent.link(1), **BROWSER).status_code for _ in range(5)]

    assert answers == [302] * 5
    assert client.post(f"/u/{sent.way_out}", ONE_CLICK, **BROWSER).status_code == 200
