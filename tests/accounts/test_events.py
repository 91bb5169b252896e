"""News reaches every subscriber at least once, and its effect happens once."""

from dataclasses import dataclass
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.accounts import events, scoping
from apps.accounts.models import Delivery, OutboxEvent, Person
from config.celery import app as celery_app
from tests.conftest import committed
from tests.factories import WorkspaceFactory


@dataclass(frozen=True, kw_only=True)
class BellRang(events.Event):
    name = "tests.bell.rang"
    times: int
    tone: str = "high"


@dataclass(frozen=True, kw_only=True)
class NobodyListens(events.Event):
    name = "tests.nobody.listens"


class Ears:
    """Two subscribers of BellRang: one that writes a row, and one that fails while it is told to."""

    def __init__(self) -> None:
        self.heard: list[BellRang] = []
        self.is_failing = False

    def writes(self, event: BellRang) -> None:
        Person.objects.create(workspace_id=event.workspace_id, external_id=f"heard {event.times}")

    def fails(self, event: BellRang) -> None:
        self.heard.append(event)
        if self.is_failing:
            Person.objects.create(workspace_id=event.workspace_id, external_id="half done")
            raise ValueError("the bell is cracked")


@pytest.fixture
def ears(monkeypatch):
    made = Ears()
    monkeypatch.setitem(events._subscribers, BellRang.name, {"a.writes": made.writes, "b.fails": made.fails})
    return made


def _publish(workspace, **fields) -> OutboxEvent:
    with transaction.atomic():
        return events.publish(BellRang(workspace_id=workspace.pk, times=fields.pop("times", 1), **fields))


def _heard() -> list[str]:
    return list(Person.objects.order_by("pk").values_list("external_id", flat=True))


def _states(event: OutboxEvent) -> dict[str, str]:
    return dict(Delivery.objects.filter(event=event).values_list("subscriber", "state"))


def test_many_are_published_in_one_statement_and_each_is_delivered(
    workspace, ears, django_capture_on_commit_callbacks, django_assert_num_queries
):
    news = [BellRang(workspace_id=workspace.pk, times=times) for times in (1, 2, 3)]
    events.is_awaited(BellRang)  # whether webhooks want it is asked once in a while

    with django_capture_on_commit_callbacks() as callbacks, django_assert_num_queries(1):
        events.publish_many(news)

    rows = OutboxEvent.objects.order_by("pk")
    assert [(row.payload["times"], row.due_at is not None) for row in rows] == [
        (times, True) for times in (1, 2, 3)
    ]
    assert len(callbacks) == 3


def test_many_of_another_workspace_are_refused(workspace, other_workspace):
    with pytest.raises(ValueError, match="another workspace"):
        events.publish_many([BellRang(workspace_id=other_workspace.pk, times=1)])


@committed
def test_publishing_outside_a_transaction_is_refused():
    made = WorkspaceFactory()
    with scoping.workspace(made), pytest.raises(transaction.TransactionManagementError, match="belongs in"):
        events.publish(BellRang(workspace_id=made.pk, times=1))


def test_an_event_reaches_every_subscriber(workspace, ears):
    event = _publish(workspace)

    events.deliver(event_id=event.pk)

    assert _heard() == ["heard 1"]
    assert ears.heard == [BellRang(workspace_id=workspace.pk, times=1)]
    assert _states(event) == {"a.writes": "done", "b.fails": "done"}
    assert OutboxEvent.objects.get(pk=event.pk).due_at is None


def test_a_second_delivery_changes_nothing(workspace, ears):
    event = _publish(workspace)

    events.deliver(event_id=event.pk)
    OutboxEvent.objects.filter(pk=event.pk).update(due_at=Now())
    events.deliver(event_id=event.pk)

    assert _heard() == ["heard 1"]
    assert len(ears.heard) == 1


def test_a_failing_subscriber_neither_blocks_nor_repeats_the_others(workspace, ears):
    ears.is_failing = True
    event = _publish(workspace)

    for _ in range(3):
        events.deliver(event_id=event.pk)

    assert _heard() == ["heard 1"]  # once, and nothing of what was half done
    assert len(ears.heard) == 3
    assert _states(event) == {"a.writes": "done", "b.fails": "failing"}
    assert Delivery.objects.get(subscriber="b.fails").error == "ValueError: the bell is cracked"


def test_a_failed_delivery_waits_longer_each_time(workspace, ears):
    ears.is_failing = True
    event = _publish(workspace)

    waits = []
    for _ in range(3):
        events.deliver(event_id=event.pk)
        row = OutboxEvent.objects.annotate(now=Now()).get(pk=event.pk)
        waits.append(round((row.due_at - row.now).total_seconds()))

    assert waits == [60, 120, 240]


def test_a_subscriber_that_recovers_is_done(workspace, ears):
    ears.is_failing = True
    event = _publish(workspace)
    events.deliver(event_id=event.pk)

    ears.is_failing = False
    events.deliver(event_id=event.pk)

    assert _states(event) == {"a.writes": "done", "b.fails": "done"}
    assert OutboxEvent.objects.get(pk=event.pk).due_at is None


def test_after_eight_attempts_a_delivery_is_dead(workspace, ears):
    ears.is_failing = True
    event = _publish(workspace)

    for _ in range(events.MAX_ATTEMPTS + 3):
        events.deliver(event_id=event.pk)

    assert len(ears.heard) == events.MAX_ATTEMPTS == 8
    assert _states(event) == {"a.writes": "done", "b.fails": "dead"}
    assert OutboxEvent.objects.get(pk=event.pk).due_at is None


def test_a_dead_letter_can_be_replayed(workspace, ears):
    ears.is_failing = True
    event = _publish(workspace)
    for _ in range(events.MAX_ATTEMPTS):
        events.deliver(event_id=event.pk)

    ears.is_failing = False
    events.replay(OutboxEvent.objects.get(pk=event.pk))
    events.deliver(event_id=event.pk)

    assert _heard() == ["heard 1"]
    assert _states(event) == {"a.writes": "done", "b.fails": "done"}


def test_one_subscriber_can_be_run_again_although_it_succeeded(workspace, ears):
    event = _publish(workspace)
    events.deliver(event_id=event.pk)

    events.replay(OutboxEvent.objects.get(pk=event.pk), subscriber="b.fails")
    events.deliver(event_id=event.pk)

    assert len(ears.heard) == 2
    assert _heard() == ["heard 1"]


def test_news_that_nobody_waits_for_is_settled_at_once(workspace):
    with transaction.atomic():
        event = events.publish(NobodyListens(workspace_id=workspace.pk))

    assert OutboxEvent.objects.get(pk=event.pk).due_at is None


def test_an_event_of_older_code_takes_the_defaults_of_today(workspace, ears):
    event = _publish(workspace)
    OutboxEvent.objects.filter(pk=event.pk).update(payload={"times": 3, "volume": "a field of yesterday"})

    events.deliver(event_id=event.pk)

    assert ears.heard == [BellRang(workspace_id=workspace.pk, times=3, tone="high")]


def test_an_event_that_this_code_does_not_know_is_kept_and_given_up_in_the_end(workspace, ears):
    event = _publish(workspace)
    OutboxEvent.objects.filter(pk=event.pk).update(name="tests.of.the_future")

    events.deliver(event_id=event.pk)
    assert OutboxEvent.objects.get(pk=event.pk).due_at is not None
    for _ in range(events.MAX_ATTEMPTS):
        events.deliver(event_id=event.pk)

    assert _states(event) == {events.UNREADABLE: "dead"}
    OutboxEvent.objects.filter(pk=event.pk).update(name=BellRang.name)
    events.replay(OutboxEvent.objects.get(pk=event.pk))
    events.deliver(event_id=event.pk)
    assert len(ears.heard) == 1


@committed
def test_an_event_and_its_change_exist_together_or_not_at_all(ears):
    made = WorkspaceFactory()
    with scoping.workspace(made):
        with transaction.atomic():
            events.publish(BellRang(workspace_id=made.pk, times=1))
            transaction.set_rollback(True)

        assert not OutboxEvent.objects.exists()
        assert ears.heard == []


@committed
def test_delivery_starts_when_the_change_is_committed(ears):
    made = WorkspaceFactory()
    with scoping.workspace(made):
        with transaction.atomic():
            events.publish(BellRang(workspace_id=made.pk, times=1))
            assert ears.heard == []

        assert len(ears.heard) == 1


@committed
def test_the_sweep_brings_what_a_killed_worker_left(ears, monkeypatch):
    made, other = WorkspaceFactory(), WorkspaceFactory()
    for each in (made, other):
        with scoping.workspace(each), transaction.atomic():
            left = events.publish(BellRang(workspace_id=each.pk, times=each.pk))
            transaction.get_connection().run_on_commit.clear()  # the message was lost with its worker
            OutboxEvent.objects.filter(pk=left.pk).update(due_at=Now() - timedelta(seconds=61))

    assert events.sweep() == 2

    assert {event.workspace_id for event in ears.heard} == {made.pk, other.pk}
    assert events.sweep() == 0


@committed
def test_the_sweep_leaves_what_is_being_delivered(ears):
    made = WorkspaceFactory()
    with scoping.workspace(made), transaction.atomic():
        events.publish(BellRang(workspace_id=made.pk, times=1))
        transaction.get_connection().run_on_commit.clear()

    assert events.sweep() == 0
    assert ears.heard == []


def test_a_failure_does_not_undo_a_delivery_that_got_through_meanwhile(workspace, ears):
    event = _publish(workspace)
    events.deliver(event_id=event.pk)

    assert events._note_failure(event, "b.fails", ValueError("the slower of two deliveries"))

    assert _states(event)["b.fails"] == "done"


def test_an_event_that_kills_its_worker_becomes_a_dead_letter(workspace, ears, monkeypatch):
    class Killed(BaseException):
        """Stands for the end of the process: nothing after it runs."""

    def kills(event):
        raise Killed

    monkeypatch.setitem(events._subscribers, BellRang.name, {"a.kills": kills})
    event = _publish(workspace)
    for _ in range(events.MAX_ATTEMPTS):
        with pytest.raises(Killed), transaction.atomic():
            events.deliver(event_id=event.pk)
        OutboxEvent.objects.filter(pk=event.pk).update(attempts=F("attempts") + 1)  # was rolled back here

    events.deliver(event_id=event.pk)

    assert _states(event) == {"a.kills": "dead"}
    assert OutboxEvent.objects.get(pk=event.pk).due_at is None


@committed
def test_an_attempt_is_counted_before_it_is_made(ears, monkeypatch):
    made = WorkspaceFactory()
    counted = []
    with scoping.workspace(made):
        monkeypatch.setitem(
            events._subscribers,
            BellRang.name,
            {"a.looks": lambda event: counted.extend(OutboxEvent.objects.values_list("attempts", flat=True))},
        )
        with transaction.atomic():
            events.publish(BellRang(workspace_id=made.pk, times=1))

    assert counted == [1]


def _aged(event: OutboxEvent, days: int) -> OutboxEvent:
    OutboxEvent.objects.filter(pk=event.pk).update(created_at=Now() - timedelta(days=days))
    return event


def test_events_that_were_settled_long_ago_are_forgotten(workspace, ears, monkeypatch):
    monkeypatch.setattr(events, "PRUNE_BATCH", 2)
    settled = [_aged(_publish(workspace, times=times), 31) for times in range(5)]
    for event in settled:
        events.deliver(event_id=event.pk)
    waiting, young = _aged(_publish(workspace), 31), _aged(_publish(workspace), 29)
    events.deliver(event_id=young.pk)

    assert events.prune_workspace() == 5

    assert set(OutboxEvent.objects.values_list("pk", flat=True)) == {waiting.pk, young.pk}
    assert set(Delivery.objects.values_list("event_id", flat=True)) == {young.pk}
    assert events.prune_workspace() == 0


def test_dead_letters_are_not_forgotten(workspace, ears):
    ears.is_failing = True
    event = _aged(_publish(workspace), 31)
    for _ in range(events.MAX_ATTEMPTS):
        events.deliver(event_id=event.pk)

    assert events.prune_workspace() == 0
    assert _states(event) == {"a.writes": "done", "b.fails": "dead"}


@committed
def test_the_timetable_prunes_every_workspace(ears):
    made = [WorkspaceFactory(), WorkspaceFactory()]
    for each in made:
        with scoping.workspace(each), transaction.atomic():
            _aged(events.publish(NobodyListens(workspace_id=each.pk)), 31)

    events.prune()

    for each in made:
        with scoping.workspace(each):
            assert not OutboxEvent.objects.filter(name=NobodyListens.name).exists()
    assert "accounts.events.prune" in {entry["task"] for entry in celery_app.conf.beat_schedule.values()}


@committed
def test_the_command_lists_and_replays_dead_letters(ears):
    made = WorkspaceFactory(slug="bells")
    ears.is_failing = True
    with scoping.workspace(made), transaction.atomic():
        event = events.publish(BellRang(workspace_id=made.pk, times=1))
    with scoping.workspace(made):
        for _ in range(events.MAX_ATTEMPTS):
            events.deliver(event_id=event.pk)

    assert "bells: 0 waiting; deliveries: 1 done, 0 failing, 1 dead" in _command("stats")
    assert "tests.bell.rang → b.fails, 8 attempts" in _command("dead", "--workspace", "bells")

    ears.is_failing = False
    assert "bells: 1 events are being delivered again" in _command("replay", "--name", BellRang.name)
    assert _command("dead") == ""


@pytest.mark.parametrize("wrong", [["replay", "--subscriber", "x"], ["dead", "--workspace", "nowhere"]])
def test_the_command_says_what_is_wrong(db, wrong):
    with pytest.raises(CommandError):
        _command(*wrong)


def _command(*arguments: str) -> str:
    out = StringIO()
    call_command("events", *arguments, stdout=out)
    return out.getvalue()
