"""Where requests go that would hold up the others: who identifies people, and who waits for a lock.

A group that is held up is halved until the request that is held up stands alone, and that one waits.
"""

from concurrent.futures import Executor

import structlog
from django.db import close_old_connections
from django.utils import timezone

from apps.accounts.errors import DomainError, Unavailable
from apps.attribution.door import groups
from apps.attribution.door.backlog import Backlog, Group, TooBusy
from apps.attribution.door.requests import failed

log = structlog.get_logger(__name__)

PATIENCE_MS = 250


class Aside:
    """Threads beside the one that stores. What they take is answered in the end."""

    def __init__(self, threads: Executor, backlog: Backlog) -> None:
        self._threads = threads
        self._backlog = backlog

    def take(self, group: Group) -> None:
        """Those who identify people each for themselves, the others together."""
        self._start([waiting for waiting in group if not waiting.request.is_identifying])
        for waiting in group:
            if waiting.request.is_identifying:
                self._start([waiting])

    def _start(self, group: Group) -> None:
        if not group:
            return
        try:
            self._threads.submit(self._settle, group)
        except RuntimeError:  # they are shut: the process ends
            self._refuse(group, _contested())

    def _settle(self, group: Group) -> None:
        close_old_connections()
        try:
            self._store(group)
        except Unavailable as loss:
            self._refuse(group, loss)
        except Exception:
            log.exception("tracking.group_lost", requests=len(group))
            self._refuse(group, failed())
        finally:
            close_old_connections()

    def _store(self, group: Group) -> None:
        requests = [waiting.request for waiting in group]
        is_alone = len(group) == 1
        groups.store(requests, now=timezone.now(), patience_ms=None if is_alone else PATIENCE_MS)
        late = [waiting for waiting in group if waiting.request.is_open]
        if late and is_alone:
            self._refuse(group, _contested())
            return
        self._backlog.answer([waiting for waiting in group if not waiting.request.is_open])
        middle = (len(late) + 1) // 2
        self._start(late[:middle])
        self._start(late[middle:])

    def _refuse(self, group: Group, refusal: DomainError) -> None:
        for waiting in group:
            waiting.request.refuse_if_open(refusal)
        self._backlog.answer(group)


def _contested() -> TooBusy:
    return TooBusy("Somebody else is changing the same people. Send this again.", retry_after_seconds=1)
