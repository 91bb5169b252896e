"""Tracked events are kept once, whole, and in the right place in time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.accounts import people, scoping
from apps.accounts.models import OutboxEvent, Person
from apps.accounts.permissions import system
from apps.attribution import ingest, parsing, sources
from apps.attribution.models import Source, Touchpoint
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory


def touch(**fields):
    record = {"user_id": "anna", "event_type": "click", "platform": "meta", **fields}
    return parsing.touch(record, received_at=fields.pop("received_at", NOW))


def test_every_field_is_kept(actor):
    given = touch(
        event_id="e",
        campaign_id="c",
        creative_id="v",
        occurred_at="2026-11-01T10:00:00.123456+01:00",
        cost="0.4251",
        url="https://www.example.com/?a=é",
        referrer="https://blog.example/",
        properties={"plan": "studio", "nested": [1, None]},
    )

    ingest.track_event(actor, given, now=NOW)

    kept = Touchpoint.objects.select_related("person", "source__channel").get()
    assert (kept.event_id, kept.event_type, kept.person.external_id) == ("e", "click", "anna")
    assert kept.occurred_at.isoformat() == "2026-11-01T09:00:00.123456+00:00"
    assert (kept.received_at, kept.cost) == (NOW, Decimal("0.4251"))
    assert (kept.url, kept.referrer) == ("https://www.example.com/?a=é", "https://blog.example/")
    assert kept.properties == {"plan": "studio", "nested": [1, None]}
    assert (kept.source.platform, kept.source.campaign_id, kept.source.creative_id) == ("meta", "c", "v")
    assert kept.source.channel.key == "paid_social"


def test_a_batch_with_repeats_stores_each_event_once(actor):
    ingest.track_event(actor, touch(event_id="old", user_id="bert"), now=NOW)
    given = [
        touch(event_id="b"),
        touch(event_id="old", platform="google"),
        touch(event_id="a", platform="google"),
        touch(event_id="b", platform="google", user_id="carl"),
    ]

    verdicts = ingest.track_events(actor, given, now=NOW)

    assert [verdict.is_duplicate for verdict in verdicts] == [False, True, False, True]
    assert [verdict.channel for verdict in verdicts] == [
        "paid_social",
        "paid_social",
        "paid_search",
        "paid_social",
    ]
    assert verdicts[3].person_id == verdicts[0].person_id
    assert Touchpoint.objects.count() == 3


def test_an_event_twice_in_a_batch_belongs_to_whom_it_came_with_first(actor):
    pair = [touch(event_id="e1", user_id=one) for one in ("a", "b")]

    first, second = ingest.track_events(actor, pair, now=NOW)

    stored = Touchpoint.objects.select_related("person").get(event_id="e1")
    assert str(stored.person.public_id) == first.person_id == second.person_id
    assert (first.is_duplicate, second.is_duplicate) == (False, True)


def test_a_late_event_stands_at_the_time_it_happened(actor):
    ingest.track_event(actor, touch(event_id="new"), now=NOW)

    late = touch(event_id="late", occurred_at=(NOW - timedelta(days=9)).isoformat())
    ingest.track_event(actor, late, now=NOW)

    in_order = Touchpoint.objects.order_by("occurred_at").values_list("event_id", flat=True)
    assert list(in_order) == ["late", "new"]


def test_a_source_is_one_row_however_often_it_is_met(actor):
    for creative in ("a", "b", "a"):
        ingest.track_event(actor, touch(campaign_id="c", creative_id=creative), now=NOW)

    assert Source.objects.filter(campaign_id="c").count() == 2


def test_news_tells_of_a_batch_once(actor):
    ingest.track_events(actor, [touch(event_id=f"e{number}") for number in range(5)], now=NOW)
    ingest.track_events(actor, [touch(event_id="e0")], now=NOW)

    told = OutboxEvent.objects.get(name="attribution.touchpoints.stored")
    ids = Touchpoint.objects.order_by("pk").values_list("pk", flat=True)
    assert told.payload == {"first_id": ids[0], "last_id": ids[4], "count": 5}


def test_the_bulk_door_stores_and_counts_the_same(actor):
    given = [touch(event_id=f"e{number % 900}", campaign_id=f"c{number % 7}") for number in range(1_000)]

    first = ingest.store_touchpoints(actor, given, now=NOW)
    again = ingest.store_touchpoints(actor, given, now=NOW)

    assert (first.stored, first.duplicates) == (900, 100)
    assert (again.stored, again.duplicates) == (0, 1_000)
    assert Touchpoint.objects.count() == 900


def test_nothing_to_store_is_no_query(actor):
    with CaptureQueriesContext(connection) as asked:
        assert ingest.track_events(actor, [], now=NOW) == []
        assert ingest.store_touchpoints(actor, [], now=NOW) == ingest.Stored(0, 0)

    assert len(asked) == 0


def test_a_batch_takes_as_many_queries_as_a_single_event(actor):
    ingest.track_event(actor, touch(event_id="first"), now=NOW)

    with CaptureQueriesContext(connection) as single:
        ingest.track_event(actor, touch(event_id="second"), now=NOW)
    with CaptureQueriesContext(connection) as many:
        ingest.track_events(actor, [touch(event_id=f"e{number}") for number in range(500)], now=NOW)

    assert len(many) <= len(single)


def test_touches_of_a_merged_person_go_to_the_survivor(actor):
    ingest.track_event(actor, touch(user_id=None, anonymous_id="browser"), now=NOW)
    ingest.track_event(actor, touch(), now=NOW)
    people.identify(actor, user_id="anna", anonymous_id="browser", now=NOW)

    ingest.track_event(actor, touch(user_id=None, anonymous_id="browser"), now=NOW)

    assert set(Touchpoint.objects.values_list("person__external_id", flat=True)) == {"anna"}


def test_a_rolled_back_source_is_forgotten(actor):
    with pytest.raises(ZeroDivisionError):
        _track_and_fail(actor, touch(campaign_id="gone"))

    assert not [key for _, key in sources._remembered if key.campaign_id == "gone"]
    ingest.track_event(actor, touch(campaign_id="gone"), now=NOW)
    assert Touchpoint.objects.get().source.campaign_id == "gone"


@transaction.atomic
def _track_and_fail(actor, given):
    ingest.track_event(actor, given, now=NOW)
    raise ZeroDivisionError


@committed
def test_the_same_events_from_many_sides_at_once_are_stored_once():
    """Also in opposite orders, where two transactions could wait for each other."""
    workspace = WorkspaceFactory()
    records = [f"e{number}" for number in range(40)]

    def send(number):
        ids = records if number % 2 else records[::-1]
        with scoping.workspace(workspace):
            given = [touch(event_id=one, user_id=f"u{one}", campaign_id=one) for one in ids]
            verdicts = ingest.track_events(system(workspace.pk), given, now=NOW)
        connection.close()
        return {verdict.event_id: verdict for verdict in verdicts}

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))

    for event_id in records:
        said = [answer[event_id] for answer in answers]
        assert sum(not verdict.is_duplicate for verdict in said) == 1
        assert len({verdict.person_id for verdict in said}) == 1
    with scoping.workspace(workspace):
        assert Touchpoint.objects.count() == Person.objects.count() == 40


@committed
def test_a_first_use_from_many_sides_makes_one_set_of_rules_and_channels():
    workspace = WorkspaceFactory()

    def send(number):
        with scoping.workspace(workspace):
            given = [touch(event_id=f"e{number}", channel=f"fair {number % 3}")]
            ingest.track_events(system(workspace.pk), given, now=NOW)
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(16)))

    with scoping.workspace(workspace):
        assert Touchpoint.objects.count() == 16
        assert Source.objects.count() == 3


@committed
def test_events_during_a_merge_are_not_left_behind():
    workspace = WorkspaceFactory()
    actor = system(workspace.pk)
    with scoping.workspace(workspace):
        ingest.track_event(actor, touch(user_id=None, anonymous_id="browser"), now=NOW)
        ingest.track_event(actor, touch(), now=NOW)

    def send(number):
        with scoping.workspace(workspace):
            if number == 7:
                people.identify(actor, user_id="anna", anonymous_id="browser", now=NOW)
            else:
                ingest.track_event(actor, touch(user_id=None, anonymous_id="browser"), now=NOW)
        connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(send, range(20)))

    with scoping.workspace(workspace):
        assert set(Touchpoint.objects.values_list("person__external_id", flat=True)) == {"anna"}
        assert Touchpoint.objects.count() == 21
