"""The shared state of the policy in one process: for tests, and for while Redis is away."""

import time
from collections import defaultdict
from collections.abc import Callable
from threading import RLock

from apps.integrations.resilience import breaker
from apps.integrations.resilience.breaker import Circuit, Denied, Permit
from apps.integrations.resilience.gate import FULL, OPEN, PAUSED, USED_UP, Entry, Refusal, Success


class MemoryStore:
    """Same rules and same answers as redis_store.RedisStore. now_ms: the clock."""

    is_shared = False

    def __init__(self, now_ms: Callable[[], int] = lambda: int(time.time() * 1000)) -> None:
        self._now_ms = now_ms
        self._lock = RLock()
        self._circuits: dict[str, Circuit] = defaultdict(Circuit)
        self._leases: dict[str, dict[str, int]] = defaultdict(dict)
        self._budgets: dict[str, float] = {}
        self._taken: dict[str, list[int]] = defaultdict(list)
        self._paused: dict[str, int] = {}

    def begin(self, entry: Entry) -> Permit | Refusal:
        """All that a call needs to be made, or the first thing that stands in its way."""
        key, now = entry.circuit_key, self._now_ms()
        with self._lock:
            is_inside = self._leases[key].get(entry.token, 0) > now
            if not is_inside and not self._enter(key, entry.token, size=entry.size, lease_ms=entry.lease_ms):
                return Refusal(FULL)
            for pause in entry.pauses:
                if left := self._pause_left(pause):
                    return Refusal(PAUSED, left)
            leave = self._acquire(key, is_critical=entry.is_critical, settings=entry.settings)
            if isinstance(leave, Denied):
                return Refusal(OPEN, leave.retry_after_ms)
            for one in entry.tokens:
                if wait := self._take(
                    one.key, cost=one.cost, limit=one.limit, window_ms=one.window_ms, reserve=one.reserve
                ):
                    self.release(key, leave)
                    return Refusal(USED_UP, wait)
            return leave

    def end(self, success: Success) -> None:
        """All that is told of a call that ended well."""
        key = success.circuit_key
        with self._lock:
            self.record(key, success.permit, is_good=success.is_good, settings=success.settings)
            self._earn(success.budget_key, gain=success.gain, capacity=success.capacity)
            self.leave(key, success.token)

    def _acquire(self, key: str, *, is_critical: bool, settings: breaker.Settings) -> Permit | Denied:
        with self._lock:
            return breaker.acquire(
                self._circuits[key], now_ms=self._now_ms(), is_critical=is_critical, settings=settings
            )

    def record(self, key: str, permit: Permit, *, is_good: bool, settings: breaker.Settings) -> breaker.State:
        with self._lock:
            return breaker.record(
                self._circuits[key], permit, now_ms=self._now_ms(), is_good=is_good, settings=settings
            )

    def release(self, key: str, permit: Permit) -> None:
        with self._lock:
            breaker.release(self._circuits[key], permit)

    def look(self, key: str) -> Circuit:
        with self._lock:
            return self._circuits[key]

    def _enter(self, key: str, token: str, *, size: int, lease_ms: int) -> bool:
        with self._lock:
            now = self._now_ms()
            held = self._leases[key] = {one: until for one, until in self._leases[key].items() if until > now}
            if len(held) >= size:
                return False
            held[token] = now + lease_ms
            return True

    def leave(self, key: str, token: str) -> None:
        with self._lock:
            self._leases[key].pop(token, None)

    def spend(self, key: str, *, cost: float, capacity: float) -> bool:
        with self._lock:
            left = self._budgets.get(key, capacity)
            if left < cost:
                return False
            self._budgets[key] = left - cost
            return True

    def _earn(self, key: str, *, gain: float, capacity: float) -> None:
        with self._lock:
            if key in self._budgets:
                self._budgets[key] = min(capacity, self._budgets[key] + gain)

    def _take(self, key: str, *, cost: int, limit: int, window_ms: int, reserve: int) -> int:
        with self._lock:
            now = self._now_ms()
            taken = self._taken[key] = [at for at in self._taken[key] if at > now - window_ms]
            room = limit - reserve - len(taken)
            if room >= cost:
                taken.extend([now] * cost)
                return 0
            place = max(0, cost - room - 1)
            return window_ms if place >= len(taken) else max(1, taken[place] + window_ms - now)

    def pause(self, key: str, *, wait_ms: int) -> None:
        with self._lock:
            self._paused[key] = max(self._paused.get(key, 0), self._now_ms() + wait_ms)

    def _pause_left(self, key: str) -> int:
        with self._lock:
            return max(0, self._paused.get(key, 0) - self._now_ms())
