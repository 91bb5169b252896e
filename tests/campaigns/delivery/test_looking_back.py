"""A cap that is set when messages have left already."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import workspaces
from apps.accounts.permissions import system
from apps.campaigns import delivery
from apps.campaigns.delivery import looking_back
from apps.campaigns.models import PersonDay, Recipient
from tests.campaigns.delivery.conftest import launch, work


@pytest.fixture
def capped(workspace, django_capture_on_commit_callbacks):
    """Set the cap, as the page and the API do."""

    def set_cap(messages, days):
        with django_capture_on_commit_callbacks(execute=True):
            workspaces.change(
                system(workspace.pk),
                now=timezone.now(),
                settings={"delivery": {"cap": {"messages": messages, "days": days}}},
            )

    return set_cap


@pytest.fixture
def sent(campaign, at_smtp):
    """A campaign that has been sent, as many days ago."""

    def send(days_ago=0, **given):
        made = campaign(**given)
        launch(made, now=timezone.now())
        work()
        then = timezone.now() - timedelta(days=days_ago)
        Recipient.objects.filter(campaign=made, state="sent").update(settled_at=then)
        return made

    return send


def test_what_left_before_the_cap_was_set_counts_as_well(people, sent, capped):
    people(2)
    sent()
    sent(days_ago=3)

    capped(2, 7)

    assert delivery.progress(sent()) == delivery.Progress(skipped={"capped": 2})


def test_what_is_older_than_its_days_does_not(people, sent, capped):
    people(2)
    sent(days_ago=7)
    sent(days_ago=9)

    capped(1, 7)

    assert not PersonDay.objects.exists()
    assert delivery.progress(sent()) == delivery.Progress(sent=2)


def test_what_people_wait_for_does_not(people, sent, capped, topic):
    people(2)
    topic.basis = "service"
    topic.save()
    sent()

    capped(1, 7)

    assert not PersonDay.objects.exists()


def test_nothing_counts_twice(people, sent, capped):
    people(3)
    sent()
    sent()
    capped(3, 7)
    assert delivery.progress(sent()) == delivery.Progress(sent=3)  # counted as it leaves

    capped(5, 30)
    assert looking_back.look_back(step=1) == 0

    assert set(PersonDay.objects.values_list("messages", flat=True)) == {3}


def test_a_step_leaves_nobody_out(people, sent, workspace):
    people(5)
    sent()
    workspace.settings |= {"delivery": {"cap": {"messages": 1, "days": 7}}}
    workspace.save(update_fields=["settings"])

    assert looking_back.look_back(step=2) == 5
    assert PersonDay.objects.count() == 5


def test_a_day_is_the_workspaces_own(people, sent, workspace, capped):
    workspace.time_zone = "Pacific/Kiritimati"
    workspace.save(update_fields=["time_zone"])
    people(1)
    sent(days_ago=1)

    capped(1, 7)

    yesterday = (timezone.now() - timedelta(days=1)).astimezone(workspace.zone).date()
    assert PersonDay.objects.get().day == yesterday
