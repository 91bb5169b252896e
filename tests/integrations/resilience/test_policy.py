"""The whole way of a call, with a clock, a sleep and dice that the test holds."""

import pytest

from apps.accounts.redis_link import RedisLost
from apps.integrations import http
from apps.integrations.resilience import breaker
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.memory_store import MemoryStore
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.policy import CAPACITY, Limits, Operation, Policy, Rate

ILL = Outcome(kind=Kind.RETRYABLE)
LOST = http.TooLate("timed out")


class World:
    """Time that moves only by sleeping and by calls that take long; told what the policy did."""

    def __init__(self):
        self.time, self.slept, self.kinds, self.answers, self.made = 1_000.0, [], [], [], 0
        self.store = MemoryStore(self.now_ms)
        self.store.is_shared = True
        self.policy = Policy(
            shared=self.store,
            alone=MemoryStore(self.now_ms),
            watch=self,
            share=0.5,
            clock=lambda: self.time,
            sleep=self.sleep,
            dice=lambda: 0.5,
        )

    def now_ms(self):
        return int(self.time * 1000)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds

    def tried(self, operation, outcome, seconds):
        self.kinds.append(outcome.kind)

    def ended(self, operation, answer):
        self.answers.append(answer)

    def call(self, *script, refresh=None, takes=0.0, **operation):
        """A call whose tries end as the script says, the last for all that follow: an Outcome or an
        exception.
        """
        remaining = list(script)

        def attempt(seconds):
            self.made += 1
            self.time += takes
            step = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            if isinstance(step, Exception):
                raise step
            return step, "value" if step.is_good else None

        return self.policy.call(
            Operation(**{"service": "shop", "name": "orders.create", **operation}), attempt, refresh=refresh
        )


@pytest.fixture
def world():
    return World()


def test_a_good_call_gives_its_value(world):
    answer = world.call(OK)

    assert (answer.outcome, answer.value, answer.tries) == (OK, "value", 1)
    assert world.answers == [answer]


def test_a_harmless_call_is_tried_again_with_full_jitter(world):
    answer = world.call(ILL, ILL, OK)

    assert (answer.value, answer.tries) == ("value", 3)
    assert world.slept == [pytest.approx(0.1), pytest.approx(0.2)]


def test_three_tries_and_no_more(world):
    answer = world.call(ILL)

    assert (answer.outcome.kind, answer.tries, world.made) == (Kind.RETRYABLE, 3, 3)


def test_what_may_have_been_done_is_not_done_again(world):
    answer = world.call(LOST, is_idempotent=False)

    assert (answer.outcome.kind, world.made) == (Kind.UNKNOWN, 1)


def test_what_was_not_sent_may_be_sent_again_whatever_it_is(world):
    assert world.call(http.NotSent("refused"), OK, is_idempotent=False).value == "value"


def test_an_unknown_fate_of_a_call_with_a_key_is_asked_again(world):
    assert world.call(LOST, OK, is_idempotent=True).value == "value"


def test_a_short_wait_that_the_service_asks_for_is_kept(world):
    soon = Outcome(kind=Kind.THROTTLED, retry_after_seconds=2.0)

    assert world.call(soon, OK).value == "value"
    assert world.slept == [pytest.approx(2.2)]


def test_a_long_wait_goes_back_to_the_outbox_and_pauses_that_account_only(world):
    later = Outcome(kind=Kind.THROTTLED, retry_after_seconds=120.0, scope=Scope.ACCOUNT)

    assert world.call(later, account="a").outcome == later
    held = world.call(OK, account="a")
    assert held.outcome.kind == Kind.THROTTLED
    assert 120 <= held.outcome.retry_after_seconds <= 144
    assert world.call(OK, account="b").value == "value"
    assert world.made == 2

    world.time += 145
    assert world.call(OK, account="a").value == "value"


def test_a_throttled_application_holds_every_account(world):
    world.call(Outcome(kind=Kind.THROTTLED, retry_after_seconds=60, scope=Scope.APPLICATION), account="a")

    assert world.call(OK, account="b").outcome.kind == Kind.THROTTLED


def test_throttling_does_not_open_the_breaker(world):
    for _ in range(20):
        world.call(Outcome(kind=Kind.THROTTLED, retry_after_seconds=60))

    assert world.call(OK).value == "value"


def test_a_failing_service_is_left_alone_and_comes_back_by_one_probe(world):
    world.call(ILL)
    second = world.call(ILL)

    # The fifth failure in a row opens the breaker: the sixth try is not made.
    assert (second.outcome.kind, world.made) == (Kind.CIRCUIT_OPEN, 5)
    assert world.call(OK).outcome.kind == Kind.CIRCUIT_OPEN
    world.time += 15
    assert [world.call(OK).value, world.call(OK).value, world.call(OK).value] == ["value"] * 3


def test_a_slow_success_counts_as_a_failure(world):
    quick = Limits(circuit=breaker.Settings(slow_ms=1_000))
    for _ in range(5):
        assert world.call(OK, takes=1.5, limits=quick).value == "value"

    assert world.call(OK, limits=quick).outcome.kind == Kind.CIRCUIT_OPEN


def test_reads_and_writes_have_breakers_of_their_own(world):
    world.call(ILL, kind="write")
    world.call(ILL, kind="write")

    assert world.call(OK, kind="read").value == "value"


def test_a_critical_call_may_probe_early_and_that_is_told(world):
    world.call(ILL)
    world.call(ILL)

    early = world.call(OK, lane=Lane.CRITICAL)

    assert (early.value, early.is_early) == ("value", True)


def test_credentials_are_refreshed_once(world):
    expired, refreshed = Outcome(kind=Kind.AUTH_EXPIRED), []

    def refresh():
        refreshed.append(1)
        return True

    assert world.call(expired, OK, refresh=refresh).value == "value"
    assert world.call(expired, refresh=refresh).outcome == expired
    assert len(refreshed) == 2
    assert world.call(expired, refresh=lambda: False).tries == 1


def test_the_deadline_of_the_whole_bounds_the_tries(world):
    answer = world.call(ILL, takes=6.0, deadline_seconds=10.0)

    assert (answer.tries, answer.seconds) == (2, pytest.approx(12.1))


def test_an_empty_budget_denies_retries_but_no_first_try(world):
    many = Limits(circuit=breaker.Settings(failures_in_row=10_000, least_calls=10_000))
    while world.store.spend("shop", cost=14, capacity=CAPACITY):
        pass

    answer = world.call(ILL, limits=many)
    assert (answer.outcome.kind, answer.tries) == (Kind.BUDGET_EMPTY, 1)
    lost = world.call(LOST, limits=many)
    assert (lost.outcome.kind, lost.tries) == (Kind.UNKNOWN, 1)
    for _ in range(14):
        world.call(OK, limits=many)
    assert world.call(ILL, OK, limits=many).value == "value"


def test_our_own_rate_limit_keeps_a_fifth_for_the_critical(world):
    five = Limits(rates=(Rate(limit=5, window_seconds=60),))
    kinds = [world.call(OK, limits=five).outcome.kind for _ in range(5)]

    assert kinds == [Kind.OK] * 4 + [Kind.RATE_LIMITED]
    assert world.call(OK, limits=five, lane=Lane.CRITICAL).value == "value"


def test_no_more_calls_at_once_than_allowed(world):
    two = Limits(at_once=1)
    inner = []

    def attempt(_):
        inner.append(world.call(OK, limits=two))
        return OK, "outer"

    outer = world.policy.call(Operation(service="shop", name="x", limits=two), attempt)

    assert outer.value == "outer"
    assert inner[0].outcome.kind == Kind.BULKHEAD_FULL
    assert world.call(OK, limits=two).value == "value"


def test_rubbish_from_a_connector_becomes_an_outcome(world):
    answer = world.call(KeyError("id"), is_idempotent=False)

    assert (answer.outcome.kind, answer.outcome.code) == (Kind.UNKNOWN, "unreadable")


class Away(MemoryStore):
    """A shared store that does not answer."""

    is_shared = True

    def begin(self, *_, **__):
        raise RedisLost

    end = release = record = look = pause = spend = leave = begin


def test_without_the_shared_store_calls_go_on_alone_with_a_share_of_the_limits(world):
    world.policy.shared = Away(world.now_ms)
    four = Limits(rates=(Rate(limit=4, window_seconds=60),))

    kinds = [world.call(OK, limits=four, lane=Lane.CRITICAL).outcome.kind for _ in range(3)]

    assert kinds == [Kind.OK, Kind.OK, Kind.RATE_LIMITED]


def test_what_costs_money_waits_for_the_shared_store(world):
    world.policy.shared = Away(world.now_ms)

    assert world.call(OK, is_costly=True).outcome.kind == Kind.RATE_LIMITED
    assert world.made == 0
