"""The engine: takes people whose time has come, a set at a time, and moves them as far as they go.

A batch is one transaction: their rows locked (others are skipped, never waited for), their moves, what the
steps do and where they are then. A worker that dies leaves all of it undone; one that is told twice finds
nothing due. Where somebody goes follows from when things happened, not from when a worker came by.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, connection, transaction

from apps.accounts import events, scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Person, Workspace
from apps.campaigns import delivery, zones
from apps.campaigns.events import JourneyLeft
from apps.campaigns.journeys import counts, effects, leaving
from apps.campaigns.journeys.hearing import GRACE
from apps.campaigns.journeys.steps import THEN, ways_of
from apps.campaigns.journeys.travellers import Outcome, Traveller, counted_from
from apps.campaigns.models import (
    Journey,
    JourneyMove,
    JourneyNews,
    JourneyRun,
    JourneyVersion,
)

log = structlog.get_logger(__name__)

AT_ONCE = 500
TRIES = 5
FIRST_PAUSE = timedelta(minutes=1)
# What a step may raise for one person and not for others. Whatever else comes is a fault of ours: it ends the
# task, and nothing of the batch has happened.
REFUSALS = (DomainError, DatabaseError, LookupError, ValueError, TypeError)

# Pausing locks the journey's row FOR UPDATE: it waits for batches under way, and none begins after it.
STILL_LIVE = """
    SELECT 1 FROM campaigns_journey
    WHERE workspace_id = (SELECT %s::bigint) AND id = %s AND state = 'live' FOR KEY SHARE
"""
CLAIM = """
    SELECT id FROM campaigns_journeyrun
    WHERE workspace_id = (SELECT %s::bigint) AND journey_id = %s AND is_open AND due_at <= %s
    ORDER BY due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
CLAIM_ONE = """
    SELECT id FROM campaigns_journeyrun
    WHERE workspace_id = (SELECT %s::bigint) AND journey_id = %s AND is_open AND due_at <= %s AND id = %s
    FOR NO KEY UPDATE SKIP LOCKED
"""
WRITE_BACK = """
    UPDATE campaigns_journeyrun AS r
    SET step = n.step, clock = n.clock, until = n.until, due_at = n.due_at, moves = n.moves,
        is_open = n.is_open, outcome = n.outcome, left_at = n.left_at, trouble = n.trouble, failures = 0
    FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::int[],
                %s::bool[], %s::text[], %s::timestamptz[], %s::text[])
        AS n(id, step, clock, until, due_at, moves, is_open, outcome, left_at, trouble)
    WHERE r.workspace_id = (SELECT %s::bigint) AND r.id = n.id
"""
COLUMNS = ("pk", "step", "clock", "until", "due_at", "moves", "is_open", "outcome", "left_at", "trouble")


def move_due(journey_id: int, *, now: datetime, most: int = 100_000) -> int:
    """Batch after batch until nobody is due. Answers how many were looked at."""
    looked_at = 0
    while looked_at < most:
        try:
            found = move(journey_id, now=now)
        except REFUSALS as error:
            log.warning("journey.batch_failed", journey_id=journey_id, error=str(error))
            found = _one_by_one(journey_id, now=now)
        looked_at += found
        if not found:
            break
    return looked_at


@transaction.atomic
def move(journey_id: int, *, now: datetime, only: int | None = None) -> int:
    """One batch: claim, decide, carry out, write back."""
    claimed = _claimed(journey_id, now, only)
    if not claimed:
        return 0
    travellers = _loaded(claimed, now)
    walking = [one for one in travellers if _take_up(one, now)]
    while walking:
        walking = _walk(walking, now)
    delivery.enqueue_many([ask for one in travellers for ask in one.asked], now=now)
    _write_back(travellers)
    _tell(travellers)
    return len(claimed)


def _claimed(journey_id: int, now: datetime, only: int | None) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(STILL_LIVE, [scoping.current_id(), journey_id])
        if cursor.fetchone() is None:
            return []
        if only is None:
            cursor.execute(CLAIM, [scoping.current_id(), journey_id, now, AT_ONCE])
        else:
            cursor.execute(CLAIM_ONE, [scoping.current_id(), journey_id, now, only])
        return [pk for (pk,) in cursor.fetchall()]


def _loaded(claimed: list[int], now: datetime) -> list[Traveller]:
    """The travellers; those who are somebody else by now, or gone, are settled and left out."""
    runs = list(JourneyRun.objects.filter(pk__in=claimed).select_related("journey").order_by("pk"))
    graphs = {
        version.number: version.graph
        for version in JourneyVersion.objects.filter(
            journey=runs[0].journey_id, number__in={run.version for run in runs}
        )
    }
    people = Person.objects.in_bulk({run.person_id for run in runs})
    news = defaultdict(list)
    for one in JourneyNews.objects.filter(run__in=claimed).order_by("occurred_at", "pk"):
        news[one.run_id].append(one)
    house = Workspace.objects.get(pk=scoping.current_id()).zone
    leaving.settle_merges(
        {run.person_id: root for run in runs if (root := people[run.person_id].merged_into_id)}, now=now
    )
    return [
        Traveller(
            run=run,
            graph=graphs[run.version],
            person=people[run.person_id],
            zone=zones.of(people[run.person_id], house),
            news=news[run.pk],
        )
        for run in runs
        if people[run.person_id].merged_into_id is None
    ]


def _take_up(one: Traveller, now: datetime) -> bool:
    """Whether they go on now; else they wait on, or have left."""
    run, stop = one.run, one.stop()
    if one.person.erased_at is not None:
        one.leave(Outcome.ERASED, at=now)
        return False
    if run.until is None:  # nobody has looked at the step yet
        if stop:
            one.leave(stop[1], at=stop[0])
            return False
        return not one.is_waiting or _wait_or_go(one, now)
    if one.step["kind"] == "wait_date" and not one.read_date_again():
        run.clock = now
        return _go(one, "missing", now)
    over, way = one.wait_over()
    counted = counted_from(over, now=now)
    if now < min(over, stop[0] if stop else over) + GRACE:
        one.look_later(now=now)
        return False
    if stop and stop[0] <= counted:
        one.leave(stop[1], at=stop[0])
        return False
    run.clock = counted
    return _go(one, way, now)


def _go(one: Traveller, way: str, now: datetime) -> bool:
    """Out by that way; whether there is more to do for them now."""
    one.go(way, ways_of(one.step)[way], now=now)
    if one.outcome:
        return False
    return not one.is_waiting or _wait_or_go(one, now)


def _wait_or_go(one: Traveller, now: datetime) -> bool:
    way = one.begin_wait(now=now)
    return way is not None and _go(one, way, now)


def _walk(walking: Sequence[Traveller], now: datetime) -> list[Traveller]:
    """Everybody one step on, all who stand at a step together."""
    groups: dict[tuple[int, str], list[Traveller]] = defaultdict(list)
    for one in walking:
        groups[one.run.version, one.run.step].append(one)
    further = []
    for group in groups.values():
        ways = effects.carry_out(group[0].step, group, now=now)
        further += [one for one in group if not one.outcome and _go(one, ways.get(one.run.pk, THEN), now)]
    return further


def _write_back(travellers: Sequence[Traveller]) -> None:
    runs = [one.run for one in travellers]
    if not runs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE_BACK,
            [*([getattr(run, name) for run in runs] for name in COLUMNS), scoping.current_id()],
        )
    JourneyMove.objects.bulk_create(
        JourneyMove(
            workspace_id=one.run.workspace_id,
            run_id=one.run.pk,
            journey_id=one.run.journey_id,
            version=one.run.version,
            number=move.number,
            step=move.step,
            way=move.way,
            because=move.because[:200],
            at=move.at,
        )
        for one in travellers
        for move in one.moves
    )
    edges = Counter((one.run.version, move.step, move.way) for one in travellers for move in one.moves)
    counts.add(runs[0].journey_id, edges)
    JourneyNews.objects.filter(run__in=[one.run.pk for one in travellers if one.outcome]).delete()


def _tell(travellers: Sequence[Traveller]) -> None:
    left: dict[str, list[int]] = defaultdict(list)
    for one in travellers:
        if one.outcome:
            left[one.outcome].append(one.person.pk)
    if left:
        journey: Journey = travellers[0].run.journey
        events.publish_many(
            [
                JourneyLeft(
                    workspace_id=journey.workspace_id,
                    journey_id=str(journey.public_id),
                    outcome=outcome,
                    person_ids=people,
                )
                for outcome, people in sorted(left.items())
            ]
        )


def _one_by_one(journey_id: int, *, now: datetime) -> int:
    """After a batch that failed: whoever it is that cannot move holds up nobody else."""
    due = JourneyRun.objects.filter(journey=journey_id, is_open=True, due_at__lte=now)
    found = list(due.order_by("due_at").values_list("pk", flat=True)[:AT_ONCE])
    for pk in found:
        try:
            move(journey_id, now=now, only=pk)
        except REFUSALS as error:
            _note_failure(pk, error, now=now)
    return len(found)


@transaction.atomic
def _note_failure(run_id: int, error: Exception, *, now: datetime) -> None:
    """Try again later, and give up after some tries: others are to know."""
    run = JourneyRun.objects.select_for_update(no_key=True).get(pk=run_id)
    if not run.is_open:
        return
    run.failures += 1
    run.trouble = _words_of(error)
    run.due_at = now + FIRST_PAUSE * 4 ** min(run.failures, TRIES)
    run.save(update_fields=["failures", "trouble", "due_at"])
    log.warning("journey.run_failed", run_id=run_id, failures=run.failures, error=run.trouble)
    if run.failures >= TRIES:
        leaving.leave_all(JourneyRun.objects.filter(pk=run_id), Outcome.FAILED, now=now)


def _words_of(error: Exception) -> str:
    said: Any = getattr(error, "detail", None) or f"{type(error).__name__}: {error}"
    return str(said)[:300]
