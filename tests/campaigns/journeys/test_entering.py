"""Who gets in, how often, and how many a day."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from apps.accounts import consent, events, people, privacy
from apps.accounts.models import OutboxEvent
from apps.attribution.events import ConversionsRecorded, TouchpointsStored
from apps.campaigns.journeys import arrivals, drafts, hearing, streams, switches, todo
from apps.campaigns.journeys.travellers import Outcome
from apps.campaigns.models import (
    Audience,
    AudienceMember,
    Engagement,
    JourneyPresence,
    JourneyReading,
    JourneyRun,
    JourneyTask,
)
from tests.campaigns.journeys.conftest import API, of_type
from tests.conftest import committed
from tests.factories import NOW, ConversionFactory, PersonFactory, TouchpointFactory

WAIT = {"wait": {"kind": "wait", "days": 2, "next": ""}}
OUT = {"out": {"kind": "exit"}}


def test_nobody_is_twice_on_one_way(road):
    way = road("wait", WAIT, reentry_days=0)
    ada = way.person()
    assert list(way.enter(ada).in_) == [ada.pk]
    assert way.enter(ada).refused == {ada.pk: "known"}
    assert way.enter(ada, cause="api:2").refused == {ada.pk: "in_flight"}


def test_a_cause_that_names_somebody_is_forgotten_with_them(road, actor):
    way = road("wait", WAIT)
    ada = way.person()
    people.identify(actor, user_id=ada.external_id, traits={"email": "ada@example.com"}, now=NOW)
    way.enter(ada, cause="api:sign-up of ada@example.com")

    privacy.erase(actor, ada, reason="asked", now=NOW)

    assert "ada@" not in JourneyRun.objects.get().cause


@pytest.mark.parametrize(("days", "may"), [(None, False), (0, True), (3, True), (30, False)])
def test_coming_again(road, days, may):
    way = road("out", OUT, reentry_days=days)
    ada = way.person()
    way.enter(ada)
    way.tick()
    way.now += timedelta(days=5)
    let = way.enter(ada, cause="api:2")
    assert (ada.pk in let.in_) == may
    assert let.refused == ({} if may else {ada.pk: "too_soon"})


def test_the_limit_of_a_day_holds_and_a_new_day_begins_at_midnight_there(road):
    way = road("out", OUT, entries_a_day=2)
    crowd = [way.person() for _ in range(5)]
    let = way.enter(*crowd)
    assert len(let.in_) == 2
    assert set(let.refused.values()) == {"over_limit"}
    way.journey.refresh_from_db()
    assert (way.journey.entered_today, way.journey.turned_away_today) == (2, 3)

    way.now = datetime(2026, 11, 21, 0, 0, 1, tzinfo=UTC)
    assert len(way.enter(*crowd, cause="api:2").in_) == 2


def test_a_conversion_brings_its_person_in_once(road, workspace):
    way = road("wait", WAIT, entries=[{"kind": "event", **of_type("enquiry")}])
    enquiry = ConversionFactory(
        workspace=workspace, conversion_type="enquiry", occurred_at=NOW + timedelta(seconds=1)
    )
    other = ConversionFactory(
        workspace=workspace, conversion_type="booking", occurred_at=NOW + timedelta(seconds=1)
    )
    event = ConversionsRecorded(workspace_id=workspace.pk, conversion_ids=[enquiry.pk, other.pk])
    row = events.publish(event)
    assert row.due_at is not None, "somebody listens"
    hearing.hear(event, row)
    hearing.hear(event, row)

    [run] = JourneyRun.objects.all()
    assert (run.person_id, run.cause) == (enquiry.person_id, f"conversion:{enquiry.pk}")
    assert run.facts["type"] == "enquiry"
    assert way.journey.pk == run.journey_id


def test_what_came_while_a_process_remembered_that_nobody_listens_is_heard_after_all(road, workspace):
    hearing.listening()  # of nothing yet
    remembered = dict(hearing._known)
    road("wait", WAIT, entries=[{"kind": "event", **of_type("enquiry")}])
    enquiry = ConversionFactory(
        workspace=workspace, conversion_type="enquiry", occurred_at=NOW + timedelta(seconds=1)
    )
    hearing._known.update(remembered)  # as another process has it
    row = events.publish(ConversionsRecorded(workspace_id=workspace.pk, conversion_ids=[enquiry.pk]))
    events.deliver(workspace_id=workspace.pk, event_id=row.pk)
    OutboxEvent.objects.filter(pk=row.pk).update(created_at=NOW + timedelta(seconds=1))
    assert not JourneyRun.objects.exists()

    hearing.forget()
    assert hearing.hear_missed(now=NOW + timedelta(seconds=5)) == 0, "somebody may not know yet"
    assert hearing.hear_missed(now=NOW + timedelta(seconds=15)) == 1
    events.deliver(workspace_id=workspace.pk, event_id=row.pk)

    assert JourneyRun.objects.get().person_id == enquiry.person_id
    assert hearing.hear_missed(now=NOW + timedelta(seconds=25)) == 0


def test_what_happened_before_it_went_live_is_no_news(road, workspace):
    road("wait", WAIT, entries=[{"kind": "event", **of_type("enquiry")}])
    old = ConversionFactory(
        workspace=workspace, conversion_type="enquiry", occurred_at=NOW - timedelta(hours=1)
    )
    event = ConversionsRecorded(workspace_id=workspace.pk, conversion_ids=[old.pk])
    hearing.hear(event, events.publish(event))
    assert not JourneyRun.objects.exists()


def test_nobody_is_woken_by_what_nobody_listens_to(road, workspace):
    road("wait", WAIT)
    event = TouchpointsStored(workspace_id=workspace.pk, first_id=1, last_id=2, count=2)
    assert events.publish(event).due_at is None


def test_a_touch_of_a_type(road, workspace):
    where = [{"field": "type", "test": "is", "value": "visit"}]
    road("wait", WAIT, entries=[{"kind": "event", "source": "touchpoint.stored", "where": where}])
    later = NOW + timedelta(seconds=1)
    visit = TouchpointFactory(workspace=workspace, event_type="visit", occurred_at=later)
    click = TouchpointFactory(workspace=workspace, event_type="click", occurred_at=later)
    event = TouchpointsStored(workspace_id=workspace.pk, first_id=visit.pk, last_id=click.pk, count=2)
    hearing.hear(event, events.publish(event))
    assert JourneyRun.objects.get().person_id == visit.person_id


def test_another_journeys_end_brings_people_in(road, workspace):
    first = road("out", OUT)
    where = [{"field": "outcome", "test": "is", "value": "exit"}]
    second = road(
        "wait", WAIT, entries=[{"kind": "event", "source": "campaigns.journey.left", "where": where}]
    )
    ada = first.person()
    first.enter(ada)
    first.tick()
    row = OutboxEvent.objects.filter(name="campaigns.journey.left").latest("pk")
    event = events._rebuild(row)
    OutboxEvent.objects.filter(pk=row.pk).update(created_at=NOW + timedelta(seconds=1))
    row.refresh_from_db()
    hearing.hear(event, row)
    assert JourneyRun.objects.get(journey=second.journey).person_id == ada.pk


LEFT = "campaigns.journey.left"


def _ended(way):
    """The newest end of a journey is told."""
    row = OutboxEvent.objects.filter(name=LEFT).latest("pk")
    OutboxEvent.objects.filter(pk=row.pk).update(created_at=way.now)
    row.refresh_from_db()
    with time_machine.travel(way.now, tick=False):
        hearing.hear(events._rebuild(row), row)


def test_a_journeys_own_end_brings_nobody_into_it(road):
    way = road("out", OUT, entries=[API, {"kind": "event", "source": LEFT, "where": []}], reentry_days=0)
    ada = way.person()
    way.enter(ada)
    way.tick()
    way.now += timedelta(days=1)
    _ended(way)
    assert JourneyRun.objects.count() == 1


def test_two_journeys_that_bring_people_to_each_other_turn_no_faster_than_once_an_hour(road):
    listening = {"kind": "event", "source": LEFT, "where": []}
    one = road("out", OUT, entries=[API, listening], reentry_days=0)
    two = road("out", OUT, entries=[listening], reentry_days=0)
    ada = one.person()
    one.enter(ada)
    for way in (one, two, one, two):
        way.now = one.now
        way.tick()
        one.now += timedelta(minutes=10)
        _ended(one)
    assert JourneyRun.objects.count() == 2

    one.now = NOW + timedelta(hours=2)
    _ended(one)
    assert JourneyRun.objects.filter(journey=one.journey).count() == 2


@committed
def test_rows_of_tables_are_read_once_and_none_is_missed(road, actor, workspace, campaign):
    entries = [
        {"kind": "event", "source": "consent.given", "where": []},
        {"kind": "event", "source": "list.joined", "where": []},
        {"kind": "event", "source": "message.clicked", "where": []},
    ]
    way = road("wait", WAIT, entries=entries)
    ada, bob, cem, dan = (way.person() for _ in range(4))
    assert JourneyReading.objects.count() == 3

    later = NOW + timedelta(seconds=1)
    consent.record(actor, ada, purpose="news", is_granted=True, source="form", occurred_at=later, now=later)
    consent.record(actor, dan, purpose="news", is_granted=False, source="form", occurred_at=later, now=later)
    fair = Audience.objects.create(workspace=workspace, name="Fair", kind="list", changed_at=NOW)
    AudienceMember.objects.create(workspace=workspace, audience=fair, person=bob, added_at=later)
    for person, is_machine in ((cem, False), (dan, True)):
        Engagement.objects.create(
            workspace=workspace,
            campaign=campaign,
            recipient_id=1,
            person=person,
            kind="clicked",
            event_id=f"click-{person.pk}",
            is_machine=is_machine,
            occurred_at=later,
        )
    for seconds in (10, 20, 30):
        streams.read_all(now=NOW + timedelta(seconds=seconds))

    assert set(JourneyRun.objects.values_list("person_id", flat=True)) == {ada.pk, bob.pk, cem.pk}


@committed
def test_a_withdrawal_is_heard_while_somebody_waits(road, message, actor):
    way = road("hello", {"hello": message("wait"), **WAIT})
    ada = way.person(email_index=b"1")
    way.enter(ada)
    way.tick()
    streams.read_all(now=way.now)
    way.now += timedelta(minutes=1)
    consent.record(
        actor, ada, purpose="news", is_granted=False, source="form", occurred_at=way.now, now=way.now
    )
    for _ in range(2):
        streams.read_all(now=way.now)
    way.tick(minutes=1)
    assert way.run_of(ada).outcome == Outcome.UNSUBSCRIBED


def test_who_comes_to_join_an_audience_enters_and_who_was_there_does_not(road, workspace):
    fair = Audience.objects.create(workspace=workspace, name="Fair", kind="list", changed_at=NOW)
    ada, bob = PersonFactory(workspace=workspace), PersonFactory(workspace=workspace)
    AudienceMember.objects.create(workspace=workspace, audience=fair, person=ada)
    way = road("wait", WAIT, entries=[{"kind": "audience", "audience": str(fair.public_id)}])
    assert arrivals.look(way.journey.pk, now=NOW) == 0
    assert JourneyPresence.objects.get().person_id == ada.pk

    AudienceMember.objects.create(workspace=workspace, audience=fair, person=bob)
    later = NOW + timedelta(minutes=11)
    assert arrivals.look(way.journey.pk, now=later) == 1
    assert arrivals.look(way.journey.pk, now=later + timedelta(minutes=11)) == 0
    assert JourneyRun.objects.get().person_id == bob.pk


def test_those_who_are_there_enter_as_well_where_that_is_wanted(road, workspace):
    fair = Audience.objects.create(workspace=workspace, name="Fair", kind="list", changed_at=NOW)
    for _ in range(3):
        person = PersonFactory(workspace=workspace)
        AudienceMember.objects.create(workspace=workspace, audience=fair, person=person)
    entry = {"kind": "audience", "audience": str(fair.public_id), "includes_present": True}
    way = road("wait", WAIT, entries=[entry], entries_a_day=2)
    assert arrivals.look(way.journey.pk, now=NOW) == 2
    assert arrivals.look(way.journey.pk, now=NOW + timedelta(days=1)) == 1


def test_a_date_brings_people_in_on_its_day(road, workspace):
    entry = {"kind": "date", "trait": "wedding_date", "days": 21, "hour": 10}
    way = road("wait", WAIT, entries=[entry])
    ada = way.person(traits={"wedding_date": "2026-10-31"})  # three weeks later: 21 November
    way.person(traits={"wedding_date": "2026-11-30"})
    way.person(traits={"wedding_date": "soon"})
    assert arrivals.look(way.journey.pk, now=NOW) == 0
    assert arrivals.look(way.journey.pk, now=datetime(2026, 11, 21, 10, 5, tzinfo=UTC)) == 1
    assert arrivals.look(way.journey.pk, now=datetime(2026, 11, 21, 11, 5, tzinfo=UTC)) == 0
    assert JourneyRun.objects.get().person_id == ada.pk


def test_people_enter_by_request_once_a_key(road, actor):
    way = road("wait", WAIT, entries=[API])
    ada = way.person()
    first = switches.enter(actor, way.journey, [ada.public_id], key="a", now=NOW)
    again = switches.enter(actor, way.journey, [ada.public_id], key="a", now=NOW)
    assert first == {"entered": [str(ada.public_id)], "refused": []}
    assert again["refused"] == [{"person": str(ada.public_id), "because": "known"}]


def test_a_journey_without_that_way_in_is_not_entered_by_request(road, actor):
    way = road("wait", WAIT, entries=[{"kind": "event", **of_type("enquiry")}])
    with pytest.raises(drafts.NotNow):
        switches.enter(actor, way.journey, [way.person().public_id], now=NOW)


def test_a_task_is_settled_once(road, actor):
    way = road("call", {"call": {"kind": "task", "title": "Call", "next": ""}})
    way.enter(way.person())
    way.tick()
    task = JourneyTask.objects.get()
    assert todo.settle(actor, task.public_id, is_done=True, now=NOW).state == "done"
    with pytest.raises(drafts.NotNow):
        todo.settle(actor, task.public_id, is_done=False, now=NOW)
