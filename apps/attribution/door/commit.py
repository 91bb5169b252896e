"""Group commit: requests that arrive together wait for one thread, which stores them in one transaction.

While a group is being stored, the next one gathers. Nobody is answered before COMMIT has returned.
"""

import asyncio
import gc
from concurrent.futures import Executor
from threading import Lock, Thread
from time import monotonic, perf_counter

import structlog
from django.db import connections
from django.utils import timezone

from apps.accounts.errors import DomainError, Unavailable
from apps.attribution.door import groups, metrics
from apps.attribution.door.aside import PATIENCE_MS, Aside
from apps.attribution.door.backlog import MOST_REQUESTS, Backlog, Group, Waiting
from apps.attribution.door.requests import Reply, TrackingRequest, failed

log = structlog.get_logger(__name__)

# A connection that was idle for longer is tried before it is trusted with a group.
TRUSTED_SECONDS = 1.0
SESSION = (
    f"lock_timeout={PATIENCE_MS}",
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
    "plan_cache_mode=force_generic_plan",
)


class Committer:
    """The backlog of a process, and the thread that stores it; started with the first request."""

    def __init__(self, *, aside: Executor, most_requests: int = MOST_REQUESTS) -> None:
        self.backlog = Backlog(most_requests=most_requests)
        self._aside = Aside(aside, self.backlog)
        self._thread: Thread | None = None
        self._starting = Lock()

    async def settle(self, request: TrackingRequest) -> Reply:
        """The reply, once the request is settled. Raises TooBusy when too much is under way.

        Whoever stops waiting loses the reply; the request is stored all the same.
        """
        loop = asyncio.get_running_loop()
        waiting = Waiting(request, loop, loop.create_future())
        self.backlog.enter(waiting)
        if self._thread is None:
            self._start()
        return await waiting.future

    def close(self) -> None:
        """Take nothing more; return once all that waits is stored and answered or was sent aside."""
        self.backlog.close()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="door", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        _leave_out_what_stays()
        _open_own_connection()
        trusted_until = 0.0
        try:
            while group := self.backlog.next_group():
                if monotonic() > trusted_until:
                    connections["default"].close_if_unusable_or_obsolete()
                self._settle(group)
                trusted_until = monotonic() + TRUSTED_SECONDS
        finally:
            connections.close_all()

    def _settle(self, group: Group) -> None:
        """Whatever happens, the thread lives on and nobody waits for ever."""
        began = perf_counter()
        try:
            _store([waiting.request for waiting in group])
        except Unavailable as loss:
            connections["default"].close()
            log.error("database.unavailable", error=type(loss.__cause__).__name__)
            # With the database gone, each group would wait its turn to learn it.
            self._refuse([*group, *self.backlog.drain()], loss)
        except Exception:
            log.exception("tracking.group_lost", requests=len(group))
            self._refuse(group, failed())
        else:
            self.backlog.answer([waiting for waiting in group if not waiting.request.is_open])
            self._aside.take([waiting for waiting in group if waiting.request.is_open])
        metrics.observe_group(len(group), perf_counter() - began)

    def _refuse(self, group: Group, refusal: DomainError) -> None:
        for waiting in group:
            waiting.request.refuse_if_open(refusal)
        self.backlog.answer(group)


def _store(requests: list[TrackingRequest]) -> None:
    """Admit and store a group; what is open then is to go aside."""
    groups.admit(requests)
    together = [request for request in requests if request.is_open and not request.is_identifying]
    if together:
        groups.store(together, now=timezone.now())


def _leave_out_what_stays() -> None:
    """What the process has loaded by now is not searched for garbage again: each group makes enough objects
    for the collector to walk through all of it (measured: two fifths of the time of storing).
    """
    gc.collect()
    gc.freeze()


def _open_own_connection() -> None:
    """Outside the pool, whose connections pages may all be using, kept for good, and impatient.

    The same few statements for ever: PostgreSQL keeps their plans (measured: a quarter less of its time). A
    plan that was made while a table was all but empty would read all of it for each group, until the next
    ANALYZE; hence only plans that go by an index for each row.
    """
    own = connections["default"].copy()
    own.settings_dict["CONN_MAX_AGE"] = None
    options = own.settings_dict["OPTIONS"]
    options.pop("pool", None)
    options |= {"server_side_binding": True, "prepare_threshold": 3}
    options["options"] = " ".join([options.get("options", ""), *(f"-c {one}" for one in SESSION)]).strip()
    connections["default"] = own
