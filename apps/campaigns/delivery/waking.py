"""A run that rests comes back into the queue when something of it is due."""

from datetime import datetime

from django.db.models import Q

from apps.campaigns.delivery import working
from apps.campaigns.models import SendRun


def wake(run_id: int, due: datetime, *, now: datetime) -> None:
    """Have the run back in the queue by then."""
    resting = SendRun.objects.filter(
        pk=run_id, is_open=False, is_paused=False, finished_at__isnull=True
    ).filter(Q(due_at__isnull=True) | Q(due_at__gt=due))
    if due > now:
        resting.update(due_at=due)
    elif resting.update(due_at=None, is_open=True):
        working.deliver.delay_on_commit()
