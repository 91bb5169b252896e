"""The Redis of web requests: it answers at once or counts as lost, and is then left alone for a moment."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import structlog
from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.retry import Retry

log = structlog.get_logger(__name__)

# While it is lost, one request in this time asks again; the others go on without it.
ASK_AGAIN_SECONDS = 2.0
LOG_EVERY_SECONDS = 60.0

Clock = Callable[[], float]


class RedisLost(Exception):
    """Redis did not answer just now, or a moment ago."""


class RedisLink:
    """A client with short timeouts behind a small circuit. Shared by the threads of a process."""

    def __init__(self, url: str, *, clock: Clock = time.monotonic) -> None:
        # One retry and only for a broken connection: those in the pool are stale after a restart of Redis.
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=settings.REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
        )
        self.clock = clock
        self.lost_since: float | None = None
        self._ask_again_at = 0.0
        self._logged_at = float("-inf")
        self._lock = Lock()

    @contextmanager
    def asking(self) -> Iterator[Redis]:
        """Talk to Redis in the block. Raises RedisLost when it fails, at once if it is known to be lost."""
        if not self._may_ask():
            raise RedisLost
        try:
            yield self.client
        except RedisError as error:
            self._note_loss(error)
            raise RedisLost from error
        if self.lost_since is not None:
            self._note_return()

    def _may_ask(self) -> bool:
        if self.lost_since is None:
            return True
        with self._lock:
            is_my_turn = self.clock() >= self._ask_again_at
            if is_my_turn:
                self._ask_again_at = self.clock() + ASK_AGAIN_SECONDS
            return is_my_turn

    def _note_loss(self, error: RedisError) -> None:
        now = self.clock()
        with self._lock:
            self.lost_since = now if self.lost_since is None else self.lost_since
            self._ask_again_at = now + ASK_AGAIN_SECONDS
            is_due, self._logged_at = (
                (True, now) if now - self._logged_at >= LOG_EVERY_SECONDS else (False, self._logged_at)
            )
        if is_due:
            log.error("redis.lost", error=type(error).__name__, since_seconds=round(now - self.lost_since))

    def _note_return(self) -> None:
        with self._lock:
            was_lost, self.lost_since = self.lost_since is not None, None
            self._logged_at = float("-inf")
        if was_lost:
            log.warning("redis.back")


def link() -> RedisLink:
    """The link to settings.REDIS_URL, one per process."""
    return _link(settings.REDIS_URL)


@cache
def _link(url: str) -> RedisLink:
    return RedisLink(url)
