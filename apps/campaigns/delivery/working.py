"""Workers: each takes the next chunk of whichever campaign is next, for a while."""

from time import monotonic

import structlog
from celery import shared_task
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.tasks_base import SentAfterCommit
from apps.campaigns.delivery import sending, stopping
from apps.campaigns.delivery.opening import Openings
from apps.campaigns.delivery.queueing import Claimed, Queue
from apps.campaigns.models import Campaign

log = structlog.get_logger(__name__)

# Then somebody else's task has its turn; the sweep starts another.
SECONDS = 50.0


@shared_task(name="campaigns.delivery.deliver", base=SentAfterCommit)
def deliver(*, seconds: float = SECONDS) -> int:
    """Send what is due, whosever it is. How many were written to."""
    queue, openings, began, sent = Queue(), Openings(), monotonic(), 0
    while monotonic() - began < seconds and (claimed := queue.claim(now=timezone.now())):
        with scoping.workspace(claimed.workspace_id):
            sent += send(claimed, openings)
    return sent


def send(claimed: Claimed, openings: Openings) -> int:
    """One chunk. What the campaign itself cannot go on with pauses it."""
    try:
        return sending.send(claimed, openings=openings)
    except DomainError as error:
        log.warning("delivery.refused", campaign=claimed.campaign_id, code=error.code)
        campaign = Campaign.objects.get(pk=claimed.campaign_id)
        stopping.pause(campaign, reason=error.detail, now=timezone.now())
        return 0
