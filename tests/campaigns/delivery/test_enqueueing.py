"""Triggered campaigns: many asked for at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Person
from apps.campaigns import delivery, splitting
from apps.campaigns.delivery import queueing
from apps.campaigns.delivery.enqueueing import NotRunning
from apps.campaigns.models import Chunk, Recipient, SendRun
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
    lot = splitting.arms(made, np.array([one.pk for one in everybody]), now=timezone.now())
    arms = dict(zip(everybody, lot.tolist(), strict=True))
    everybody.sort(key=lambda one: -arms[one])  # who is held out, and wakes nobody, last
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


def elsewhere(workspace, deed):
    """Over a connection of its own."""
    try:
        with scoping.workspace(workspace):
            return deed()
    finally:
        connections.close_all()


@committed
def test_a_run_is_not_put_to_rest_under_somebody_who_is_being_added(workspace, campaign, people):
    everybody, made, now = people(2), campaign(kind="triggered"), timezone.now()
    run = launch(made, now=now)
    SendRun.objects.update(is_open=True)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            delivery.enqueue_many(asked_for(made, everybody), now=now)
            resting = pool.submit(elsewhere, workspace, lambda: queueing.rest(run.pk, now=now))
            Event().wait(0.5)
        resting.result(20)

    assert SendRun.objects.get().is_open
    assert queueing.Queue().claim(now=timezone.now()).recipient_ids


@committed
def test_what_is_due_already_is_claimed_while_somebody_is_being_added(workspace, campaign, people):
    everybody, made, now = people(2), campaign(kind="triggered"), timezone.now()
    launch(made, now=now)
    Chunk.objects.create(workspace=workspace, campaign=made, number=1)
    SendRun.objects.update(is_open=True, chunks=1)

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        delivery.enqueue_many(asked_for(made, everybody), now=now)
        claiming = pool.submit(elsewhere, workspace, lambda: queueing.Queue().claim(now=now))
        assert claiming.result(20).number == 1
