"""Triggered campaigns: many asked for at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Person
from apps.campaigns import delivery
from apps.campaigns.delivery.enqueueing import NotRunning
from apps.campaigns.models import Recipient
from tests.campaigns.delivery.conftest import launch
from tests.conftest import committed


def asked_for(campaign, people, occurrence="1"):
    return [delivery.Asked(campaign=campaign, person_id=one.pk, occurrence=occurrence) for one in people]


def queries_of(asked):
    with CaptureQueriesContext(connection) as taken:
        delivery.enqueue_many(asked, now=timezone.now())
    return len(taken)


def test_many_cost_as_many_queries_as_one(workspace, campaign, people):
    everybody, made = people(40), campaign(kind="triggered", contents=2, hold_out_share=0.1)
    launch(made, now=timezone.now())
    delivery.enqueue_many(asked_for(made, everybody[:1]), now=timezone.now())

    one = queries_of(asked_for(made, everybody[1:2]))
    many = queries_of(asked_for(made, everybody[2:]))

    assert many == one
    assert Recipient.objects.count() == 40
    assert list(delivery.faults(made)) == []


def test_who_was_merged_is_reached_as_the_survivor_and_once(workspace, campaign, people):
    survivor, absorbed = people(2)
    Person.objects.filter(pk=absorbed.pk).update(merged_into=survivor)
    made = campaign(kind="triggered")
    launch(made, now=timezone.now())

    assert delivery.enqueue_many(asked_for(made, [absorbed, survivor]), now=timezone.now()) == 1

    assert Recipient.objects.get().person == survivor


def test_nobody_is_added_when_one_of_the_campaigns_is_over(workspace, campaign, people):
    everybody = people(2)
    runs, never = campaign(kind="triggered"), campaign(kind="triggered")
    launch(runs, now=timezone.now())

    with pytest.raises(NotRunning):
        delivery.enqueue_many(asked_for(runs, everybody) + asked_for(never, everybody), now=timezone.now())

    assert not Recipient.objects.exists()


@committed
def test_two_who_ask_for_the_same_people_in_other_orders_never_wait_for_each_other(
    workspace, campaign, people
):
    everybody = people(30)
    both = [campaign(kind="triggered"), campaign(kind="triggered")]
    for one in both:
        launch(one, now=timezone.now())
    start = Barrier(2)

    def ask(turn):
        order = everybody[:: 1 if turn else -1]
        try:
            with scoping.workspace(workspace):
                for number in range(10):
                    start.wait(20)
                    asked = [
                        ask
                        for one in both[:: 1 if turn else -1]
                        for ask in asked_for(one, order, str(number))
                    ]
                    with transaction.atomic():
                        delivery.enqueue_many(asked, now=timezone.now())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, [True, False]))

    assert Recipient.objects.count() == 2 * 30 * 10
    assert all(list(delivery.faults(one)) == [] for one in both)
