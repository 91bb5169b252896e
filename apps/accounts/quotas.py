"""Count requests against a limit per minute: one by one in Redis, or, for tracking, out of a lease.

A lease is a number of admissions taken from Redis in one round trip and spent within LEASE_SECONDS. Redis
keeps leased admissions for a window that is longer by just that time, so that however many processes lease,
no 60 seconds ever see more than the limit (overshoot 0). What a lease leaves unspent in its time is lost: a
process leases at most as much as a key at its limit spends in a tenth of a second, and at most twice what it
spent of its last lease, so that a key gets about half of its limit at worst, and all of it when it sends at
its limit. A request that counts as many spends what is left and takes only what it misses; a refused one
costs nothing and stands in the way of no smaller one.
"""

import math
import time
from dataclasses import dataclass, replace
from threading import Lock

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from apps.accounts.redis_link import RedisLink

WINDOW_SECONDS = 60
LEASE_SECONDS = 1
# What did not fit is not asked for again sooner, or a refused key would cost more than an admitted one.
REFUSED_SECONDS = 0.1
LEASES_PER_LIMIT = 600
LEASES_KEPT = 10_000


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a limit says to one request. reset_seconds: until the oldest request leaves the window."""

    is_admitted: bool
    limit: int
    remaining: int
    reset_seconds: int


class _Lease:
    """Admissions that a process has taken and not spent yet."""

    def __init__(self, limit: int) -> None:
        self.lock = Lock()
        self.last = Count(is_admitted=False, limit=limit, remaining=0, reset_seconds=1)
        self.most = max(1, limit // LEASES_PER_LIMIT)
        self.size, self.left = 1, 0
        self.ends_at = self.refused_until = 0.0
        self.most_that_fits = 0

    def lapse(self, now: float) -> None:
        """What is not spent in time is lost, and the next lease is as large as what was spent of this one."""
        if now >= self.ends_at:
            self.size, self.left = max(1, self.size - self.left), 0

    def plan(self, now: float) -> int:
        """The size of the next lease: twice this one if it was spent in time."""
        return min(self.most, self.size if now >= self.ends_at else 2 * self.size)

    def may_ask(self, missing: int, now: float) -> bool:
        """Not while so many were refused a moment ago; fewer may fit."""
        return now >= self.refused_until or missing <= self.most_that_fits

    def begin(self, count: Count, *, size: int, now: float) -> None:
        """Add what was taken. All that was left goes to the request that asks, so none outlives its time."""
        self.last = count
        self.size = size
        self.left += size
        self.ends_at = now + LEASE_SECONDS

    def refuse(self, count: Count, *, missing: int, now: float) -> None:
        self.last = count
        self.most_that_fits = min(count.remaining, missing - 1)
        self.refused_until = now + REFUSED_SECONDS

    def spend(self, cost: int) -> Count:
        is_admitted = self.left >= cost
        self.left -= cost if is_admitted else 0
        return replace(self.last, is_admitted=is_admitted, remaining=self.last.remaining + self.left)


class Quotas:
    """The counting of one process."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        storage = RedisStorage("redis://", connection_pool=link.client.connection_pool)
        self._shared = MovingWindowRateLimiter(storage)
        self._alone = MovingWindowRateLimiter(MemoryStorage())
        self._alone_lock = Lock()
        self._leases: dict[tuple[str, int], _Lease] = {}

    def take(self, key: str, *, limit: int, cost: int = 1) -> Count:
        """Count a request in Redis, exact under concurrency. Raises RedisLost."""
        return self._ask(RateLimitItemPerMinute(limit), key, cost)

    def take_alone(self, key: str, *, limit: int, cost: int = 1) -> Count:
        """Count in this process alone, for while Redis is lost."""
        with self._alone_lock:
            return _hit(self._alone, RateLimitItemPerMinute(limit), key, cost)

    def look(self, key: str, *, limit: int) -> Count:
        """What the next request would be told, without counting it. Raises RedisLost."""
        with self._link.asking():
            return _look(self._shared, RateLimitItemPerMinute(limit), key)

    def look_alone(self, key: str, *, limit: int) -> Count:
        """The same of what this process has counted alone."""
        with self._alone_lock:
            return _look(self._alone, RateLimitItemPerMinute(limit), key)

    def take_leased(self, key: str, *, limit: int, cost: int = 1) -> Count:
        """Count out of this process's lease, renewed when it is spent or over. Raises RedisLost."""
        lease = self._lease(key, limit)
        with lease.lock:
            now = self._link.clock()
            lease.lapse(now)
            missing = cost - lease.left
            if missing > 0 and lease.may_ask(missing, now):
                self._renew(lease, key, missing=missing, now=now)
            return lease.spend(cost)

    def _lease(self, key: str, limit: int) -> _Lease:
        if len(self._leases) > LEASES_KEPT:
            now = self._link.clock()
            self._leases = {name: one for name, one in self._leases.items() if one.ends_at > now}
        return self._leases.setdefault((key, limit), _Lease(limit))

    def _renew(self, lease: _Lease, key: str, *, missing: int, now: float) -> None:
        """Take what is missing, and more if there is more."""
        item = RateLimitItemPerSecond(lease.last.limit, WINDOW_SECONDS + LEASE_SECONDS)
        size = max(lease.plan(now), missing)
        count = self._ask(item, key, size)
        while not count.is_admitted and missing <= count.remaining < size:
            size = count.remaining
            count = self._ask(item, key, size)
        if count.is_admitted:
            lease.begin(count, size=size, now=now)
        else:
            lease.refuse(count, missing=missing, now=now)

    def _ask(self, item: RateLimitItem, key: str, cost: int) -> Count:
        with self._link.asking():
            return _hit(self._shared, item, key, cost)


def _hit(limiter: MovingWindowRateLimiter, item: RateLimitItem, key: str, cost: int) -> Count:
    return _count(limiter, item, key, is_admitted=limiter.hit(item, key, cost=cost))


def _look(limiter: MovingWindowRateLimiter, item: RateLimitItem, key: str) -> Count:
    return _count(limiter, item, key, is_admitted=limiter.test(item, key))


def _count(limiter: MovingWindowRateLimiter, item: RateLimitItem, key: str, *, is_admitted: bool) -> Count:
    stats = limiter.get_window_stats(item, key)
    return Count(
        is_admitted=is_admitted,
        limit=item.amount,
        remaining=max(0, stats.remaining),
        reset_seconds=max(1, math.ceil(stats.reset_time - time.time())),
    )
