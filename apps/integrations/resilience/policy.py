"""The way of every call to the outside.

total deadline → bulkhead → tries { pause → breaker → rate limit → attempt with its own time-out → what became
of it → breaker learns } → what became of the whole.

The breaker sits inside the tries: an open one stops the tries that are left of calls already on their way.
Only this layer tries again; neither the client below nor the task above does. What is not worth waiting for
here goes back to the outbox, which waits in the database.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar
from uuid import uuid4

from apps.accounts.redis_link import RedisLost
from apps.integrations.resilience import breaker
from apps.integrations.resilience.breaker import Circuit, Permit
from apps.integrations.resilience.classify import of_exception
from apps.integrations.resilience.gate import FULL, OPEN, PAUSED, Entry, Refusal, Success, Tokens
from apps.integrations.resilience.lanes import RESERVED_SHARE, Lane
from apps.integrations.resilience.outcomes import Again, Health, Kind, Outcome, Scope

T = TypeVar("T")

TRIES = 3
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
# A service's own word on when to come back is stretched a little, or all callers come back at once.
STRETCH = 0.2
DEFAULT_THROTTLE_SECONDS = 60.0
# The retry budget of a service (as botocore has it): retries may cost what successes have earned.
CAPACITY, RETRY_COST, THROTTLED_COST, GAIN = 500.0, 14.0, 5.0, 1.0


@dataclass(frozen=True, kw_only=True)
class Rate:
    """At most so many calls in a window. scope: whether each account has its own, or all share it."""

    limit: int
    window_seconds: float
    scope: Scope = Scope.ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a service is given: how many calls at once in all processes, how many in a window, when it counts
    as ill.
    """

    at_once: int = 8
    rates: tuple[Rate, ...] = ()
    circuit: breaker.Settings = field(default_factory=breaker.Settings)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call, described. kind: "read", "write" or "events", each with a breaker of its own.

    account: whose credentials; a name that is safe to log. is_idempotent: the service, or our key with it,
    makes the same call twice harmless. is_costly: it spends money or calls AI, so it is not made where it
    cannot be counted.
    """

    service: str
    name: str
    kind: str = "read"
    account: str = ""
    lane: Lane = Lane.MARKETING
    is_idempotent: bool = True
    is_costly: bool = False
    cost: int = 1
    timeout_seconds: float = 10.0
    deadline_seconds: float = 30.0
    limits: Limits = field(default_factory=Limits)

    @property
    def circuit_key(self) -> str:
        return f"{self.service}:{self.account}:{self.kind}"

    def key_of(self, scope: Scope) -> str:
        return self.service if scope == Scope.APPLICATION else f"{self.service}:{self.account}"


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[T]):
    """What became of the whole call.

    is_early: it went through an open breaker, on the wedding-day rule. kinds: what became of each try.
    """

    outcome: Outcome
    value: T | None = None
    tries: int = 0
    seconds: float = 0.0
    is_early: bool = False
    kinds: tuple[Kind, ...] = ()

    @property
    def is_fate_open(self) -> bool:
        """Whether some try may have been done, although the last one was not."""
        return Kind.UNKNOWN in self.kinds and not self.outcome.is_good


Attempt = Callable[[float], tuple[Outcome, T | None]]


class Store(Protocol):
    """Where processes share what they know: redis_store.RedisStore, memory_store.MemoryStore."""

    is_shared: bool

    def begin(self, entry: Entry) -> Permit | Refusal: ...
    def end(self, success: Success) -> None: ...
    def record(
        self, key: str, permit: Permit, *, is_good: bool, settings: breaker.Settings
    ) -> breaker.State: ...
    def release(self, key: str, permit: Permit) -> None: ...
    def look(self, key: str) -> Circuit: ...
    def leave(self, key: str, token: str) -> None: ...
    def spend(self, key: str, *, cost: float, capacity: float) -> bool: ...
    def pause(self, key: str, *, wait_ms: int) -> None: ...


class Watch(Protocol):
    """Told of each try and of each whole call: metrics, the log, the audit of early calls."""

    def tried(self, operation: Operation, outcome: Outcome, seconds: float) -> None: ...
    def ended(self, operation: Operation, answer: "Answer") -> None: ...


@dataclass
class Policy:
    """shared: the store of all processes; alone: this process's own, for while the other is away.

    share: the part of each limit that this process may use alone. clock: seconds that only rise. ready: told
    of the seconds that a call may take before it is made; what it raises goes to the caller.
    """

    shared: Store
    alone: Store
    watch: Watch
    share: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    dice: Callable[[], float] = random.random
    alone_seconds: float = 30.0
    ready: Callable[[float], None] = lambda seconds: None
    _alone_until: float = 0.0

    def call(
        self, operation: Operation, attempt: "Attempt[T]", *, refresh: Callable[[], bool] | None = None
    ) -> "Answer[T]":
        """Make the call. attempt: gets the seconds that it may take, answers an outcome and a value, or
        raises.

        refresh: gets fresh credentials, once; False when it could not. Raises nothing that attempt raises.
        """
        self.ready(operation.deadline_seconds)
        began = self.clock()
        answer = _Tries(self, operation, attempt, refresh, began).run()
        answer = replace(answer, seconds=self.clock() - began)
        self.watch.ended(operation, answer)
        return answer

    def store(self) -> Store:
        return self.alone if self.clock() < self._alone_until else self.shared

    def lost(self) -> Store:
        """The shared store did not answer: go on alone for a while."""
        self._alone_until = self.clock() + self.alone_seconds
        return self.alone

    def ask(self, question: Callable[[Store], T]) -> T:
        """Ask the shared store, or this process's own while that is away."""
        try:
            return question(self.store())
        except RedisLost:
            return question(self.lost())


class _Tries(Generic[T]):
    """The tries of one call."""

    def __init__(
        self,
        policy: Policy,
        operation: Operation,
        attempt: "Attempt[T]",
        refresh: Callable[[], bool] | None,
        began: float,
    ) -> None:
        self.policy, self.operation, self.attempt = policy, operation, attempt
        self.refresh, self.ends_at = refresh, began + operation.deadline_seconds
        self.is_early = False
        self.token, self.is_inside = uuid4().hex, False

    def run(self) -> "Answer[T]":
        try:
            return self._run()
        finally:
            if self.is_inside:
                key = self.operation.circuit_key
                self.policy.ask(lambda store: store.leave(key, self.token))

    def _run(self) -> "Answer[T]":
        kinds: list[Kind] = []
        for number in range(TRIES):
            outcome, value = self._try()
            kinds.append(outcome.kind)
            is_last = number == TRIES - 1
            wait = None if outcome.is_good or is_last else self._wait_after(outcome, number)
            if wait is None:
                break
            if not self._pay(outcome):
                # What is known of the try itself stands where it matters; only another one is denied.
                is_unknown = outcome.kind == Kind.UNKNOWN
                outcome = outcome if is_unknown else _ours(Kind.BUDGET_EMPTY, outcome.reason)
                break
            self.policy.sleep(wait)
        self._pause_if_asked(outcome)
        return Answer(
            outcome=outcome, value=value, tries=number + 1, is_early=self.is_early, kinds=tuple(kinds)
        )

    def _try(self) -> tuple[Outcome, T | None]:
        store, gate = self._begin()
        self.is_inside = self.is_inside or not isinstance(gate, Refusal) or gate.why != FULL
        if isinstance(gate, Refusal):
            return _refused(gate), None
        if self.operation.is_costly and not store.is_shared:
            self._release(store, gate)
            return _ours(Kind.RATE_LIMITED, "It costs money and cannot be counted at the moment.", 30.0), None
        self.is_early = self.is_early or gate.is_early
        return self._attempt(store, gate)

    def _begin(self) -> tuple[Store, Permit | Refusal]:
        """Leave to make the call, and the store that gave it: a report goes to the same."""
        store = self.policy.store()
        try:
            return store, store.begin(self._entry(store))
        except RedisLost:
            alone = self.policy.lost()
            return alone, alone.begin(self._entry(alone))

    def _entry(self, store: Store) -> Entry:
        asked = self.operation
        return Entry(
            circuit_key=asked.circuit_key,
            token=self.token,
            size=asked.limits.at_once,
            lease_ms=int((asked.deadline_seconds + asked.timeout_seconds) * 1000),
            pauses=(asked.key_of(Scope.ACCOUNT), asked.key_of(Scope.APPLICATION)),
            is_critical=asked.lane == Lane.CRITICAL,
            settings=asked.limits.circuit,
            tokens=tuple(self._tokens(store, rate) for rate in asked.limits.rates),
        )

    def _attempt(self, store: Store, permit: Permit) -> tuple[Outcome, T | None]:
        began = self.policy.clock()
        value: T | None = None
        seconds = min(self.operation.timeout_seconds, self.ends_at - began)
        if seconds <= 0:
            outcome = _ours(Kind.DEADLINE, "No time was left.")
        else:
            try:
                outcome, value = self.attempt(seconds)
            except Exception as error:  # noqa: BLE001 - the taxonomy is total: whatever it is becomes an outcome
                outcome = of_exception(error)
        took = self.policy.clock() - began
        self._teach(store, permit, outcome, took)
        self.policy.watch.tried(self.operation, outcome, took)
        return outcome, value

    def _tokens(self, store: Store, rate: Rate) -> Tokens:
        limit = rate.limit if store.is_shared else max(1, int(rate.limit * self.policy.share))
        return Tokens(
            key=f"{self.operation.key_of(rate.scope)}:{rate.window_seconds:g}",
            cost=self.operation.cost,
            limit=limit,
            window_ms=int(rate.window_seconds * 1000),
            reserve=0 if self.operation.lane == Lane.CRITICAL else int(limit * RESERVED_SHARE),
        )

    def _teach(self, store: Store, permit: Permit, outcome: Outcome, seconds: float) -> None:
        settings, health = self.operation.limits.circuit, outcome.handling.health
        if health == Health.NOTHING:
            self._release(store, permit)
            return
        is_good = health == Health.WELL and seconds * 1000 < settings.slow_ms
        try:
            if outcome.is_good:
                store.end(self._success(permit, is_good))
                self.is_inside = False
            else:
                store.record(self.operation.circuit_key, permit, is_good=is_good, settings=settings)
        except RedisLost:
            self.policy.lost()

    def _success(self, permit: Permit, is_good: bool) -> Success:
        return Success(
            circuit_key=self.operation.circuit_key,
            token=self.token,
            permit=permit,
            is_good=is_good,
            settings=self.operation.limits.circuit,
            budget_key=self.operation.service,
            gain=GAIN,
            capacity=CAPACITY,
        )

    def _release(self, store: Store, permit: Permit) -> None:
        try:
            store.release(self.operation.circuit_key, permit)
        except RedisLost:
            self.policy.lost()

    def _wait_after(self, outcome: Outcome, number: int) -> float | None:
        """Seconds to wait before the next try, or None when there is to be none."""
        wait = self._asked_wait(outcome)
        if wait is None:
            wait = self.policy.dice() * min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**number)
        has_time = self.policy.clock() + wait < self.ends_at
        return wait if has_time and self._may_try_again(outcome, wait) else None

    def _asked_wait(self, outcome: Outcome) -> float | None:
        asked = outcome.retry_after_seconds
        return None if asked is None else asked * (1 + STRETCH * self.policy.dice())

    def _may_try_again(self, outcome: Outcome, wait: float) -> bool:
        again = outcome.handling.again
        if again == Again.IF_HARMLESS:
            return wait <= LONGEST_WAIT_SECONDS and (self.operation.is_idempotent or not outcome.was_sent)
        if again == Again.IF_SOON:
            return outcome.retry_after_seconds is not None and wait <= LONGEST_WAIT_SECONDS
        if again == Again.AFTER_REFRESH and self.refresh is not None:
            refresh, self.refresh = self.refresh, None
            return refresh()
        return False

    def _pay(self, outcome: Outcome) -> bool:
        """Take the cost of another try out of the service's budget; fresh credentials cost nothing."""
        again = outcome.handling.again
        if again == Again.AFTER_REFRESH:
            return True
        cost = THROTTLED_COST if again == Again.IF_SOON else RETRY_COST
        service = self.operation.service
        return self.policy.ask(lambda store: store.spend(service, cost=cost, capacity=CAPACITY))

    def _pause_if_asked(self, outcome: Outcome) -> None:
        if outcome.kind == Kind.THROTTLED and outcome.scope != Scope.CALL:
            wait = self._asked_wait(outcome) or DEFAULT_THROTTLE_SECONDS
            key = self.operation.key_of(outcome.scope)
            self.policy.ask(lambda store: store.pause(key, wait_ms=int(wait * 1000)))


def _refused(gate: Refusal) -> Outcome:
    wait = gate.wait_ms / 1000
    if gate.why == FULL:
        return _ours(Kind.BULKHEAD_FULL, "As many calls as allowed are under way.")
    if gate.why == PAUSED:
        return _ours(Kind.THROTTLED, "The service asked to wait.", wait)
    if gate.why == OPEN:
        return _ours(Kind.CIRCUIT_OPEN, "The service fails at the moment.", wait)
    return _ours(Kind.RATE_LIMITED, "Our limit for this service is used up.", wait)


def _ours(kind: Kind, reason: str, wait: float | None = None) -> Outcome:
    return Outcome(kind=kind, reason=reason, retry_after_seconds=wait, was_sent=False)
