"""Links and pictures of messages, as mail programs and scanners ask for them."""

import pytest
from django.db import connection

from apps.accounts import people, privacy
from apps.campaigns import flags, message_tokens, switches
from apps.campaigns.models import Campaign, Engagement, EngagementCount, Link
from tests.campaigns import messages
from tests.factories import NOW

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@pytest.fixture
def sent(workspace):
    return messages.sent(workspace)


def _get(client, address, **headers):
    return client.get(address, headers={"user-agent": BROWSER, **headers})


def test_a_link_leads_where_its_campaign_says(client, sent):
    answer = _get(client, sent.link(1))

    campaign = Campaign.objects.get()
    assert answer.status_code == 302
    assert answer.headers["Location"] == (
        "https://shop.example/albums?x=1&utm_source=bellwether&utm_medium=email&utm_campaign=spring-albums"
        f"&utm_id={campaign.public_id}&utm_content=a#top"
    )
    assert "no-store" in answer.headers["Cache-Control"]
    heard = Engagement.objects.get()
    assert (heard.kind, heard.link, heard.is_machine, heard.is_first) == ("clicked", 1, False, True)
    assert (heard.campaign_id, heard.person_id) == (campaign.pk, sent.person.pk)


def test_where_tracking_is_switched_off_a_link_leads_on_and_nothing_is_kept(client, sent, actor):
    switches.turn(actor, flags.TRACKING, is_on=False, now=NOW)

    assert _get(client, sent.link(1)).status_code == 302
    assert not Engagement.objects.exists()


def test_a_link_with_utm_parameters_of_its_own_keeps_them(client, sent):
    Link.objects.filter(number=1).update(url="https://shop.example/?UTM_source=paper")

    assert _get(client, sent.link(1)).headers["Location"] == "https://shop.example/?UTM_source=paper"


@pytest.mark.parametrize("number", [4, 99_999, 10**30])
def test_a_number_that_the_campaign_has_not(client, sent, number):
    answer = _get(client, sent.link(number))

    assert answer.status_code == 404
    assert "leads nowhere" in answer.content.decode()
    assert not Engagement.objects.exists()


def test_no_query_string_makes_it_lead_elsewhere(client, sent):
    answer = _get(client, f"{sent.link(2)}?url=https://evil.example&next=//evil.example")

    assert answer.headers["Location"].startswith("https://shop.example/dates?utm_source=")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "file:///etc"])
def test_what_is_no_web_address_is_not_followed(client, sent, url):
    Link.objects.filter(number=1).update(url=url)

    assert _get(client, sent.link(1)).status_code == 404


def test_a_token_that_somebody_made_up(client, sent):
    raw = sent.token
    for token in (raw[:-1] + ("A" if raw[-1] != "A" else "B"), "x", raw[:20], "%00", "é" * 32):
        assert _get(client, f"/c/{token}/1").status_code == 404
        assert client.get(f"/o/{token}.gif").status_code == 404
    assert not Engagement.objects.exists()


def test_a_token_of_another_workspace_leads_into_that_one_alone(client, sent, other_workspace):
    token = message_tokens.issue(other_workspace.pk, sent.recipient.pk)

    assert _get(client, f"/c/{token}/1").status_code == 404


def test_a_double_click_is_one(client, sent):
    for _ in range(3):
        assert _get(client, sent.link(1)).status_code == 302

    assert Engagement.objects.count() == 1
    assert EngagementCount.objects.get().events == 1


def test_a_scanner_does_not_hide_the_person_after_it(client, sent):
    client.head(sent.link(1), headers={"user-agent": BROWSER})
    _get(client, sent.link(1), purpose="prefetch")
    _get(client, sent.link(1))

    machine, person = Engagement.objects.order_by("pk")
    assert (machine.is_machine, machine.reason, machine.is_first) == (True, "head", False)
    assert (person.is_machine, person.is_first) == (False, True)
    count = EngagementCount.objects.get()
    assert (count.events, count.people, count.machine) == (1, 1, 1)


def test_the_honeypot_leads_nowhere_and_is_kept(client, sent):
    assert _get(client, sent.link(0)).status_code == 404

    assert Engagement.objects.get().reason == "honeypot"


def test_the_picture(client, sent):
    answer = client.get(f"/o/{sent.token}.gif", headers={"user-agent": "Mozilla/5.0"})

    assert answer.headers["Content-Type"] == "image/gif"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.content[:6] == b"GIF89a"
    heard = Engagement.objects.get()
    assert (heard.kind, heard.is_machine, heard.reason) == ("opened", True, "proxy")


def test_whoever_was_merged_is_heard_of_as_their_survivor(client, sent, workspace, actor):
    survivor = messages.person(workspace, "grace@example.com")
    people.merge(actor, survivor, sent.person, reason="same", now=NOW)

    _get(client, sent.link(1))

    assert Engagement.objects.get().person_id == survivor.pk


def test_the_link_of_somebody_erased_still_leads_there_and_nothing_is_kept(client, sent, actor):
    privacy.erase(actor, sent.person, reason="asked", now=NOW)

    assert _get(client, sent.link(1)).status_code == 302
    assert not Engagement.objects.exists()


def test_it_is_stored_before_the_answer(client, sent, django_assert_max_num_queries):
    with django_assert_max_num_queries(14):
        _get(client, sent.link(1))
    assert not connection.needs_rollback
