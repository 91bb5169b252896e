"""A person's deed and a worker's at the same moment: they wait for each other in one order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.accounts import scoping
from apps.campaigns import delivery
from apps.campaigns.delivery import counting, recovering, sending, snapshotting
from apps.campaigns.delivery.queueing import Queue
from apps.campaigns.models import Chunk, SendRun
from tests.conftest import committed

# PostgreSQL looks for a deadlock once, when somebody has waited for a second.
LOOKED = 1.3


def elsewhere(workspace, deed):
    """Over a connection of its own."""
    try:
        with scoping.workspace(workspace):
            return deed()
    finally:
        connections.close_all()


def written_down(campaign, *, now):
    """And nothing sent yet."""
    campaign.starts_at = now + timedelta(hours=1)
    run = delivery.start(campaign, now=now)
    while snapshotting.step(run.pk, now=now):
        pass


def cancelled_while(workspace, campaign, deed):
    """By somebody who has the run already when the worker comes to it."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            SendRun.objects.select_for_update().get()
            working = pool.submit(elsewhere, workspace, deed)
            Event().wait(LOOKED)
            assert not working.done()
            delivery.cancel(campaign, now=timezone.now())
        working.result(20)


@committed
@pytest.mark.parametrize("rate", [60, None])
def test_a_chunk_that_is_given_back_does_not_stand_in_the_way_of_who_cancels(
    workspace, campaign, people, sink, at_smtp, rate
):
    people(4)
    made, now = campaign(rate_per_hour=rate), timezone.now()
    written_down(made, now=now)
    claimed = Queue().claim(now=now)
    SendRun.objects.update(is_open=bool(rate))

    cancelled_while(workspace, made, lambda: sending.send(claimed))

    assert SendRun.objects.get().finished_at
    assert Chunk.objects.get().state == "done"


@committed
def test_nor_of_who_is_still_writing_people_down(workspace, campaign, people, sink, at_smtp):
    people(4)
    made, now = campaign(), timezone.now()
    written_down(made, now=now)
    claimed = Queue().claim(now=now)
    SendRun.objects.update(is_open=False)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            SendRun.objects.select_for_update().get()
            working = pool.submit(elsewhere, workspace, lambda: sending.send(claimed))
            Event().wait(LOOKED)
            assert not working.done()
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '500ms'")
            counting.add(made.pk, {"to_send": 1})
        working.result(20)

    assert Chunk.objects.get().state == "done"


@committed
def test_nor_does_one_that_is_freed(workspace, campaign, people, sink, at_smtp):
    people(4)
    made, now = campaign(), timezone.now()
    written_down(made, now=now)
    Queue().claim(now=now)
    Chunk.objects.update(lease_until=now - timedelta(minutes=1))
    SendRun.objects.update(is_open=False)

    cancelled_while(workspace, made, recovering.recover)

    assert Chunk.objects.get().state == "done"
