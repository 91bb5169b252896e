"""Clicks of people become touches of attribution; those of machines do not."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from apps.accounts import people
from apps.accounts.models import OutboxEvent
from apps.attribution import orders
from apps.attribution.models import Touchpoint
from apps.attribution.records import ConversionIn
from apps.campaigns.engagement import settling
from apps.campaigns.models import Engagement, EngagementCount, LedgerEntry
from tests.campaigns import messages
from tests.factories import NOW

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"}
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def sent(workspace):
    return messages.sent(workspace)


def _click(client, sent, link=1, *, at=NOW):
    with time_machine.travel(at, tick=False):
        client.get(sent.link(link), headers=BROWSER)


def test_a_click_becomes_a_touch_of_its_campaign(client, sent):
    _click(client, sent)

    assert settling.settle_some(now=LATER) == 1

    touch = Touchpoint.objects.select_related("source__channel").get()
    assert (touch.person_id, touch.event_type, touch.occurred_at) == (sent.person.pk, "click", NOW)
    assert touch.source.channel.key == "email"
    assert touch.source.campaign_id == str(sent.recipient.campaign.public_id)
    assert touch.source.creative_id == "a"
    assert touch.url == messages.SITES[0]
    assert OutboxEvent.objects.filter(name="campaigns.clicks.settled").count() == 1


def test_a_conversion_after_it_is_the_campaigns(client, sent, api, actor):
    _click(client, sent)
    settling.settle_some(now=LATER)
    sale = ConversionIn(
        conversion_type="purchase",
        revenue=Decimal(100),
        occurred_at=NOW + timedelta(hours=2),
        received_at=NOW + timedelta(hours=2),
        user_id="ada",
        order_id="o-1",
    )
    orders.track_conversion(actor, sale, now=NOW + timedelta(hours=2))

    answer = api.post(
        "/api/v1/attribution/analyze/journey",
        {"user_id": "ada", "model_type": "last_touch"},
        format="json",
    )

    assert answer.status_code == 200, answer.content
    assert "email" in answer.content.decode()
    assert str(sent.recipient.campaign.public_id) in answer.content.decode()


def test_it_waits_until_a_scanner_would_have_shown_itself(client, sent):
    _click(client, sent)

    assert settling.settle_some(now=NOW + timedelta(seconds=30)) is None
    assert not Touchpoint.objects.exists()


def test_told_again_after_a_crash_it_is_one_touch(client, sent):
    _click(client, sent)
    settling.settle_some(now=LATER)
    Engagement.objects.update(told_at=None)

    settling.settle_some(now=LATER)

    assert Touchpoint.objects.count() == 1


def test_a_scanner_that_follows_every_link_leaves_no_touch_and_no_count(client, sent):
    for link in (1, 2, 3):
        _click(client, sent, link, at=NOW + timedelta(seconds=link))
    assert EngagementCount.objects.get().events == 3

    assert settling.settle_some(now=LATER) == 0

    assert not Touchpoint.objects.exists()
    count = EngagementCount.objects.get()
    assert (count.events, count.people, count.machine) == (0, 0, 3)
    assert set(Engagement.objects.values_list("reason", flat=True)) == {"every link"}


def test_a_click_right_after_delivery_is_a_machines_and_the_later_one_is_not(client, sent):
    LedgerEntry.objects.update(at=NOW)
    _click(client, sent, at=NOW + timedelta(seconds=1))
    _click(client, sent, at=NOW + timedelta(seconds=90))

    settling.settle_some(now=LATER)

    machine, person = Engagement.objects.order_by("occurred_at")
    assert (machine.reason, person.is_machine, person.is_first) == ("too soon", False, True)
    assert Touchpoint.objects.get().occurred_at == NOW + timedelta(seconds=90)


def test_whoever_is_merged_meanwhile_is_met_as_their_survivor(client, sent, workspace, actor):
    _click(client, sent)
    survivor = messages.person(workspace, "grace@example.com")
    people.merge(actor, survivor, sent.person, reason="same", now=NOW)

    settling.settle_some(now=LATER)

    assert Touchpoint.objects.get().person_id == survivor.pk


def test_the_sweep_finds_the_workspaces_that_wait(client, sent, other_workspace):
    theirs = messages.sent(other_workspace)
    _click(client, sent)
    _click(client, theirs)

    with time_machine.travel(LATER, tick=False):
        settling.sweep()

    assert Touchpoint.objects.count() == 1
    assert not Engagement.objects.filter(told_at=None).exists()
