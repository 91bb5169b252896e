"""The breaker: its rules, Redis held against memory by a state machine, one probe among many processes."""

import multiprocessing
import os
import uuid

import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, rule

from apps.accounts.redis_link import RedisLink
from apps.integrations.resilience.breaker import (
    Circuit,
    Denied,
    Permit,
    Settings,
    State,
    acquire,
    record,
    release,
)
from apps.integrations.resilience.gate import FULL, PAUSED, Entry, Refusal, Success, Tokens
from apps.integrations.resilience.memory_store import MemoryStore
from apps.integrations.resilience.redis_store import PREFIX, RedisStore

QUICK = Settings(failures_in_row=3, least_calls=6)


def opened(now=0):
    circuit = Circuit()
    for _ in range(QUICK.failures_in_row):
        fail(circuit, now)
    return circuit


def ask(circuit, now, *, is_critical=False):
    return acquire(circuit, now_ms=now, is_critical=is_critical, settings=QUICK)


def fail(circuit, now, permit=None):
    return record(circuit, permit or ask(circuit, now), now_ms=now, is_good=False, settings=QUICK)


def succeed(circuit, now, permit=None):
    return record(circuit, permit or ask(circuit, now), now_ms=now, is_good=True, settings=QUICK)


def test_failures_in_a_row_open_it():
    circuit = opened()

    assert circuit.state == State.OPEN
    assert ask(circuit, 1) == Denied(14_999, 0)


def test_a_share_of_failures_opens_it():
    circuit = Circuit()
    for _ in range(2):
        succeed(circuit, 0)
        fail(circuit, 0)
    succeed(circuit, 0)

    assert circuit.state == State.CLOSED
    assert fail(circuit, 0) == State.OPEN  # 3 of 6, and never more than one in a row


def test_failures_of_long_ago_do_not_count():
    circuit = Circuit()
    for second in range(0, 600, 70):
        succeed(circuit, second * 1000)
        fail(circuit, second * 1000)

    assert circuit.state == State.CLOSED


def test_one_probe_at_a_time_and_two_good_ones_close_it():
    circuit = opened()

    first = ask(circuit, 15_000)
    assert first.is_probe
    assert isinstance(ask(circuit, 15_001), Denied)
    assert succeed(circuit, 15_100, first) == State.HALF_OPEN
    assert succeed(circuit, 15_200) == State.CLOSED


def test_a_bad_probe_doubles_the_wait_up_to_a_bound():
    circuit, now = opened(), 0

    for expected in (30_000, 60_000, 120_000, 240_000, 300_000, 300_000):
        now += circuit.open_ms
        fail(circuit, now)
        assert circuit.open_ms == expected


def test_the_lease_of_a_dead_prober_runs_out():
    circuit = opened()

    ask(circuit, 15_000)

    assert isinstance(ask(circuit, 24_999), Denied)
    assert ask(circuit, 25_000).is_probe


def test_a_late_report_of_an_old_generation_changes_nothing():
    circuit = Circuit()
    late = ask(circuit, 0)
    for _ in range(3):
        fail(circuit, 0)

    assert succeed(circuit, 1, late) == State.OPEN
    assert fail(circuit, 1, late) == State.OPEN
    assert circuit.opened_at == 0


def test_a_critical_call_may_take_the_probe_early_once_in_five_seconds():
    circuit = opened()

    early = ask(circuit, 5_000, is_critical=True)
    assert early == Permit(early.generation, is_probe=True, is_early=True)
    assert fail(circuit, 5_001, early) == State.OPEN
    assert isinstance(ask(circuit, 9_999, is_critical=True), Denied)
    assert ask(circuit, 10_001, is_critical=True).is_early


def test_leave_given_back_lets_the_next_one_probe():
    circuit = opened()

    release(circuit, ask(circuit, 15_000))

    assert ask(circuit, 15_001).is_probe


def test_an_early_leave_given_back_lets_critical_calls_alone_ask_early():
    circuit = opened()

    release(circuit, ask(circuit, 5_000, is_critical=True))

    assert isinstance(ask(circuit, 5_001), Denied)
    assert ask(circuit, 5_001, is_critical=True).is_early


def entry(key, token, *, is_critical=False, size=1_000_000, lease_ms=20_000, pauses=(), tokens=()):
    return Entry(
        circuit_key=key,
        token=token,
        size=size,
        lease_ms=lease_ms,
        pauses=pauses,
        is_critical=is_critical,
        settings=QUICK,
        tokens=tokens,
    )


def success(key, token, permit, *, is_good=True):
    return Success(
        circuit_key=key,
        token=token,
        permit=permit,
        is_good=is_good,
        settings=QUICK,
        budget_key=key,
        gain=1,
        capacity=30,
    )


class Both(RuleBasedStateMachine):
    """Whatever is done, Redis and memory answer alike, and at most one live lease exists."""

    permits = Bundle("permits")

    @initialize()
    def begin(self):
        self.now = 1_000_000
        self.key = uuid.uuid4().hex
        link = RedisLink(django_settings.REDIS_URL)
        self.redis = RedisStore(link, now_ms=lambda: self.now)
        self.memory = MemoryStore(now_ms=lambda: self.now)
        self.live: dict[int, int] = {}

    @rule(ms=st.sampled_from([0, 1, 999, 5_000, 10_000, 15_000, 61_000, 400_000]))
    def wait(self, ms):
        self.now += ms

    def asks(self, *, is_critical=False):
        """The leave that both give; nothing but the breaker stands in its way."""
        wanted = entry(f"{self.key} alone", uuid.uuid4().hex, is_critical=is_critical)
        leave = self.memory.begin(wanted)
        assert self.redis.begin(wanted) == leave
        return leave

    @rule(target=permits, is_critical=st.booleans())
    def acquire(self, is_critical):
        mine = self.asks(is_critical=is_critical)
        if isinstance(mine, Refusal):
            return multiple()
        if mine.is_probe:
            self.live = {generation: until for generation, until in self.live.items() if until > self.now}
            assert not self.live
            self.live[mine.generation] = self.now + QUICK.probe_lease_ms
        return mine

    @rule(permit=consumes(permits), is_good=st.booleans())
    def report(self, permit, is_good):
        told = {"is_good": is_good, "settings": QUICK}
        assert self.memory.record(self.key, permit, **told) == self.redis.record(self.key, permit, **told)
        self.live.pop(permit.generation, None)

    @rule(permit=consumes(permits))
    def give_back(self, permit):
        self.memory.release(self.key, permit)
        self.redis.release(self.key, permit)
        self.live.pop(permit.generation, None)

    @rule(times=st.integers(1, 7), is_good=st.booleans())
    def call(self, times, is_good):
        for _ in range(times):
            permit = self.asks()
            if isinstance(permit, Permit):
                self.report(permit, is_good)

    @rule(
        token=st.sampled_from("abc"),
        is_critical=st.booleans(),
        limits=st.lists(st.sampled_from([1, 3, 30]), max_size=2),
        then=st.sampled_from(["ends well", "ends slowly", "fails", "is given back", "dies"]),
    )
    def go_through_the_gate(self, token, is_critical, limits, then):
        wanted = entry(
            self.key,
            token,
            is_critical=is_critical,
            size=2,
            pauses=(self.key, f"{self.key} all"),
            tokens=tuple(
                Tokens(key=f"{self.key}:{limit}", cost=1, limit=limit, window_ms=10_000, reserve=0)
                for limit in limits
            ),
        )
        leave = self.memory.begin(wanted)
        assert self.redis.begin(wanted) == leave
        if isinstance(leave, Refusal) or then == "dies":
            return
        for store in (self.memory, self.redis):
            if then.startswith("ends"):
                store.end(success(self.key, token, leave, is_good=then == "ends well"))
            elif then == "fails":
                store.record(self.key, leave, is_good=False, settings=QUICK)
            else:
                store.release(self.key, leave)

    @rule(is_wide=st.booleans(), ms=st.sampled_from([1, 2_000, 30_000]))
    def pause(self, is_wide, ms):
        for store in (self.memory, self.redis):
            store.pause(f"{self.key} all" if is_wide else self.key, wait_ms=ms)

    @rule()
    def spend(self):
        asked = {"cost": 14, "capacity": 30}
        assert self.memory.spend(self.key, **asked) == self.redis.spend(self.key, **asked)

    @rule()
    def look(self):
        mine, theirs = self.memory.look(self.key), self.redis.look(self.key)
        for name in ("state", "opened_at", "open_ms", "probe_until", "in_row"):
            assert getattr(mine, name) == getattr(theirs, name), name

    def teardown(self):
        if hasattr(self, "redis"):
            self.redis._link.client.close()


Both.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_redis_and_memory_are_one_machine = Both.TestCase


def _probe(url, key, start, results):
    store = RedisStore(RedisLink(url))
    start.wait()
    results.put(isinstance(store.begin(entry(key, uuid.uuid4().hex)), Permit))


def test_of_many_processes_exactly_one_gets_the_probe():
    """Real processes, real Redis, Redis's own clock."""
    key, context = uuid.uuid4().hex, multiprocessing.get_context("spawn")
    link = RedisLink(django_settings.REDIS_URL)
    link.client.hset(f"{PREFIX}breaker:{key}", mapping={"state": "open", "opened_at": 1, "open_ms": 1})
    start, results = context.Barrier(6), context.Queue()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")

    processes = [
        context.Process(target=_probe, args=(django_settings.REDIS_URL, key, start, results))
        for _ in range(6)
    ]
    for process in processes:
        process.start()
    let_in = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()

    assert sorted(let_in) == [False] * 5 + [True]


@pytest.mark.parametrize("store", ["redis", "memory"])
class TestCounters:
    """The counters beside the breaker: the same answers from either store."""

    @pytest.fixture
    def clock(self):
        return [1_000_000]

    @pytest.fixture
    def counters(self, store, clock):
        now = lambda: clock[0]  # noqa: E731
        return (
            MemoryStore(now) if store == "memory" else RedisStore(RedisLink(django_settings.REDIS_URL), now)
        )

    def test_a_bulkhead_holds_its_size_and_frees_dead_leases(self, counters, clock):
        def is_in(token):
            leave = counters.begin(entry("k", token, size=2, lease_ms=1_000))
            assert isinstance(leave, Permit) or leave == Refusal(FULL)
            return isinstance(leave, Permit)

        assert [is_in("a"), is_in("b"), is_in("c")] == [True, True, False]
        counters.leave("k", "a")
        assert [is_in("d"), is_in("e")] == [True, False]
        clock[0] += 1_001
        assert is_in("f")

    def test_a_budget_is_spent_and_earned(self, counters):
        spend = lambda: counters.spend("s", cost=14, capacity=30)  # noqa: E731

        assert [spend(), spend(), spend()] == [True, True, False]
        for number in range(12):
            counters.end(success("s", str(number), counters.begin(entry("s", str(number)))))
        assert [spend(), spend()] == [True, False]

    def test_tokens_come_back_as_the_window_moves_and_some_are_kept_for_the_critical(self, counters, clock):
        def wait(reserve=2):
            tokens = (Tokens(key="t", cost=1, limit=4, window_ms=10_000, reserve=reserve),)
            leave = counters.begin(entry("t", uuid.uuid4().hex, tokens=tokens))
            return leave.wait_ms if isinstance(leave, Refusal) else 0

        assert [wait(), wait()] == [0, 0]
        clock[0] += 4_000
        assert wait() == 6_000
        assert [wait(0), wait(0), wait(0)] == [0, 0, 6_000]
        clock[0] += 6_000
        assert wait(0) == 0

    def test_the_longer_pause_stands(self, counters, clock):
        counters.pause("p", wait_ms=5_000)
        counters.pause("p", wait_ms=1_000)

        assert counters.begin(entry("p", "a", pauses=("p",))) == Refusal(PAUSED, 5_000)
        clock[0] += 5_000
        assert isinstance(counters.begin(entry("p", "a", pauses=("p",))), Permit)
