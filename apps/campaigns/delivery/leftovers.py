"""Whom a cancelled campaign did not reach."""

from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import one_trip, scoping
from apps.accounts.tasks_base import workspace_task
from apps.campaigns.delivery import counting, limits
from apps.campaigns.models import Recipient, SendBatch

State = Recipient.State
SPAN = """
    SELECT min(id), max(id) FROM campaigns_recipient
    WHERE workspace_id = (SELECT %s::bigint) AND campaign_id = %s
"""
OVER = """
    SELECT 1 FROM campaigns_sendrun
    WHERE workspace_id = (SELECT %s::bigint) AND campaign_id = %s AND finished_at IS NOT NULL
"""
CANCELLED = "cancelled"


@workspace_task(name="campaigns.delivery.skip")
def skip(*, campaign_id: int, step: int = 50_000) -> int:
    """Settle whom a cancelled campaign did not reach, some at a time. What is under way settles itself."""
    with connection.cursor() as cursor:
        cursor.execute(SPAN, [scoping.current_id(), campaign_id])
        first, last = cursor.fetchone()
    if first is None:
        return 0
    return sum(_skip(campaign_id, start, start + step) for start in range(first - 1, last, step))


def skip_if_cancelled(campaign_id: int) -> None:
    """What was put off, or settled, while somebody cancelled is not to be sent any more."""
    if one_trip.fetch_one(OVER, [scoping.current_id(), campaign_id], is_prepared=True):
        skip(campaign_id=campaign_id)


@transaction.atomic
def _skip(campaign_id: int, after: int, through: int) -> int:
    under_way = SendBatch.objects.filter(campaign_id=campaign_id, settled_at__isnull=True)
    held = [one for ids in under_way.values_list("recipient_ids", flat=True) for one in ids]
    limits.give_back_of(campaign_id, after=after, through=through, but=held)
    found = Recipient.objects.filter(campaign_id=campaign_id, pk__gt=after, pk__lte=through)
    skipped = {
        state: found.filter(state=state)
        .exclude(pk__in=held)
        .update(state=State.SKIPPED, reason=CANCELLED, due_at=None, settled_at=timezone.now())
        for state in (State.TO_SEND, State.WAITING)
    }
    # In the order in which whoever settles a batch locks them: skipped before to_send and waiting.
    counting.add(campaign_id, {str(State.SKIPPED): sum(skipped.values())}, reason=CANCELLED)
    counting.add(campaign_id, {str(state): -people for state, people in skipped.items()})
    return sum(skipped.values())
