"""Whether the worker is alive: its heartbeat is young, or nothing waits, or it is visibly busy."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from celery import Celery

HEARTBEAT = "bellwether:heartbeat:worker"  # unix time, written every 15 s by a task that beat sends
STALE_SECONDS = 75


@dataclass(frozen=True)
class Watchdog:
    """Looks at one worker through its broker. The hard limit is the longest that one task may take."""

    redis_url: str
    broker_url: str
    queues: Sequence[str]
    hard_limit: float
    patience: float = 5  # seconds a worker has to say what it does

    async def complaint(self, started: float) -> str | None:
        """`complaint_at` now, off the event loop."""
        try:
            return await asyncio.to_thread(self.complaint_at, time.time(), started=started)
        except redis.RedisError:
            return None  # the supervisor looks after Redis by other means

    def complaint_at(self, now: float, *, started: float) -> str | None:
        """Why the worker, started then, must be restarted; None if it need not. Both are unix times."""
        with redis.Redis.from_url(self.redis_url, socket_timeout=5) as client:
            beat = float(client.get(HEARTBEAT) or 0)
            waiting = sum(int(client.llen(queue)) for queue in self.queues)
        silent = now - max(beat, started)
        if not waiting or silent < STALE_SECONDS:
            return None
        if silent < self.hard_limit + STALE_SECONDS and self._is_busy():
            return None
        return f"no heartbeat for {silent:.0f} s while {waiting} tasks wait"

    def _is_busy(self) -> bool:
        """A worker that has all hands full may be late with its heartbeat; a stopped one does not answer."""
        with Celery(broker=self.broker_url, set_as_current=False) as app:
            active: dict[str, list[Any]] | None = app.control.inspect(timeout=self.patience).active()
        return any((active or {}).values())
