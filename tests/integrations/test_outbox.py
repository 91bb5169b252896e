"""Calls that must not be lost: what each outcome does to them, and each way in which a service misbehaves."""

from datetime import timedelta

import pytest
import time_machine
from django.db import ProgrammingError, connections, transaction
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import AuditEntry
from apps.accounts.redis_link import link
from apps.integrations import call_deeds, connection_states, leases, outbox, sealed_json, settling, trail
from apps.integrations.models import Call, Connection, TrailEntry
from apps.integrations.outbox import Wanted
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome
from tests.conftest import committed
from tests.fakes.server import Answer, Drip, NotJson, Reply, ResetAfter, ResetBefore, Truncated, json_reply
from tests.integrations import test_outbox_machine

S = Call.State


@pytest.fixture
def enqueue(connection):
    def enqueue(key="n1", payload=None, **options):
        return outbox.enqueue(
            connection,
            "parcels.send",
            {"to": "Ada"} if payload is None else payload,
            dedup_key=key,
            **{"now": timezone.now(), "lane": Lane.TRANSACTIONAL, **options},
        )

    return enqueue


def relay(lane=Lane.TRANSACTIONAL):
    return outbox.relay(lane=int(lane))


def fresh(call):
    return Call.objects.get(pk=call.pk)


def test_a_call_is_sent_once_and_its_content_forgotten(enqueue, post):
    call = enqueue()

    assert relay() == 1
    assert relay() == 0

    done = fresh(call)
    assert (done.state, done.reference, done.attempts, done.due_at) == (S.DONE, "p1", 1, None)
    assert done.payload_sealed is None
    assert post.seen[0].json == {"number": "n1", "to": "Ada"}


def test_the_same_deed_twice_is_one_call(enqueue, post):
    first, second = enqueue(), enqueue(payload={"to": "Bob"})
    relay()

    assert first.pk == second.pk
    assert post.taken == 1


def test_many_calls_are_written_in_one_statement(
    enqueue, connection, post, django_capture_on_commit_callbacks
):
    before = enqueue("n7")
    keys = [f"n{number}" for number in range(300)]
    wanted = [Wanted(payload={"to": key}, dedup_key=key) for key in [*keys, "n0"]]

    with CaptureQueriesContext(database) as asked, django_capture_on_commit_callbacks() as after:
        calls = outbox.enqueue_many(
            connection, "parcels.send", wanted, now=timezone.now(), lane=Lane.TRANSACTIONAL
        )

    assert [call.dedup_key for call in calls] == [*keys, "n0"]
    assert (calls[7].pk, calls[300].pk) == (before.pk, calls[0].pk)
    assert Call.objects.count() == 300
    inserts = [one for one in asked if one["sql"].startswith('INSERT INTO "integrations_call"')]
    assert (len(inserts), len(after)) == (1, 1)
    assert len(asked) < 10
    for call in Call.objects.all():
        assert [step.kind for step in trail.steps_of(call.stream)] == ["enqueued"]
    relay()
    assert post.taken == 300


def test_no_calls_are_none(connection):
    assert outbox.enqueue_many(connection, "parcels.send", [], now=timezone.now()) == []


def test_many_calls_of_a_connection_that_needs_a_person_are_held(
    connection, post, django_capture_on_commit_callbacks
):
    connection_states.ask_for_sign_in(connection, reason="It ended.", now=timezone.now())

    with django_capture_on_commit_callbacks() as after:
        wanted = [Wanted(payload={}, dedup_key=key) for key in "abc"]
        outbox.enqueue_many(connection, "parcels.send", wanted, now=timezone.now())

    assert set(Call.objects.values_list("state", "due_at")) == {(S.HELD, None)}
    assert after == []


@committed
def test_many_calls_reach_no_other_workspace(connection, other_workspace):
    with scoping.workspace(other_workspace), pytest.raises(ProgrammingError, match="row-level security"):
        outbox.enqueue_many(
            connection, "parcels.send", [Wanted(payload={}, dedup_key="a")], now=timezone.now()
        )


def test_the_content_is_sealed_at_rest(enqueue):
    call = fresh(enqueue(payload={"to": "Ada Lovelace"}))

    assert b"Ada Lovelace" not in bytes(call.payload_sealed)
    assert sealed_json.get(call, "payload_sealed") == {"to": "Ada Lovelace"}


@pytest.mark.parametrize(
    ("fault", "state", "kind", "taken"),
    [
        (Answer(Reply(503)), S.WAITING, "retryable", 0),
        (Answer(json_reply({}, status=429, headers={"Retry-After": "90"})), S.WAITING, "throttled", 0),
        (Answer(Reply(500)), S.UNKNOWN, "unknown", 0),
        (Answer(Reply(400)), S.DEAD, "permanent_data", 0),
        (Answer(Reply(401)), S.HELD, "auth_expired", 0),
        (Answer(Reply(403)), S.HELD, "permanent_config", 0),
        (ResetBefore(), S.UNKNOWN, "unknown", 0),
        (ResetAfter(), S.UNKNOWN, "unknown", 1),
        (Truncated(), S.UNKNOWN, "unknown", 1),
        (NotJson(), S.UNKNOWN, "unknown", 1),
        (Drip(0.1), S.UNKNOWN, "unknown", 1),
    ],
    ids=lambda value: getattr(value, "value", None) or type(value).__name__,
)
def test_what_each_misbehaviour_leaves_behind(enqueue, post, fault, state, kind, taken):
    call = enqueue()
    post.misbehave(fault, times=3)

    relay()

    found = fresh(call)
    assert (found.state, found.last_kind, post.taken) == (state, kind, taken)


def test_a_service_that_nobody_reaches_is_tried_by_the_schedule_and_then_given_up(enqueue, settings):
    call = enqueue()
    settings.INTEGRATION_URLS = {"post": "http://127.0.0.1:9"}
    waits = []

    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(len(settling.SCHEDULE) + 1):
            link().client.flushdb()  # breakers go by Redis's clock, which does not travel
            relay()
            if (due := fresh(call).due_at) is not None:
                waits.append((due - timezone.now()).total_seconds())
                clock.move_to(due + timedelta(seconds=1))

    assert fresh(call).state == S.DEAD
    assert "Given up" in fresh(call).last_reason
    for wait, planned in zip(waits, settling.SCHEDULE, strict=True):
        assert planned <= wait <= planned * 1.1


def test_an_unknown_fate_is_looked_up_before_anything_is_sent_again(enqueue, post):
    call = enqueue()
    post.misbehave(ResetAfter())
    relay()

    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        relay()

    assert fresh(call).state == S.DONE
    assert post.taken == 1


def test_what_was_never_done_is_sent_after_the_look_up(enqueue, post):
    call = enqueue()
    post.misbehave(ResetBefore())
    relay()

    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        relay()
        relay()

    assert fresh(call).state == S.DONE
    assert post.taken == 1


def test_a_worker_that_dies_leaves_a_lease_that_runs_out_and_a_fate_to_look_up(enqueue, post):
    call = enqueue()
    outbox.claim(lane=Lane.TRANSACTIONAL, now=timezone.now())
    assert relay() == 0

    with time_machine.travel(timezone.now() + leases.LEASE + timedelta(seconds=1)):
        relay()
        assert fresh(call).state == S.UNKNOWN
        assert post.taken == 0


def test_a_worker_that_comes_back_late_changes_nothing_but_for_good_news(enqueue, post):
    call = enqueue()
    [claimed] = outbox.claim(lane=Lane.TRANSACTIONAL, now=timezone.now())
    with time_machine.travel(timezone.now() + leases.LEASE + timedelta(seconds=1)):
        relay()

    outbox.settle([(claimed, Outcome(kind=Kind.PERMANENT_DATA))])
    assert fresh(call).state == S.UNKNOWN
    outbox.settle([(claimed, Outcome(kind=Kind.OK, reference="p9"))])
    assert (fresh(call).state, fresh(call).reference) == (S.DONE, "p9")


def test_an_expired_sign_in_holds_all_calls_and_restoring_it_lets_them_go(enqueue, post, connection, actor):
    first, second = enqueue("n1"), enqueue("n2")
    post.misbehave(Answer(Reply(401)))
    relay()

    stopped = Connection.objects.get(pk=connection.pk)
    assert stopped.state == Connection.State.NEEDS_SIGN_IN
    assert {fresh(first).state, fresh(second).state} <= {S.HELD}

    connection_states.restore(stopped, actor, now=timezone.now())
    relay()
    assert [fresh(one).state for one in (first, second)] == [S.DONE, S.DONE]


def test_however_many_were_held_all_are_let_go_a_few_at_a_time(
    enqueue, post, connection, actor, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(connection_states, "AT_ONCE", 10)
    connection_states.switch_off(connection, reason="a person", now=timezone.now())
    calls = [enqueue(f"n{number}") for number in range(25)]
    assert {fresh(call).state for call in calls} == {S.HELD}

    with django_assert_max_num_queries(20) as queries:
        connection_states.restore(connection, actor, now=timezone.now())

    assert {fresh(call).state for call in calls} == {S.WAITING}
    assert not any("payload_sealed" in one["sql"] for one in queries.captured_queries)
    assert trail.steps_of(calls[-1].stream)[-1].kind == "released"


def test_what_comes_too_late_is_not_sent(enqueue, post):
    call = enqueue(expires_at=timezone.now() + timedelta(minutes=1))

    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        relay()

    assert (fresh(call).state, post.taken) == (S.DEAD, 0)


def test_a_dead_letter_is_replayed_by_a_person_and_audited(enqueue, post, actor):
    call = enqueue()
    post.misbehave(Answer(Reply(400)))
    relay()

    call_deeds.replay(actor, call.public_id, now=timezone.now())
    relay()

    assert fresh(call).state == S.DONE
    assert AuditEntry.objects.filter(deed="call.replayed").count() == 1
    with pytest.raises(call_deeds.NotReplayable):
        call_deeds.replay(actor, call.public_id, now=timezone.now())


def test_a_cancelled_call_is_not_sent(enqueue, post, actor):
    call = enqueue()
    call_deeds.cancel(actor, call.public_id, now=timezone.now())

    assert relay() == 0
    assert (fresh(call).state, post.taken) == (S.CANCELLED, 0)


def test_the_trail_replays_into_the_state_and_shows_what_was_changed(enqueue, post, actor):
    call = enqueue()
    post.misbehave(Answer(Reply(400)))
    relay()
    call_deeds.replay(actor, call.public_id, now=timezone.now())
    relay()
    stream = call.stream

    steps = trail.steps_of(stream)
    assert [step.kind for step in steps] == ["enqueued", "settled", "replayed", "settled"]
    assert trail.replay(steps, outbox.state_after, "") == fresh(call).state == S.DONE
    assert list(trail.faults(stream)) == []


@committed
def test_a_changed_or_missing_step_is_found(enqueue, post):
    call = enqueue()
    relay()
    stream = call.stream

    _as_owner("UPDATE integrations_trailentry SET data = '{}' WHERE position = 1")
    assert [fault.position for fault in trail.faults(stream)] == [1]
    _as_owner("DELETE FROM integrations_trailentry WHERE position = 1")
    assert [fault.what for fault in trail.faults(stream)] == ["steps 1 to 1 are missing"]


@committed
def test_the_application_may_not_change_the_trail(enqueue):
    enqueue()

    with pytest.raises(ProgrammingError, match="permission denied"):
        TrailEntry.objects.update(kind="forged")


def _as_owner(statement):
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement)


def test_lanes_are_taken_apart(enqueue, post):
    enqueue("m", lane=Lane.MARKETING)
    enqueue("c", lane=Lane.CRITICAL)

    assert relay(Lane.CRITICAL) == 1
    assert [one.json["number"] for one in post.seen] == ["c"]


def test_another_workspace_sees_no_calls(enqueue, other_workspace):
    enqueue()
    with scoping.workspace(other_workspace):
        assert Call.objects.count() == TrailEntry.objects.count() == 0
        assert relay() == 0


def test_a_call_in_a_transaction_that_fails_is_not_made(enqueue, post):
    with transaction.atomic():
        enqueue()
        transaction.set_rollback(True)

    assert relay() == 0
    assert TrailEntry.objects.count() == post.taken == 0


def test_what_a_worker_does_not_come_to_within_its_lease_is_given_back_untouched(enqueue, post):
    calls = [enqueue(f"n{number}") for number in range(3)]

    with time_machine.travel(timezone.now(), tick=False) as clock:

        def slow(request, connection, answer=post.answer):
            clock.shift(leases.LEASE - outbox.LONGEST_CALL + timedelta(seconds=1))
            answer(request, connection)

        post.answer = slow
        outbox.relay(lane=int(Lane.TRANSACTIONAL), most=1)

        assert [(fresh(call).state, fresh(call).attempts) for call in calls] == [
            (S.DONE, 1),
            (S.WAITING, 0),
            (S.WAITING, 0),
        ]
        assert fresh(calls[1]).sent_at is None

        del post.answer
        assert relay() == 2
    assert post.taken == 3


def test_a_worker_that_dies_before_it_settles_a_group_repeats_it_only_where_that_is_harmless(
    workspace,
):
    place = Connection.objects.create(
        workspace=workspace, service="drops", account="a", label="D", state_changed_at=timezone.now()
    )
    world = test_outbox_machine._world[0] = test_outbox_machine.World()
    for number in range(3):
        outbox.enqueue(
            place, "deed.do", {}, dedup_key=f"k{number}", now=timezone.now(), lane=Lane.TRANSACTIONAL
        )
    world.fates = ["crash before", "ok", "ok"]  # from the end

    with pytest.raises(test_outbox_machine.Crash):
        relay()
    assert set(Call.objects.values_list("state", flat=True)) == {S.SENDING}

    with time_machine.travel(timezone.now() + leases.LEASE + timedelta(seconds=1)):
        assert relay() == 3
    assert set(Call.objects.values_list("state", flat=True)) == {S.DONE}
    assert set(world.effects.values()) == {1}
