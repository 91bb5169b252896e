"""The outbox against a world that answers, fails, forgets and crashes in any order.

Nothing is lost, nothing is done twice where the service can help it, and each trail leads to its row's state.
"""

import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import time_machine
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.accounts.permissions import system
from apps.integrations import call_deeds, connection_states, outbox, services, trail
from apps.integrations.models import Call, Connection
from apps.integrations.outbox import Handler
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family, Service

LANE = Lane.TRANSACTIONAL
REMEMBERED = timedelta(hours=1)
S = Call.State
# What may be told, and whether it may be told although the deed was done.
TOLD = {
    "ok": Outcome(kind=Kind.OK, reference="r"),
    "unanswered": Outcome(kind=Kind.UNKNOWN, reason="no answer"),
    "not there": Outcome(kind=Kind.RETRYABLE, was_sent=False),
    "busy": Outcome(kind=Kind.THROTTLED, retry_after_seconds=90.0),
    "circuit": Outcome(kind=Kind.CIRCUIT_OPEN, was_sent=False, retry_after_seconds=15.0),
    "quota": Outcome(kind=Kind.QUOTA_EXHAUSTED),
    "refused": Outcome(kind=Kind.PERMANENT_DATA, reason="no"),
    "signed out": Outcome(kind=Kind.AUTH_EXPIRED, reason="signed out"),
}
# The troublesome ones often, or a machine of few steps seldom meets them.
OPEN_FATES = ["done, unanswered", "crash after", "fails, done or not"]
FATES = ["ok"] * 4 + list(TOLD) + ["crash before"] + OPEN_FATES * 3

SECONDS = st.sampled_from([0, 6, 125, 400, 1_000, 4_000, 90_000])


class Crash(BaseException):
    """The worker is gone, between any two of its steps: nothing in it catches this."""


class World:
    """Two services. One drops duplicates for an hour and cannot be asked; the other can, and drops none."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.first_at: dict[str, datetime] = {}
        self.fates: list[str] = []
        self.is_silent = False

    def do(self, service: str, key: str) -> None:
        known = self.first_at.get(key)
        if service == "drops" and known is not None and timezone.now() - known < REMEMBERED:
            return
        self.first_at[key] = timezone.now()
        self.effects[key] += 1

    def perform(self, service: str, key: str) -> Outcome:
        fate = self.fates.pop() if self.fates else "ok"
        if fate == "crash before":
            raise Crash
        if fate in {"ok", "done, unanswered", "crash after"} or (
            fate == "fails, done or not" and service == "drops"
        ):
            self.do(service, key)
        if fate == "crash after":
            raise Crash
        if fate == "fails, done or not":  # where duplicates are dropped this may be told of what was done
            return Outcome(kind=Kind.RETRYABLE, reason="HTTP 500")
        return TOLD["unanswered" if fate == "done, unanswered" else fate]


_world = [World()]


def _perform(client, dues):
    [due] = dues
    return Answer(outcome=_world[0].perform(due.call.service, due.call.dedup_key))


def _look_up(client, due):
    world = _world[0]
    if world.is_silent:
        return Outcome(kind=Kind.UNKNOWN)
    is_done = world.effects[due.call.dedup_key] > 0
    return Outcome(kind=Kind.OK if is_done else Kind.PERMANENT_DATA)


for _key, _handler in (
    ("drops", Handler(perform=_perform, repeats_for=REMEMBERED)),
    ("answers", Handler(perform=_perform, look_up=_look_up)),
):
    services.register(Service(key=_key, name=_key, family=Family.CRM, base_url="http://127.0.0.1:9"))
    outbox.handles(_key, "deed.do", _handler)


class Outbox(RuleBasedStateMachine):
    """Keys are few, so that the same deed is often wanted twice."""

    workspace = None

    def __init__(self) -> None:
        super().__init__()
        random.seed(0)
        self.clock = time_machine.travel(datetime(2026, 11, 30, tzinfo=UTC), tick=False)
        self.time = self.clock.start()
        self.world = _world[0] = World()
        self.actor = system(self.workspace.pk)
        self.connections = {
            name: Connection.objects.create(
                workspace=self.workspace,
                service=name,
                account=uuid4().hex,
                label=name,
                state_changed_at=timezone.now(),
            )
            for name in ("drops", "answers")
        }
        self.wanted: dict[str, int] = {}
        self.replayed: set[str] = set()
        self.stalled: list[tuple[Call, Outcome]] = []

    def teardown(self) -> None:
        try:
            self.everything_comes_to_an_end()
        finally:
            self.clock.stop()

    @rule(number=st.integers(0, 1), name=st.sampled_from(["drops", "answers"]))
    def enqueue(self, number, name):
        key = f"{name}-{number}"
        connection = Connection.objects.get(pk=self.connections[name].pk)
        call = outbox.enqueue(connection, "deed.do", {"n": 1}, dedup_key=key, now=timezone.now(), lane=LANE)
        assert self.wanted.setdefault(key, call.pk) == call.pk

    @rule(seconds=SECONDS, fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=4))
    def work(self, seconds, fates):
        """After a while a worker takes what is due and is answered so, or dies."""
        self.time.shift(timedelta(seconds=seconds))
        self.world.fates = list(fates)
        with suppress(Crash):
            outbox.relay(lane=int(LANE), most=1)
        self.world.fates = []

    @rule(seconds=SECONDS, fate=st.sampled_from([one for one in FATES if not one.startswith("crash")]))
    def stall(self, seconds, fate):
        """A worker sends and then hangs before it settles."""
        self.time.shift(timedelta(seconds=seconds))
        for claimed in outbox.claim(lane=int(LANE), now=timezone.now()):
            if claimed.state == S.SENDING:
                self.world.fates = [fate]
                self.stalled.append((claimed, self.world.perform(claimed.service, claimed.dedup_key)))

    @precondition(lambda self: self.stalled)
    @rule()
    def come_back(self):
        outbox.settle([self.stalled.pop()])

    @rule(is_silent=st.booleans())
    def change_the_look_up(self, is_silent):
        self.world.is_silent = is_silent

    @rule(name=st.sampled_from(["drops", "answers"]))
    def stop(self, name):
        connection = Connection.objects.get(pk=self.connections[name].pk)
        connection_states.switch_off(connection, reason="a person", now=timezone.now())

    @rule(name=st.sampled_from(["drops", "answers"]))
    def restore(self, name):
        connection = Connection.objects.get(pk=self.connections[name].pk)
        if not connection.is_usable:
            connection_states.restore(connection, self.actor, now=timezone.now())

    @rule()
    def replay(self):
        for call in self.rows().filter(state=S.DEAD):
            self.replayed.add(call.dedup_key)
            call_deeds.replay(self.actor, call.public_id, now=timezone.now())

    @rule(number=st.integers(0, 1), name=st.sampled_from(["drops", "answers"]))
    def cancel(self, number, name):
        call = self.rows().filter(dedup_key=f"{name}-{number}", state__in=[S.WAITING, S.HELD, S.DEAD]).first()
        if call is not None:
            call_deeds.cancel(self.actor, call.public_id, now=timezone.now())

    def rows(self):
        return Call.objects.filter(connection__in=self.connections.values())

    @invariant()
    def nothing_is_lost(self):
        assert {call.dedup_key: call.pk for call in self.rows()} == self.wanted
        for call in self.rows():
            assert (call.due_at is None) == (call.state in {*Call.TERMINAL, S.HELD}), call.state

    @invariant()
    def nothing_is_done_twice_unless_a_person_replayed_it(self):
        twice = {key for key, times in self.world.effects.items() if times > 1}
        assert twice <= self.replayed

    @invariant()
    def what_is_done_was_done(self):
        for call in self.rows().filter(state=S.DONE):
            assert self.world.effects[call.dedup_key] >= 1

    @invariant()
    def each_trail_leads_to_its_rows_state(self):
        for call in self.rows():
            steps = trail.steps_of(call.stream)
            assert not list(trail.faults(call.stream))
            told = trail.replay(steps, outbox.state_after, "")
            # A lease is no step: what is under way still waits as far as its trail knows.
            assert told == (S.WAITING if call.state == S.SENDING else call.state)

    def everything_comes_to_an_end(self):
        """With a world that is well again, every call is over soon."""
        self.world.is_silent, self.world.fates = False, []
        for name in self.connections:
            self.restore(name=name)
        for _ in range(40):
            self.time.shift(timedelta(hours=12))
            outbox.relay(lane=int(LANE))
        assert {call.state for call in self.rows()} <= set(Call.TERMINAL)
        self.nothing_is_lost()
        self.nothing_is_done_twice_unless_a_person_replayed_it()
        self.what_is_done_was_done()
        self.each_trail_leads_to_its_rows_state()


def test_the_outbox_in_any_order(workspace):
    Outbox.workspace = workspace
    run_state_machine_as_test(
        Outbox,
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
