"""The queue of all campaigns that are being sent: whoever has had least for its weight is next, in whichever
workspace (start-time fair queuing; Goyal, Vin and Cheng 1996).

A claim moves the campaign back by what it takes over its weight. One that was away comes back where the queue
stands now, and not with what it has missed.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from time import monotonic, sleep
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction

from apps.accounts import events, one_trip, scoping
from apps.campaigns.events import CampaignFinished
from apps.campaigns.models import Campaign, Chunk, Recipient, SendBatch, SendRun

CHUNK = 500
LEASE = timedelta(seconds=120)
# How many of the next are read at once, and for how long that is believed.
AHEAD, AHEAD_SECONDS = 64, 0.5
# How often the queue is read in vain, and how long another's claim takes at most, mostly.
PATIENCE, HELD_SECONDS = 8, 0.01
NEXT = """
    SELECT vtime, workspace_id, id FROM campaigns_sendrun WHERE is_open ORDER BY vtime LIMIT %s
"""
CLAIM = """
    WITH run AS (
        SELECT id, campaign_id, weight, vtime, winner_id FROM campaigns_sendrun
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(run)s AND is_open
          AND vtime <= %(horizon)s::float8
        FOR NO KEY UPDATE SKIP LOCKED
    ), due AS (
        SELECT 1 FROM run WHERE EXISTS (
            SELECT FROM campaigns_recipient AS r
            WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.campaign_id = run.campaign_id
              AND r.due_at <= %(now)s::timestamptz)
    ), next AS (
        SELECT chunk.id FROM run, LATERAL (
            SELECT c.id FROM campaigns_chunk AS c
            WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.campaign_id = run.campaign_id
              AND c.state <> 'done' AND c.state = 'open'
              AND (c.due_at IS NULL OR c.due_at <= %(now)s::timestamptz)
            ORDER BY c.number LIMIT 1 FOR UPDATE SKIP LOCKED) AS chunk
        WHERE NOT EXISTS (SELECT FROM due)
    ), leased AS (
        UPDATE campaigns_chunk AS c
        SET state = 'leased', lease_until = %(until)s::timestamptz, leased_by = %(worker)s::uuid,
            due_at = NULL
        FROM next WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id = next.id
        RETURNING c.id, c.number, c.first_person, c.last_person, c.recipient_ids
    ), moved AS (
        UPDATE campaigns_sendrun AS r
        SET vtime = greatest(r.vtime, %(floor)s::float8) + %(size)s::float8 / r.weight
        FROM run WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = run.id
          AND (EXISTS (SELECT FROM leased) OR EXISTS (SELECT FROM due))
    )
    SELECT run.campaign_id, run.winner_id,
           greatest(run.vtime, %(floor)s::float8) + %(size)s::float8 / run.weight,
           EXISTS (SELECT FROM due), leased.id, leased.number,
           leased.first_person, leased.last_person, leased.recipient_ids
    FROM run LEFT JOIN leased ON true
"""
# A claim need not reach the disk before it counts: a database that forgets it has forgotten a lease, and the
# journal of the first batch, which does reach it, is refused without one.
UNHURRIED = ("SELECT set_config('synchronous_commit', 'off', true)", ())
# Planned anew each time, as PostgreSQL would have it, a claim costs twice as much.
PLANNED_ONCE = ("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)", ())
# Those who are due by themselves become a chunk of their own.
GATHER = """
    WITH due AS (
        SELECT id FROM campaigns_recipient
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND campaign_id = %(campaign)s
          AND due_at <= %(now)s::timestamptz
        ORDER BY due_at LIMIT %(size)s FOR UPDATE SKIP LOCKED
    ), run AS (
        UPDATE campaigns_sendrun SET chunks = chunks + 1
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(run)s AND EXISTS (SELECT FROM due)
        RETURNING chunks
    ), taken AS (
        UPDATE campaigns_recipient AS r SET due_at = NULL, chunk = run.chunks FROM run
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id IN (SELECT id FROM due)
        RETURNING r.id
    )
    INSERT INTO campaigns_chunk (workspace_id, campaign_id, number, state, first_person, last_person,
        recipient_ids, lease_until, leased_by)
    SELECT (SELECT %(workspace)s::bigint), %(campaign)s, run.chunks, 'leased', 0, 0,
        (SELECT array_agg(id ORDER BY id) FROM taken), %(until)s::timestamptz, %(worker)s::uuid
    FROM run WHERE EXISTS (SELECT FROM taken)
    RETURNING id, number, first_person, last_person, recipient_ids
"""


@dataclass(frozen=True)
class Claimed:
    """A chunk that is this worker's until its lease runs out."""

    workspace_id: int
    run_id: int
    campaign_id: int
    winner_id: int | None
    vtime: float
    worker: UUID
    chunk_id: int
    number: int
    first_person: int
    last_person: int
    recipient_ids: list[int] | None


@dataclass
class Queue:
    """One worker's view of it."""

    worker: UUID = field(default_factory=uuid4)
    _ahead: list[tuple[float, int, int]] = field(default_factory=list)
    _horizon: float = float("-inf")
    _read_at: float = float("-inf")

    def claim(self, *, now: datetime) -> Claimed | None:
        """The next chunk that is due, or None when there is none. Puts campaigns to rest that have none."""
        patience = PATIENCE
        while patience:
            if not self._is_known():
                self._read()
                if not self._ahead:
                    return None
                patience -= 1
            vtime, workspace_id, run_id = heappop(self._ahead)
            with scoping.workspace(workspace_id):
                claimed = claim_of(run_id, worker=self.worker, floor=vtime, horizon=self._horizon, now=now)
            if claimed is not None:
                heappush(self._ahead, (claimed.vtime, workspace_id, run_id))
                return claimed
            if not self._ahead:
                sleep(HELD_SECONDS)  # the one campaign that there is may be in another's hands for a moment
        return None

    def _is_known(self) -> bool:
        """Whether the next of all is the next of those that were read."""
        is_fresh = monotonic() - self._read_at <= AHEAD_SECONDS
        return is_fresh and bool(self._ahead) and self._ahead[0][0] <= self._horizon

    def _read(self) -> None:
        self._ahead, self._read_at = _next(), monotonic()
        self._horizon = self._ahead[-1][0] if len(self._ahead) == AHEAD else float("inf")


def claim_of(run_id: int, *, worker: UUID, floor: float, horizon: float, now: datetime) -> Claimed | None:
    """A chunk of that campaign, unless another worker has it in hand or has moved it beyond the horizon, or
    nothing of it is due.
    """
    workspace_id = scoping.current_id()
    params: dict[str, Any] = {
        "workspace": workspace_id,
        "run": run_id,
        "now": now,
        "until": now + LEASE,
        "worker": worker,
        "floor": floor,
        "horizon": horizon,
        "size": CHUNK,
    }
    *_, rows = one_trip.fetch_all([UNHURRIED, PLANNED_ONCE, (CLAIM, params)], is_prepared=True)
    if not rows:
        return None
    campaign_id, winner_id, vtime, is_any_due = rows[0][:4]
    chunk = rows[0][4:]
    if is_any_due:
        _, gathered = one_trip.fetch_all([UNHURRIED, (GATHER, params | {"campaign": campaign_id})])
        chunk = gathered[0] if gathered else (None,)
    if chunk[0] is None:
        rest(run_id, now=now)
        return None
    return Claimed(workspace_id, run_id, campaign_id, winner_id, vtime, worker, *chunk)


@transaction.atomic
def rest(run_id: int, *, now: datetime) -> None:
    """Nothing of it is due: it leaves the queue until something is, or it is over."""
    campaign, run = with_campaign(run_id)
    if not run.is_open:
        return
    chunks = list(
        Chunk.objects.filter(campaign_id=run.campaign_id)
        .exclude(state=Chunk.State.DONE)
        .values_list("state", "due_at", "lease_until")
        .order_by("number")[:2_000]
    )
    moments = [due or now for state, due, _ in chunks if state == Chunk.State.OPEN]
    moments += [until for state, _, until in chunks if state == Chunk.State.LEASED]
    recipients = Recipient.objects.filter(campaign_id=run.campaign_id, due_at__isnull=False)
    first = recipients.order_by("due_at").values_list("due_at", flat=True).first()
    moments += [first] if first is not None else []
    under_way = SendBatch.objects.filter(campaign_id=run.campaign_id, settled_at__isnull=True)
    moments += under_way.values_list("lease_until", flat=True)
    if moments and min(moments) <= now:
        return
    run.is_open, run.due_at = False, min(moments) if moments else None
    is_over = run.is_snapshotted and not chunks and not moments
    if is_over and campaign.kind == Campaign.Kind.BROADCAST:
        finish(run, now=now)
    run.save(update_fields=["is_open", "due_at", "finished_at"])


def with_campaign(run_id: int) -> tuple[Campaign, SendRun]:
    """Both, locked in the order in which people's deeds lock them: the campaign first. Whoever has just had
    something due holds the run until that is committed, and is waited for.
    """
    found = SendRun.objects.values_list("campaign", flat=True)
    campaign: Campaign = Campaign.objects.select_for_update(no_key=True).get(pk=found.get(pk=run_id))
    run: SendRun = SendRun.objects.select_for_update().get(pk=run_id)
    return campaign, run


def finish(run: SendRun, *, now: datetime) -> None:
    """Nobody is left. Sets the run, unsaved, and tells it."""
    run.is_open, run.due_at, run.finished_at = False, None, now
    going = Campaign.objects.filter(pk=run.campaign_id, state=Campaign.State.RUNNING)
    going.update(state=Campaign.State.DONE, finished_at=now, changed_at=now)
    events.publish(CampaignFinished(workspace_id=run.workspace_id, campaign_id=run.campaign_id))


def _next() -> list[tuple[float, int, int]]:
    with scoping.across_workspaces("delivery.claim"), connection.cursor() as cursor:
        cursor.execute(NEXT, [AHEAD])
        return cursor.fetchall()
