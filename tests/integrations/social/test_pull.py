"""Mentions and figures come in by beat: hourly where that is free, within the limit where it costs money."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from apps.accounts import privacy
from apps.accounts.permissions import system
from apps.integrations import social, social_pull, social_spend
from apps.integrations.models import Connection, SocialDay, SocialMention, SocialPost, SocialSpend
from tests.factories import PersonFactory
from tests.fakes.server import Answer, Reply
from tests.integrations.social.conftest import NETWORKS


def pull(connection):
    return social_pull.pull(connection_id=connection.pk)


def account(connection):
    return social_spend.account_of(connection)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "x_social"])
def test_what_is_free_is_read_every_hour(open_, publish, name):
    fake, connection = open_(name)
    fake.furnish()
    publish(connection)

    assert pull(connection) is True
    assert pull(connection) is False

    post = SocialPost.objects.get()
    assert (bool(post.views), bool(post.figures_read_at), bool(post.url)) == (True, True, True)
    assert SocialDay.objects.get().followers
    assert SocialMention.objects.count() == {"facebook_pages": 2, "instagram": 1}.get(name, 0)
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        assert pull(connection) is True
    assert SocialDay.objects.count() in {1, 2}
    assert SocialMention.objects.count() == {"facebook_pages": 2, "instagram": 1}.get(name, 0)


def test_nothing_is_read_for_money_unasked(open_):
    fake, connection = open_("x_social")

    assert pull(connection) is False
    assert fake.seen == []


def test_what_is_read_for_money_is_counted(open_, publish, boss):
    fake, connection = open_("x_social")
    fake.furnish()
    publish(connection)
    social.set_limit(boss, connection, daily_limit=Decimal(1), reads_are_on=True, now=timezone.now())

    assert pull(connection) is True

    spent = sum(SocialSpend.objects.values_list("amount", flat=True))
    assert spent == fake.bill == Decimal("0.015") + Decimal("0.010") + Decimal("0.015") + Decimal("0.005")
    assert account(connection).mentions_after == "1900"
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert pull(connection) is False


def test_reading_stops_at_the_limit(open_, boss):
    fake, connection = open_("x_social")
    social.set_limit(boss, connection, daily_limit=Decimal("0.02"), reads_are_on=True, now=timezone.now())

    assert pull(connection) is True

    assert fake.bill == Decimal("0.010")
    assert fake.asked("GET", r".*/mentions") == []
    assert "Raise the limit" in account(connection).read_failed


def test_what_the_network_refused_to_show_costs_nothing(open_, boss):
    fake, connection = open_("x_social")
    social.set_limit(boss, connection, daily_limit=Decimal(1), reads_are_on=True, now=timezone.now())
    fake.misbehave(Answer(Reply(403)), path=r"/2/users/.*", times=10)

    assert pull(connection) is True

    assert account(connection).read_failed
    assert social_spend.spent_on(connection, timezone.now().date()) == fake.bill == 0


def test_a_network_that_fails_is_said_and_tried_again(open_):
    fake, connection = open_("facebook_pages")
    fake.misbehave(Answer(Reply(503)), times=9)
    pull(connection)
    assert account(connection).read_failed

    fake.behave()
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        pull(connection)

    assert account(connection).read_failed == ""


def test_mentions_are_forgotten(open_):
    fake, connection = open_("facebook_pages")
    fake.furnish()
    pull(connection)
    SocialMention.objects.update(at=timezone.now() - timedelta(days=91))
    fake.tagged = []

    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        pull(connection)

    assert SocialMention.objects.count() == 0


def test_an_erasure_takes_the_mentions_that_name_somebody(open_, workspace):
    _, connection = open_("facebook_pages")
    person = PersonFactory(workspace=workspace, external_id="ada-7")
    for key, text in (("1", "Thanks from ada-7!"), ("2", "Thanks from ada-77")):
        SocialMention.objects.create(
            workspace=workspace,
            connection=connection,
            external_id=key,
            text=text,
            at=timezone.now(),
            read_at=timezone.now(),
        )

    privacy.erase(system(workspace.pk), person, reason="asked", now=timezone.now())

    assert [one.external_id for one in SocialMention.objects.all()] == ["2"]


def test_the_sweep_asks_every_account_that_works(open_):
    _, connection = open_("facebook_pages")

    assert social_pull.sweep() == 1
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.NEEDS_SIGN_IN)
    assert social_pull.sweep() == 0
