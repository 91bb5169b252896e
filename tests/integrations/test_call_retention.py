"""Calls that were over long ago are forgotten with their trails; whatever chain is left holds."""

from datetime import timedelta

import pytest
from django.db import ProgrammingError, transaction
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.integrations import call_retention, outbox, trail
from apps.integrations.models import Call, ForwardedConversion, TrailEntry
from tests.conftest import committed

S = Call.State
DAY = timedelta(days=1)


@pytest.fixture
def call(connection):
    """One that was settled so many days ago, with the two steps of its life."""

    def make(key, *, days, state=S.DONE):
        at = timezone.now() - days * DAY
        later = timezone.now() + DAY  # until it is settled here, nobody is to send it
        made = outbox.enqueue(connection, "parcels.send", {}, dedup_key=key, now=at, due_at=later)
        trail.append(trail.Step(made.stream, "done", {"state": state}, at))
        told = {"state": state, "due_at": None, "settled_at": at, "created_at": at}
        Call.objects.filter(pk=made.pk).update(**told)
        return made

    return make


def kept():
    return set(Call.objects.values_list("dedup_key", flat=True))


def with_trail():
    streams = set(TrailEntry.objects.values_list("stream", flat=True))
    return {one.dedup_key for one in Call.objects.all() if one.stream in streams}


def test_what_is_old_and_over_goes_with_its_trail(call):
    for key, days, state in (
        ("old", 401, S.DONE),
        ("off", 500, S.CANCELLED),
        ("young", 399, S.DONE),
        ("dead", 500, S.DEAD),
    ):
        call(key, days=days, state=state)

    assert call_retention.forget() == 2
    assert call_retention.forget() == 0

    assert kept() == with_trail() == {"young", "dead"}
    assert TrailEntry.objects.count() == 4
    assert [fault for one in Call.objects.all() for fault in trail.faults(one.stream)] == []


def test_what_a_conversion_was_told_by_stays_with_its_trail_and_is_not_locked(call, connection):
    told = call("told", days=401)
    ForwardedConversion.objects.create(
        workspace=connection.workspace,
        connection=connection,
        call=told,
        event_id="order-1",
        kind="purchase",
        value=1,
        currency="GBP",
        has_email=False,
        has_phone=False,
        has_click_id=False,
        occurred_at=timezone.now(),
    )

    with CaptureQueriesContext(database) as queries:
        assert call_retention.forget() == 0

    assert kept() == with_trail() == {"told"}
    assert list(trail.faults(told.stream)) == []
    assert not any("integrations_forget_call_trails" in one["sql"] for one in queries)


def test_no_young_trail_and_no_other_can_be_dropped(call):
    young = call("young", days=29)
    trail.append(trail.Step("record:1", "made", {}, timezone.now() - 900 * DAY))

    dropped = trail.forget([young.stream, "record:1"], before=timezone.now() + DAY)

    assert dropped == 0
    assert TrailEntry.objects.count() == 3


@committed
def test_the_application_deletes_no_step_itself(call):
    call("old", days=401)

    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        TrailEntry.objects.all().delete()

    assert call_retention.forget() == 1
    assert TrailEntry.objects.count() == 0
