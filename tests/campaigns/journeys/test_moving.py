"""People on a journey: where they go, once, and what ends it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import ProgrammingError, transaction

from apps.accounts import consent, people, privacy
from apps.accounts.models import OutboxEvent
from apps.attribution.models import Experiment
from apps.campaigns.delivery import withdrawals
from apps.campaigns.journeys import counts, drafts, leaving, moving, switches, transfers
from apps.campaigns.journeys.travellers import Outcome
from apps.campaigns.models import (
    JourneyMove,
    JourneyNews,
    JourneyTask,
    JourneyVersion,
    Recipient,
)
from tests.campaigns.journeys.conftest import of_type
from tests.factories import NOW


def test_a_message_a_wait_and_another_message(road, message):
    way = road(
        "hello",
        {"hello": message("wait"), "wait": {"kind": "wait", "days": 2, "next": "again"}, "again": message()},
    )
    ada = way.person(email_index=b"1")
    way.enter(ada)

    way.tick()
    assert way.sent_to(ada) == ["hello"]
    way.tick(days=1)
    assert way.sent_to(ada) == ["hello"]
    way.tick(days=1, minutes=1)

    assert way.sent_to(ada) == ["hello", "again"]
    assert way.path_of(ada) == [">enter", "hello>then", "wait>then", "again>then", "again>leave:finished"]
    assert way.run_of(ada).outcome == Outcome.FINISHED
    assert counts.of(way.journey.pk)[1, "hello", "then"] == 1


def test_a_second_tick_changes_nothing(road, message):
    way = road("hello", {"hello": message("wait"), "wait": {"kind": "wait", "days": 2, "next": ""}})
    ada = way.person(email_index=b"1")
    way.enter(ada)
    way.tick()
    before = way.path_of(ada)

    assert way.tick() == 0
    assert way.tick(seconds=20) == 0
    assert way.path_of(ada) == before
    assert Recipient.objects.count() == 1


def test_an_event_or_the_end_of_patience(road):
    steps = {
        "wait": {"kind": "wait_event", **of_type("booking"), "days": 3, "next": "yes", "otherwise": "no"},
        "yes": {"kind": "exit"},
        "no": {"kind": "exit"},
    }
    way = road("wait", steps)
    ada, bob = way.person(), way.person()
    way.enter(ada, bob)
    way.tick()

    way.tick(days=1)
    way.hear(ada, "booking")
    way.hear(ada, "booking")  # told twice
    way.hear(bob, "enquiry")  # something else
    way.tick(minutes=1)
    assert way.path_of(ada)[-2:] == ["wait>then", "yes>leave:exit"]
    assert way.run_of(bob).is_open

    way.tick(days=2)
    assert way.path_of(bob)[-2:] == ["wait>otherwise", "no>leave:exit"]


def test_news_that_is_a_little_late_is_in_time(road):
    way = road(
        "wait",
        {
            "wait": {"kind": "wait_event", **of_type("booking"), "hours": 1, "next": "", "otherwise": "late"},
            "late": {"kind": "exit"},
        },
    )
    ada = way.person()
    way.enter(ada)
    way.tick()
    way.tick(hours=1, seconds=10)
    assert way.run_of(ada).is_open

    way.hear(ada, "booking", at=NOW + timedelta(minutes=59, seconds=59))
    way.tick(seconds=25)

    assert way.path_of(ada)[-2:] == ["wait>then", "wait>leave:finished"]


def test_a_goal_ends_it(road, message):
    way = road(
        "hello",
        {"hello": message("wait"), "wait": {"kind": "wait", "days": 2, "next": "again"}, "again": message()},
        goals=[of_type("booking")],
    )
    ada = way.person(email_index=b"1")
    way.enter(ada)
    way.tick()
    way.tick(days=1)
    way.hear(ada, "booking")
    way.tick(minutes=1)

    run = way.run_of(ada)
    assert (run.outcome, run.left_at) == (Outcome.GOAL, NOW + timedelta(days=1))
    assert way.sent_to(ada) == ["hello"]
    assert not JourneyNews.objects.exists()


def test_a_goal_that_comes_after_the_wait_was_over_comes_after(road, message):
    way = road(
        "wait",
        {
            "wait": {"kind": "wait", "hours": 1, "next": "hello"},
            "hello": message("more"),
            "more": {"kind": "wait", "days": 1, "next": ""},
        },
        goals=[of_type("booking")],
    )
    ada = way.person(email_index=b"1")
    way.enter(ada)
    way.tick()
    way.now += timedelta(hours=1, seconds=20)
    way.hear(ada, "booking")
    way.tick(minutes=1)

    assert way.sent_to(ada) == ["hello"]
    assert way.path_of(ada)[-1] in ("hello>then", "more>leave:goal")
    way.tick(minutes=1)
    assert way.run_of(ada).outcome == Outcome.GOAL


def test_a_condition_on_what_brought_them(road):
    where = [{"field": "type", "test": "is", "value": "web"}]
    way = road(
        "web", {"web": {"kind": "condition", "where": where, "yes": "in", "no": ""}, "in": {"kind": "exit"}}
    )
    ada, bob = way.person(), way.person()
    way.enter(ada, type="web")
    way.enter(bob, type="fair")
    way.tick()
    assert way.path_of(ada)[1:] == ["web>yes", "in>leave:exit"]
    assert way.path_of(bob)[1:] == ["web>no", "web>leave:finished"]


def test_a_split_is_an_experiment_that_remembers(road):
    steps = {
        "which": {
            "kind": "split",
            "goal": "",
            "arms": [{"key": "a", "share": 1, "next": "in-a"}, {"key": "b", "share": 1, "next": "in-b"}],
        },
        "in-a": {"kind": "exit"},
        "in-b": {"kind": "exit"},
    }
    way = road("which", steps, reentry_days=0)
    everybody = [way.person() for _ in range(40)]
    way.enter(*everybody)
    way.tick()
    first = {one.pk: way.path_of(one)[1] for one in everybody}
    assert set(first.values()) == {"which>arm:a", "which>arm:b"}

    way.now += timedelta(days=1)
    way.enter(*everybody, cause="api:2")
    way.tick()
    assert {one.pk: way.path_of(one)[4] for one in everybody} == first


def test_a_task_a_tag_and_a_webhook(road):
    steps = {
        "call": {"kind": "task", "title": "Call them", "note": "", "due_days": 1, "next": "tag"},
        "tag": {"kind": "tag", "trait": "called", "value": "yes", "next": "tell"},
        "tell": {"kind": "webhook", "label": "called", "next": ""},
    }
    way = road("call", steps)
    ada = way.person()
    way.enter(ada)
    way.tick()

    task = JourneyTask.objects.get()
    assert (task.title, task.due_at, task.person) == ("Call them", NOW + timedelta(days=1), ada)
    ada.refresh_from_db()
    assert ada.traits == {"called": "yes"}
    told = OutboxEvent.objects.get(name="campaigns.journey.step_reached").payload
    assert (told["person"], told["step"], told["label"]) == (str(ada.public_id), "tell", "called")


def test_who_unsubscribed_is_not_written_to_and_leaves(road, message, actor):
    way = road("hello", {"hello": message()})
    ada = way.person(email_index=b"1")
    consent.record(actor, ada, purpose="news", is_granted=False, source="form", occurred_at=NOW, now=NOW)
    way.enter(ada)
    way.tick()
    assert way.run_of(ada).outcome == Outcome.UNSUBSCRIBED
    assert not Recipient.objects.exists()


def test_a_campaign_that_was_cancelled_sends_nothing_and_says_so(road, message, campaign):
    way = road("hello", {"hello": message()})
    ada = way.person(email_index=b"1")
    campaign.state = campaign.State.CANCELLED
    campaign.save()
    way.enter(ada)
    way.tick()
    assert not Recipient.objects.exists()
    assert "cancelled" in JourneyMove.objects.get(step="hello", way="then").because


def test_an_erased_person_leaves_at_once(road, actor):
    way = road("wait", {"wait": {"kind": "wait", "days": 2, "next": ""}})
    ada = way.person()
    way.enter(ada, where="Paris")
    way.tick()
    privacy.erase(actor, ada, reason="asked", now=NOW)
    run = way.run_of(ada)
    assert (run.is_open, run.outcome, run.facts) == (False, Outcome.ERASED, {})


def test_of_two_who_become_one_the_earlier_way_goes_on(road, actor):
    way = road("wait", {"wait": {"kind": "wait", "days": 2, "next": ""}})
    ada, anon = way.person(), way.person()
    way.enter(anon)
    way.now += timedelta(hours=1)
    way.enter(ada)
    way.tick()
    earlier, later = way.run_of(anon), way.run_of(ada)

    people.merge(actor, ada, anon, reason="the same", now=NOW)

    earlier.refresh_from_db()
    later.refresh_from_db()
    assert (earlier.person_id, earlier.is_open) == (ada.pk, True)
    assert (later.is_open, later.outcome) == (False, Outcome.MERGED)


def test_a_pause_holds_everybody_and_a_goal_meanwhile_counts(road, message, actor):
    way = road(
        "wait",
        {"wait": {"kind": "wait", "hours": 1, "next": "hello"}, "hello": message()},
        goals=[of_type("booking")],
    )
    ada, bob = way.person(email_index=b"1"), way.person(email_index=b"2")
    way.enter(ada, bob)
    way.tick()
    switches.pause(actor, way.journey, now=way.now)
    assert way.tick(hours=2) == 0
    assert way.enter(way.person()).in_ == {}
    way.hear(ada, "booking")
    switches.resume(actor, way.journey, now=way.now)
    way.tick(minutes=1)

    assert way.run_of(ada).outcome == Outcome.GOAL
    assert way.sent_to(bob) == ["hello"]
    assert way.sent_to(ada) == []


def test_stopping_takes_everybody_out(road, actor):
    way = road(
        "call",
        {
            "call": {"kind": "task", "title": "Call", "next": "wait"},
            "wait": {"kind": "wait", "days": 2, "next": ""},
        },
    )
    ada = way.person()
    way.enter(ada)
    way.tick()
    switches.stop(actor, way.journey, reason="wrong", now=way.now)
    assert way.run_of(ada).outcome == Outcome.STOPPED
    assert JourneyTask.objects.get().state == JourneyTask.State.DROPPED
    with pytest.raises(drafts.NotNow):
        switches.resume(actor, way.journey, now=way.now)


def test_a_wait_for_a_date_follows_the_date(road):
    way = road(
        "wait",
        {
            "wait": {
                "kind": "wait_date",
                "trait": "wedding_date",
                "days": -14,
                "hour": 9,
                "next": "",
                "missing": "none",
            },
            "none": {"kind": "exit"},
        },
    )
    ada, bob = way.person(traits={"wedding_date": "2027-06-19"}), way.person()
    way.enter(ada, bob)
    way.tick()
    assert way.run_of(ada).until == datetime(2027, 6, 5, 8, 0, tzinfo=UTC)  # nine in London's summer
    assert way.path_of(bob)[-2:] == ["wait>missing", "none>leave:exit"]

    ada.traits = {"wedding_date": "2026-12-19"}
    ada.save()
    way.tick(days=2)
    assert way.run_of(ada).until == datetime(2026, 12, 5, 9, 0, tzinfo=UTC)
    way.tick(days=14)
    assert way.run_of(ada).outcome == Outcome.FINISHED


def test_people_stay_on_their_version_until_a_rule_moves_them(road, message, actor):
    way = road("wait", {"wait": {"kind": "wait", "days": 2, "next": "old"}, "old": message()})
    ada, bob = way.person(email_index=b"1"), way.person(email_index=b"2")
    way.enter(ada)
    way.tick()
    draft = way.journey.draft
    draft["steps"] = {"wait": {"kind": "wait", "days": 2, "next": "new"}, "new": message()}
    drafts.change(actor, way.journey, revision=None, draft=draft, now=way.now)
    drafts.publish(actor, way.journey, now=way.now)
    way.enter(bob)
    way.tick()
    assert (way.run_of(ada).version, way.run_of(bob).version) == (1, 2)

    [line] = transfers.preview(way.journey, was=1, to=2, rule={})
    assert (line.step, line.people, line.to, line.waits_on) == ("wait", 1, "wait", True)
    transfers.transfer(actor, way.journey, was=1, to=2, rule={}, now=way.now)
    way.tick(days=2, minutes=1)
    assert way.sent_to(ada) == ["new"]

    with pytest.raises(transfers.Invalid) as refused:
        transfers.preview(way.journey, was=1, to=2, rule={"wait": "old"})
    assert "wait" in refused.value.errors


def test_a_published_version_cannot_be_changed(road):
    way = road("out", {"out": {"kind": "exit"}})
    with pytest.raises(ProgrammingError), transaction.atomic():
        JourneyVersion.objects.filter(journey=way.journey).update(graph={})


def test_one_who_cannot_move_holds_up_nobody(road, message, campaign):
    way = road(
        "which",
        {
            "which": {
                "kind": "split",
                "goal": "",
                "arms": [{"key": "a", "share": 1, "next": ""}, {"key": "b", "share": 1, "next": ""}],
            }
        },
    )
    ada = way.person()
    way.enter(ada)
    key = Experiment.objects.get().key
    Experiment.objects.update(key="elsewhere")
    way.tick()
    run = way.run_of(ada)
    assert (run.failures, run.is_open) == (1, True)
    assert "no such experiment" in run.trouble

    Experiment.objects.update(key=key)
    way.tick(minutes=5)
    assert way.run_of(ada).outcome == Outcome.FINISHED


def test_who_fails_again_and_again_is_given_up(road):
    way = road(
        "which",
        {
            "which": {
                "kind": "split",
                "goal": "",
                "arms": [{"key": "a", "share": 1, "next": ""}, {"key": "b", "share": 1, "next": ""}],
            }
        },
    )
    ada = way.person()
    way.enter(ada)
    Experiment.objects.update(key="elsewhere")
    for _ in range(moving.TRIES):
        way.tick(days=2)
    assert way.run_of(ada).outcome == Outcome.FAILED


def test_what_waits_to_leave_is_withdrawn_by_the_goal_and_not_by_the_end(road, message):
    way = road(
        "hello",
        {"hello": message("wait"), "wait": {"kind": "wait", "days": 2, "next": ""}},
        goals=[of_type("booking")],
    )
    ada, bob = (way.person(email_index=one) for one in (b"1", b"2"))
    for one in (ada, bob):
        way.enter(one)
    way.tick()
    asked = {one.person_id: one.pk for one in Recipient.objects.all()}
    way.hear(ada, "booking")
    way.tick(minutes=1)

    assert leaving.withdrawn(list(asked.values())) == {asked[ada.pk]: "left_journey"}
    way.tick(days=3)
    assert way.run_of(bob).outcome == Outcome.FINISHED
    assert withdrawals.of(list(asked.values())) == {asked[ada.pk]: "left_journey"}
