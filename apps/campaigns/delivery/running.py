"""Start, pause, resume and stop a campaign's run; add somebody to it; let the winner go to those who wait."""

from datetime import datetime

import numpy as np
from django.db import connection, transaction
from django.db.models import Q

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.campaigns.delivery import counting, leftovers, rooms, snapshotting, working
from apps.campaigns.models import Campaign, Chunk, Content, Recipient, SendRun

State = Recipient.State
ENQUEUE = """
    INSERT INTO campaigns_recipient
        (workspace_id, campaign_id, person_id, content_id, occurrence, chunk, state, reason, due_at)
    SELECT (SELECT %s::bigint), %s, p.id, %s, %s, 0, %s, '', %s
    FROM accounts_person AS p WHERE p.workspace_id = (SELECT %s::bigint) AND p.id = %s
    ON CONFLICT (workspace_id, campaign_id, person_id, occurrence) DO NOTHING
    RETURNING id
"""


class NotRunning(DomainError):
    code = "campaign_not_running"
    status = 409


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
def enqueue_one(
    campaign: Campaign, person_id: int, *, occurrence: str, due_at: datetime | None, now: datetime
) -> None:
    """Have a triggered campaign reach somebody, once per occurrence. Nothing for a campaign that is over."""
    run = SendRun.objects.filter(campaign=campaign, finished_at__isnull=True).first()
    if run is None:
        raise NotRunning("This campaign is not running. Launch it first.")
    people = np.array([person_id], dtype=np.int64)
    drawn = rooms.arms(campaign, people, now=now)
    arm = max(int(drawn[0]), 0)
    state = State.HELD_OUT if arm == 0 else State.TO_SEND
    due = None if arm == 0 else due_at or now
    workspace_id = scoping.current_id()
    with connection.cursor() as cursor:
        cursor.execute(
            ENQUEUE,
            [workspace_id, campaign.pk, arm or None, occurrence, state, due, workspace_id, person_id],
        )
        if cursor.fetchone() is None:
            return
    rooms.expose(campaign, people, drawn, now=now)
    counting.add(campaign.pk, {str(state): 1})
    if due is not None:
        wake(run.pk, due, now=now)


def wake(run_id: int, due: datetime, *, now: datetime) -> None:
    """Have the run back in the queue by then."""
    resting = SendRun.objects.filter(
        pk=run_id, is_open=False, is_paused=False, finished_at__isnull=True
    ).filter(Q(due_at__isnull=True) | Q(due_at__gt=due))
    if due > now:
        resting.update(due_at=due)
    elif resting.update(due_at=None, is_open=True):
        working.deliver.delay_on_commit()


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
