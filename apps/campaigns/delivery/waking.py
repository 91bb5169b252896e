"""A run that rests comes back into the queue when something of it is due."""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from apps.accounts import scoping
from apps.campaigns.delivery import working
from apps.campaigns.models import SendRun

# A run that stands in the queue stays there until what was asked for is committed: whoever would put it to
# rest does not see it before. Whoever claims of it waits for nothing.
HOLD = """
    SELECT id FROM campaigns_sendrun WHERE workspace_id = (SELECT %s::bigint) AND id = %s FOR KEY SHARE
"""


@transaction.atomic(savepoint=False)
def wake(run_id: int, due: datetime, *, now: datetime) -> None:
    """Have the run back in the queue by then."""
    if not _is_back(run_id, due, now=now):
        with connection.cursor() as cursor:
            cursor.execute(HOLD, [scoping.current_id(), run_id])
        _is_back(run_id, due, now=now)  # it may have been put to rest in that moment


def _is_back(run_id: int, due: datetime, *, now: datetime) -> bool:
    """Whether it rested, and comes back now or earlier than it would have."""
    resting = SendRun.objects.filter(
        pk=run_id, is_open=False, is_paused=False, finished_at__isnull=True
    ).filter(Q(due_at__isnull=True) | Q(due_at__gt=due))
    if due > now:
        return bool(resting.update(due_at=due))
    is_back = bool(resting.update(due_at=None, is_open=True))
    if is_back:
        working.deliver.delay_on_commit()
    return is_back
