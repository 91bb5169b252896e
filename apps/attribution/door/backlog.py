"""What waits to be stored: bounded, in the order of arrival, taken in groups."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from threading import Condition
from typing import NamedTuple

from apps.accounts.errors import DomainError
from apps.attribution import tracking
from apps.attribution.door import metrics
from apps.attribution.door.requests import Reply, TrackingRequest, failed, refusal_of

# At most so much is stored together, unless one request alone is more: so many requests, and no more events
# than one batch may hold, so that to share a COMMIT takes no longer than a full batch by itself.
GROUP_REQUESTS, GROUP_EVENTS, GROUP_BYTES = 128, tracking.MAX_BATCH, 512 * 1024
GATHER_SECONDS = 0.015
# What may be under way at once; more is told to come again.
MOST_REQUESTS, MOST_BYTES = 4_096, 64 * 1024**2


class TooBusy(DomainError):
    code = "too_busy"
    status = 503


class Waiting(NamedTuple):
    """A request, and who waits for its reply."""

    request: TrackingRequest
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Reply]"


Group = Sequence[Waiting]


class Backlog:
    """The queue between the event loop and the thread that stores.

    under_way: requests that are not answered yet, wherever they are.
    """

    def __init__(self, *, most_requests: int = MOST_REQUESTS) -> None:
        self.under_way = 0
        self._most_requests = most_requests
        self._bytes = 0
        self._changed = Condition()
        self._queue: list[Waiting] = []
        self._wanted = self._last = 1
        self._is_closed = False

    def enter(self, waiting: Waiting) -> None:
        """Raises TooBusy when too much is under way."""
        size = len(waiting.request.body)
        with self._changed:
            if self._is_closed or self.under_way >= self._most_requests or self._bytes + size > MOST_BYTES:
                metrics.TURNED_AWAY.inc()
                raise TooBusy("Too many events wait to be stored. Send this again.", retry_after_seconds=1)
            self.under_way += 1
            self._bytes += size
            self._queue.append(waiting)
            if len(self._queue) >= self._wanted:
                self._changed.notify()

    def next_group(self) -> list[Waiting]:
        """Wait for the next group, oldest first. Empty when the door is closed and nothing is left.

        A lone request is taken at once. Where a group came last, as many are waited for, but no longer than
        GATHER_SECONDS.
        """
        with self._changed:
            self._wait_for(1, None)
            if self._last > 1:
                self._wait_for(self._last, GATHER_SECONDS)
            group = self._take()
        self._last = len(group)
        return group

    def drain(self) -> list[Waiting]:
        """All that waits."""
        with self._changed:
            waiting, self._queue = self._queue, []
        return waiting

    def answer(self, group: Group) -> None:
        """Wake those who wait, one call into each event loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Waiting]] = defaultdict(list)
        for waiting in group:
            by_loop[waiting.loop].append(waiting)
        with self._changed:
            self.under_way -= len(group)
            self._bytes -= sum(len(waiting.request.body) for waiting in group)
        for loop, part in by_loop.items():
            with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_wake, part)

    def close(self) -> None:
        """Take nothing more; what waits is still to be fetched."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _wait_for(self, count: int, seconds: float | None) -> None:
        self._wanted = count
        self._changed.wait_for(lambda: self._is_closed or len(self._queue) >= count, seconds)
        self._wanted = GROUP_REQUESTS

    def _take(self) -> list[Waiting]:
        size = count = events = 0
        for waiting in self._queue[:GROUP_REQUESTS]:
            size += len(waiting.request.body)
            events += waiting.request.most_events
            if count and (size > GROUP_BYTES or events > GROUP_EVENTS):
                break
            count += 1
        group, self._queue = self._queue[:count], self._queue[count:]
        return group


def _wake(group: Group) -> None:
    for request, _, future in group:
        if not future.done():
            future.set_result(request.reply or refusal_of(failed()))
