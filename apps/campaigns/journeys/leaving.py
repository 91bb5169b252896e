"""Leaving otherwise than by a step: many at once, and people who became one, or are no more."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from apps.accounts import scoping
from apps.campaigns.delivery import withdrawals
from apps.campaigns.journeys import counts
from apps.campaigns.journeys.travellers import LEAVE, Outcome
from apps.campaigns.models import (
    JourneyNews,
    JourneyPresence,
    JourneyRun,
    JourneyTask,
)

LEAVES = """
    WITH leaving AS (
        SELECT id FROM campaigns_journeyrun
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND is_open AND {which}
        ORDER BY id FOR NO KEY UPDATE
    ), gone AS (
        UPDATE campaigns_journeyrun AS r
        SET is_open = false, outcome = %(outcome)s, left_at = %(now)s, until = NULL, moves = r.moves + 1
        FROM leaving WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = leaving.id
        RETURNING r.id, r.journey_id, r.version, r.step, r.moves
    ), moved AS (
        INSERT INTO campaigns_journeymove
            (workspace_id, run_id, journey_id, version, number, step, way, because, at)
        SELECT %(workspace)s, id, journey_id, version, moves, step, %(way)s, '', %(now)s FROM gone
    )
    SELECT journey_id, version, step, count(*) FROM gone GROUP BY 1, 2, 3
"""
# What brought both in under one name is told apart by the run.
FOLLOW = """
    WITH m AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS m(absorbed, survivor))
    UPDATE campaigns_journeyrun AS r SET person_id = m.survivor, cause = CASE WHEN EXISTS (
        SELECT 1 FROM campaigns_journeyrun AS o LEFT JOIN m AS also ON also.absorbed = o.person_id
        WHERE o.workspace_id = r.workspace_id AND o.journey_id = r.journey_id AND o.person_id = ANY(%s)
          AND o.cause = r.cause AND o.id <> r.id AND coalesce(also.survivor, o.person_id) = m.survivor)
        THEN left(r.cause, 98) || '~' || r.id ELSE r.cause END
    FROM m WHERE r.workspace_id = (SELECT %s::bigint) AND r.person_id = m.absorbed
"""
# Of two open runs of one journey the survivor keeps the one that was entered first.
LATER = """
    SELECT r.id FROM (
        SELECT r.id, row_number() OVER (
            PARTITION BY r.journey_id, coalesce(m.survivor, r.person_id) ORDER BY r.entered_at, r.id) AS place
        FROM campaigns_journeyrun AS r
        LEFT JOIN unnest(%s::bigint[], %s::bigint[]) AS m(absorbed, survivor) ON m.absorbed = r.person_id
        WHERE r.workspace_id = (SELECT %s::bigint) AND r.is_open AND r.person_id = ANY(%s)) AS r
    WHERE place > 1
"""
PRESENT = """
    INSERT INTO campaigns_journeypresence (workspace_id, journey_id, entry, person_id)
    SELECT p.workspace_id, p.journey_id, p.entry, m.survivor FROM campaigns_journeypresence AS p
    JOIN unnest(%s::bigint[], %s::bigint[]) AS m(absorbed, survivor) ON m.absorbed = p.person_id
    WHERE p.workspace_id = (SELECT %s::bigint)
    ON CONFLICT (workspace_id, journey_id, entry, person_id) DO NOTHING
"""
# Whose way ended like this is not to get what it had asked for.
LEFT = """
    SELECT r.id FROM campaigns_recipient AS r
    JOIN campaigns_journeyrun AS j ON j.workspace_id = (SELECT %s::bigint)
      AND j.id = CASE WHEN r.occurrence ~ '^[0-9]{1,18}-' THEN split_part(r.occurrence, '-', 1)::bigint END
    WHERE r.workspace_id = (SELECT %s::bigint) AND r.id = ANY(%s)
      AND NOT j.is_open AND j.outcome = ANY(%s)
"""
WITHDRAWS = (Outcome.GOAL, Outcome.REPLIED, Outcome.UNSUBSCRIBED, Outcome.STOPPED, Outcome.MOVED_OUT)


@withdrawals.asks
def withdrawn(recipient_ids: Sequence[int]) -> dict[int, str]:
    """Those whose journey ended by its goal, a reply, a stop or a move since it asked for their message."""
    here = scoping.current_id()
    with connection.cursor() as cursor:
        cursor.execute(LEFT, [here, here, list(recipient_ids), [str(one) for one in WITHDRAWS]])
        return {pk: "left_journey" for (pk,) in cursor.fetchall()}


def leave_journey(journey_id: int, outcome: str, *, now: datetime) -> int:
    """Everybody who is on it, in one statement. Answers how many."""
    return _leave("journey_id = %(journey)s", {"journey": journey_id}, outcome, now=now)


def leave_all(runs: QuerySet[JourneyRun], outcome: str, *, now: datetime) -> int:
    """These runs, as far as they are open."""
    return _leave("id = ANY(%(runs)s)", {"runs": list(runs.values_list("pk", flat=True))}, outcome, now=now)


def _leave(which: str, given: dict[str, Any], outcome: str, *, now: datetime) -> int:
    way = LEAVE + outcome
    with connection.cursor() as cursor:
        cursor.execute(
            LEAVES.format(which=which),
            {"workspace": scoping.current_id(), "outcome": outcome, "way": way, "now": now, **given},
        )
        rows = cursor.fetchall()
    by_journey: dict[int, Counter[counts.Edge]] = {}
    for journey_id, version, step, people in rows:
        by_journey.setdefault(journey_id, Counter())[version, step, way] += people
    for journey_id in sorted(by_journey):
        counts.add(journey_id, by_journey[journey_id])
    return sum(people for *_, people in rows)


def settle_merges(moves: dict[int, int], *, now: datetime) -> None:
    """Runs follow people who became one; called in the merge itself, and for runs that began beside one."""
    if not moves:
        return
    absorbed, survivors = list(moves), list(moves.values())
    everybody = [*absorbed, *survivors]
    ours: list[Any] = [absorbed, survivors, scoping.current_id()]
    with connection.cursor() as cursor:
        cursor.execute(LATER, [*ours, everybody])
        later = [pk for (pk,) in cursor.fetchall()]
    leave_all(JourneyRun.objects.filter(pk__in=later), Outcome.MERGED, now=now)
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW, [absorbed, survivors, everybody, scoping.current_id()])
        cursor.execute(PRESENT, ours)
    JourneyPresence.objects.filter(person__in=absorbed).delete()


def erase(person_ids: list[int], *, now: datetime) -> None:
    """They leave at once; what is left of their way names nobody and tells nothing of them."""
    runs = JourneyRun.objects.filter(person__in=person_ids)
    leave_all(runs.filter(is_open=True), Outcome.ERASED, now=now)
    JourneyNews.objects.filter(run__person__in=person_ids).delete()
    drop_tasks(JourneyTask.objects.filter(person__in=person_ids), now=now)


def drop_tasks(tasks: QuerySet[JourneyTask], *, now: datetime) -> int:
    """Nobody needs to do these any more."""
    return tasks.filter(state=JourneyTask.State.OPEN).update(state=JourneyTask.State.DROPPED, settled_at=now)
