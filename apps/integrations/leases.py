"""For how long calls that are under way belong to their worker.

Before a worker asks a service anything (policy.py), its lease is made to outlast the question. So one that
asks several services in turn is not overtaken while it works, whatever it asks; and one that was overtaken,
because it hung, asks nothing more: what it had under way is another's by then.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.integrations.models import Call

LEASE = timedelta(seconds=120)
# To renew credentials on the way, and to write down what became of it.
MARGIN = timedelta(seconds=15)

_under_way: ContextVar[Sequence[Call]] = ContextVar("under_way", default=())


class LeaseLost(Exception):
    """Another worker has taken over what is under way here."""


@contextmanager
def under_way(calls: Sequence[Call]) -> Iterator[None]:
    """While it lasts, these calls are what is asked about. They share one lease."""
    token = _under_way.set(calls)
    try:
        yield
    finally:
        _under_way.reset(token)


def outlast(seconds: float) -> None:
    """Make the lease of what is under way last so long and a margin. Raises LeaseLost."""
    calls, now = _under_way.get(), timezone.now()
    if not calls or (until := calls[0].lease_until) is None:
        return
    needed = now + timedelta(seconds=seconds) + MARGIN
    if until >= needed:
        return
    longer = max(now + LEASE, needed)
    with transaction.atomic():
        mine = Call.objects.filter(pk__in=[call.pk for call in calls], lease_until=until)
        if mine.update(lease_until=longer, due_at=longer) < len(calls):
            raise LeaseLost("Another worker has taken this over.")
    for call in calls:
        call.lease_until = longer
