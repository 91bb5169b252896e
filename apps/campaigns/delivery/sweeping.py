"""Every few seconds: campaigns whose time has come, workers that died, and enough senders at work."""

from datetime import datetime

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from apps.accounts import scoping
from apps.campaigns.delivery import recovering, snapshotting, working
from apps.campaigns.models import Chunk, SendBatch, SendRun

SECONDS = 5


@shared_task(name="campaigns.delivery.sweep")
def sweep() -> int:
    """Start what is due. How many runs stand in the queue, up to the number of senders."""
    now = timezone.now()
    with scoping.across_workspaces("delivery.sweep"):
        asleep = list(_resting(now).values_list("workspace_id", "pk")[:10_000])
        unwritten = list(_unwritten(now).values_list("workspace_id", "pk")[:1_000])
        lost = _with_leases_that_ran_out(now)
        waiting = SendRun.objects.filter(is_open=True)[: settings.DELIVERY_SENDERS].count()
    for workspace_id, run_id in asleep:
        with scoping.workspace(workspace_id):
            _resting(now).filter(pk=run_id).update(is_open=True, due_at=None)
    for workspace_id, run_id in unwritten:
        snapshotting.take.apply_async(kwargs={"workspace_id": workspace_id, "run_id": run_id}, expires=60)
    for workspace_id in sorted(lost):
        recovering.recover.apply_async(kwargs={"workspace_id": workspace_id}, expires=60)
    if waiting or asleep:
        for _ in range(settings.DELIVERY_SENDERS):
            working.deliver.apply_async(expires=SECONDS)
    return int(waiting)


def _resting(now: datetime) -> "scoping.WorkspaceQuerySet":
    """Runs that come back now; one that is not snapshotted is begun instead."""
    return SendRun.objects.filter(
        Q(is_snapshotted=True) | Q(chunks__gt=0), due_at__lte=now, is_open=False, is_paused=False
    )


def _unwritten(now: datetime) -> "scoping.WorkspaceQuerySet":
    """Those whose recipients are not all written down, and whose time has come."""
    return SendRun.objects.filter(
        Q(due_at__isnull=True) | Q(due_at__lte=now),
        is_snapshotted=False,
        is_paused=False,
        finished_at__isnull=True,
    )


def _with_leases_that_ran_out(now: datetime) -> set[int]:
    batches = SendBatch.objects.filter(settled_at__isnull=True, lease_until__lte=now)
    chunks = Chunk.objects.filter(state=Chunk.State.LEASED, lease_until__lte=now)
    return {
        workspace_id
        for found in (batches, chunks)
        for workspace_id in found.values_list("workspace_id", flat=True).distinct()[:1_000]
    }
