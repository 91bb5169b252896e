"""Calls that were over long ago, and their trails: forgotten after settings.CALLS_KEPT_DAYS.

A trail goes as a whole, so that every chain that is there still holds. A message outlives its call: by its
own row it is not sent again, and its reader can still unsubscribe. A call by which a told conversion is known
stays with its trail, since a refund or an erasure is told by it, however late; and so does one that failed
for good, for a person to look at.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.tasks_base import workspace_task
from apps.integrations import trail
from apps.integrations.models import Call, EmailDelivery, ForwardedConversion

OVER = (Call.State.DONE, Call.State.CANCELLED)
BATCH = 5_000


@shared_task(name="integrations.call_retention.forget_all")
def forget_all() -> None:
    """Start forgetting in every workspace."""
    with scoping.across_workspaces("workspace.list"):
        workspaces = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in workspaces:
        forget.delay(workspace_id=workspace_id)


@workspace_task(name="integrations.call_retention.forget")
def forget() -> int:
    """Forget the workspace's, oldest first. How many calls.

    Ends at the first batch that holds a young one: no index on the time is needed.
    """
    before = timezone.now() - timedelta(days=settings.CALLS_KEPT_DAYS)
    last, forgotten = 0, 0
    while oldest := list(
        Call.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "created_at")[:BATCH]
    ):
        last = oldest[-1][0]
        forgotten += _forget([key for key, created_at in oldest if created_at < before], before)
        if oldest[-1][1] >= before:
            break
    return forgotten


@transaction.atomic
def _forget(keys: Sequence[int], before: datetime) -> int:
    told = ForwardedConversion.objects.filter(call=OuterRef("pk"))
    over = Call.objects.filter(~Exists(told), pk__in=keys, state__in=OVER, settled_at__lt=before)
    calls = list(over.select_for_update(of=("self",)).order_by("pk"))
    if not calls:
        return 0
    EmailDelivery.objects.filter(call__in=calls).update(call=None)
    trail.forget([call.stream for call in calls], before=before)
    gone = Call.objects.filter(pk__in=[call.pk for call in calls])
    return int(gone.delete()[1].get(Call._meta.label, 0))
