"""Groups of requests: admitted one by one, stored together, each answered for itself.

The workspaces of a group share one transaction, each in its own scope; the touches and conversions of a
workspace are one call of the verb. What fails is divided until the request that breaks it stands alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable

from apps.accounts import scoping
from apps.accounts.errors import DomainError, database_lost
from apps.attribution import tracking
from apps.attribution.door.requests import TrackingRequest, failed

log = structlog.get_logger(__name__)

Requests = Sequence[TrackingRequest]


def admit(requests: Requests) -> None:
    """Count and parse each; one that is refused has its reply then. Raises Unavailable."""
    for workspace_id, part in _by_workspace(requests):
        with scoping.workspace(workspace_id):
            for request in part:
                _admit(request)


def store(requests: Requests, *, now: datetime, patience_ms: int | None = None) -> list[TrackingRequest]:
    """Store admitted requests and settle them. Raises Unavailable: none of those still open is stored for
    certain.

    Answers the requests that somebody else's lock holds up for longer than patience_ms; None: than the
    connection's own lock_timeout.
    """
    try:
        with _transaction(requests, patience_ms):
            _store_together(requests, now=now)
        for request in requests:
            request.settle()
    except (OperationalError, InterfaceError) as error:
        if isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
            return list(requests)
        raise database_lost() from error
    except DomainError as refusal:
        if len(requests) > 1:
            return _store_divided(requests, now=now, patience_ms=patience_ms)
        requests[0].refuse(refusal)
    except Exception:
        # Whatever one record does to the verb or the database, the others of its group are not lost for it.
        log.exception("tracking.group_failed", requests=len(requests))
        if len(requests) > 1:
            return _store_divided(requests, now=now, patience_ms=patience_ms)
        requests[0].refuse(failed())
    return []


def _admit(request: TrackingRequest) -> None:
    try:
        request.admit()
    except DomainError as refusal:
        request.refuse(refusal)
    except (OperationalError, InterfaceError) as error:
        raise database_lost() from error
    except Exception:
        log.exception("tracking.request_failed", deed=request.deed)
        request.refuse(failed())


@contextmanager
def _transaction(requests: Requests, patience_ms: int | None) -> Iterator[None]:
    """One around the verbs' own, where theirs is not enough."""
    if patience_ms is None and len({request.actor.workspace_id for request in requests}) == 1:
        yield
        return
    with transaction.atomic():
        if patience_ms is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{patience_ms}ms"])
        yield


def _store_together(requests: Requests, *, now: datetime) -> None:
    for workspace_id, part in _by_workspace(requests):
        with scoping.workspace(workspace_id):
            tracking.store([request.reading for request in part if request.reading], now=now)


def _store_divided(
    requests: Requests, *, now: datetime, patience_ms: int | None = None
) -> list[TrackingRequest]:
    """By workspace, and within one by halves."""
    parts = [part for _, part in _by_workspace(requests)]
    if len(parts) == 1:
        middle = len(requests) // 2
        parts = [list(requests[:middle]), list(requests[middle:])]
    return [late for part in parts for late in store(part, now=now, patience_ms=patience_ms)]


def _by_workspace(requests: Requests) -> list[tuple[int, list[TrackingRequest]]]:
    """In the order of their keys: every group that locks in several workspaces locks in this order."""
    parts: dict[int, list[TrackingRequest]] = defaultdict(list)
    for request in requests:
        parts[request.actor.workspace_id].append(request)
    return sorted(parts.items())
