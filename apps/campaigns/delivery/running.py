"""Start, pause, resume and stop a campaign's run; let the winner go to those who wait."""

from datetime import datetime

from django.db import transaction

from apps.campaigns.delivery import leftovers, snapshotting, working
from apps.campaigns.delivery.enqueueing import NotRunning
from apps.campaigns.models import Campaign, Chunk, Content, SendRun


@transaction.atomic
def start(campaign: Campaign, *, now: datetime) -> SendRun:
    """Open its run, in the transaction of the launch. A broadcast is snapshotted once starts_at has come."""
    is_broadcast = campaign.kind == Campaign.Kind.BROADCAST
    run, _ = SendRun.objects.get_or_create(
        workspace_id=campaign.workspace_id,
        campaign=campaign,
        defaults={
            "weight": campaign.weight,
            "is_open": False,
            "is_snapshotted": not is_broadcast,
            "due_at": campaign.starts_at if is_broadcast else None,
        },
    )
    if is_broadcast and (run.due_at is None or run.due_at <= now):
        snapshotting.take.delay_on_commit(workspace_id=campaign.workspace_id, run_id=run.pk)
    return run


@transaction.atomic
def pause(campaign: Campaign, *, now: datetime) -> None:
    """Nothing more leaves once this is committed, but for at most fifty messages a worker under way."""
    run = _locked(campaign)
    run.is_paused, run.is_open, run.due_at = True, False, None
    run.save(update_fields=["is_paused", "is_open", "due_at"])


@transaction.atomic
def resume(campaign: Campaign, *, now: datetime) -> None:
    run = _locked(campaign)
    run.is_paused = False
    is_waiting = campaign.starts_at is not None and campaign.starts_at > now and not run.is_snapshotted
    run.is_open = run.is_snapshotted or run.chunks > 0
    run.due_at = campaign.starts_at if is_waiting else None
    run.save(update_fields=["is_paused", "is_open", "due_at"])
    if run.is_snapshotted:
        working.deliver.delay_on_commit()
    elif not is_waiting:
        snapshotting.take.delay_on_commit(workspace_id=campaign.workspace_id, run_id=run.pk)


@transaction.atomic
def cancel(campaign: Campaign, *, now: datetime) -> None:
    """Stop it for good; who has not got it is skipped. What is under way (fifty a worker) still settles."""
    run = _locked(campaign)
    run.is_open, run.is_snapshotted, run.due_at, run.finished_at = False, True, None, now
    run.save(update_fields=["is_open", "is_snapshotted", "due_at", "finished_at"])
    Chunk.objects.filter(campaign=campaign).exclude(state=Chunk.State.DONE).update(
        state=Chunk.State.DONE, lease_until=None, leased_by=None, due_at=None
    )
    leftovers.skip.delay_on_commit(workspace_id=campaign.workspace_id, campaign_id=campaign.pk)


@transaction.atomic
def release_waiting(campaign: Campaign, content_id: int | None, *, now: datetime) -> None:
    """Let the winner go to those who wait. content_id None: each has been given a content already."""
    run = _locked(campaign)
    if content_id is not None and not Content.objects.filter(campaign=campaign, pk=content_id).exists():
        raise NotRunning("This content is not of the campaign.")
    run.winner_id = content_id
    freed = Chunk.objects.filter(campaign=campaign, state=Chunk.State.WAITING).update(state=Chunk.State.OPEN)
    if freed and not run.is_paused and run.finished_at is None:
        run.is_open, run.due_at = True, None
    run.save(update_fields=["winner", "is_open", "due_at"])
    if freed:
        working.deliver.delay_on_commit()


def _locked(campaign: Campaign) -> SendRun:
    run: SendRun | None = SendRun.objects.select_for_update().filter(campaign=campaign).first()
    if run is None or run.finished_at is not None:
        raise NotRunning("This campaign is not being sent.")
    return run
