"""Who is to get a campaign, written down once: some of the people at a time, each step a transaction that
says how far it has come, so that one that dies is gone on with.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.tasks_base import workspace_task
from apps.attribution import binary_sql, experiment_assignment
from apps.campaigns import flags
from apps.campaigns.delivery import counting, queueing, rooms, stopping, timing, working
from apps.campaigns.delivery.queueing import CHUNK
from apps.campaigns.models import Campaign, Content, Recipient, SendRun

log = structlog.get_logger(__name__)

State = Recipient.State
# People looked at in one step; those of them who are in the audience are written.
STEP = 100_000
THROUGH = """
    SELECT max(id) FROM (
        SELECT id FROM accounts_person WHERE workspace_id = (SELECT %s::bigint) AND id > %s
        ORDER BY id LIMIT %s
    ) AS step
"""
# In the order of people, which is that of the chunks and of the pages they lie on.
ALL_ALIKE = """
    INSERT INTO campaigns_recipient (workspace_id, campaign_id, person_id, content_id, occurrence, chunk,
        state, reason, due_at, is_timed)
    SELECT (SELECT %s::bigint), %s, id, %s, '', %s + (row_number() OVER (ORDER BY id) - 1) / %s, 'to_send',
        '', NULL, NULL
    FROM ({people}) AS people WHERE id > %s AND id <= %s ORDER BY id
"""
PEOPLE = "SELECT id FROM ({people}) AS people WHERE id > %s AND id <= %s ORDER BY id"
EACH = """
    INSERT INTO campaigns_recipient (workspace_id, campaign_id, person_id, content_id, occurrence, chunk,
        state, reason, due_at, is_timed)
    SELECT (SELECT %s::bigint), %s, told.person, nullif(told.content, 0), '', told.chunk, told.state, '',
        CASE WHEN told.due > 0 THEN to_timestamp(told.due) END,
        CASE WHEN told.content > 0 AND %s THEN told.is_timed END
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::boolean[])
        AS told (person, content, chunk, state, due, is_timed)
    ORDER BY told.person
"""
BOUNDS = """
    INSERT INTO campaigns_chunk (workspace_id, campaign_id, number, state, first_person, last_person)
    SELECT workspace_id, campaign_id, chunk, min(CASE state WHEN 'waiting' THEN 'waiting' ELSE 'open' END),
        min(person_id), max(person_id)
    FROM campaigns_recipient
    WHERE workspace_id = (SELECT %s::bigint) AND campaign_id = %s AND person_id > %s AND person_id <= %s
      AND occurrence = '' AND chunk > 0
    GROUP BY 1, 2, 3 ORDER BY 3
    RETURNING number
"""


@dataclass(frozen=True)
class _Step:
    run: SendRun
    campaign: Campaign
    people: str
    params: list[Any]
    through: int


@workspace_task(name="campaigns.delivery.snapshot")
def take(*, run_id: int) -> int:
    """Write the recipients down, step by step. Delivered twice, they take turns. How many steps.

    An audience that cannot be asked pauses the campaign.
    """
    steps = 0
    try:
        while step(run_id, now=timezone.now()):
            steps += 1
            if steps == 1:
                working.deliver.delay_on_commit()
    except DomainError as error:
        log.warning("delivery.not_snapshotted", run=run_id, code=error.code)
        campaign = Campaign.objects.get(pk=SendRun.objects.values_list("campaign", flat=True).get(pk=run_id))
        stopping.pause(campaign, reason=error.detail, now=timezone.now())
    return steps


@transaction.atomic
def step(run_id: int, *, now: datetime, size: int = STEP) -> bool:
    """The next of the people. False when there are no more, or it is paused or stopped."""
    _, run = queueing.with_campaign(run_id)
    if run.is_paused or run.is_snapshotted or run.finished_at is not None:
        return False
    campaign: Campaign = Campaign.objects.select_related("topic", "audience").get(pk=run.campaign_id)
    with connection.cursor() as cursor:
        cursor.execute(THROUGH, [scoping.current_id(), run.through_person, size])
        (through,) = cursor.fetchone()
    if through is None or campaign.audience is None:
        _end(run, campaign)
        return False
    people, params = rooms.people_sql(campaign.audience, now=now)
    _write(_Step(run, campaign, people, params, through), now=now)
    return True


def _write(one: _Step, *, now: datetime) -> None:
    contents = list(Content.objects.filter(campaign=one.campaign).order_by("position", "pk"))
    campaign, run = one.campaign, one.run
    for_good = experiment_assignment.holdout_share(Workspace.objects.get())
    if campaign.is_time_optimised and not flags.is_on(flags.TIME_OPTIMISATION, run.workspace_id):
        campaign.is_time_optimised = False  # unsaved: it holds for the people of this step
    is_drawn = len(contents) != 1 or campaign.hold_out_share > 0 or for_good > 0 or campaign.is_time_optimised
    added = _each(one, now=now) if is_drawn else _all_alike(one, contents[0])
    for state, number in added.items():
        counting.add(campaign.pk, {state: number})
    with connection.cursor() as cursor:
        cursor.execute(BOUNDS, [scoping.current_id(), campaign.pk, run.through_person, one.through])
        numbers = [number for (number,) in cursor.fetchall()]
    run.chunks = max([run.chunks, *numbers])
    run.through_person = one.through
    run.is_open, run.due_at = True, None
    run.save(update_fields=["chunks", "through_person", "is_open", "due_at"])


def _all_alike(one: _Step, content: Content) -> dict[str, int]:
    params = [scoping.current_id(), one.campaign.pk, content.pk, one.run.chunks + 1, CHUNK, *one.params]
    with connection.cursor() as cursor:
        cursor.execute(ALL_ALIKE.format(people=one.people), [*params, one.run.through_person, one.through])
        return {str(State.TO_SEND): cursor.rowcount}


def _each(one: _Step, *, now: datetime) -> dict[str, int]:
    """By lot who gets what, and by past clicks when, if it asks for that."""
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE.format(people=one.people), [*one.params, one.run.through_person, one.through])
        people = np.fromiter((row[0] for row in cursor), dtype=np.int64)
    drawn = rooms.arms(one.campaign, people, now=now)
    rooms.expose(one.campaign, people, drawn, now=now)
    due = np.zeros(len(people), dtype=np.int64)
    is_timed = np.zeros(len(people), dtype=bool)
    if one.campaign.is_time_optimised:
        due, is_timed = timing.hours_of(one.campaign, people, now=now)
        due[drawn <= 0], is_timed[drawn <= 0] = 0, False
    chunk = _chunks(one.run.chunks, drawn, due)
    states = np.where(drawn > 0, str(State.TO_SEND), np.where(drawn < 0, str(State.WAITING), "held_out"))
    flags = ["t" if timed else "f" for timed in is_timed.tolist()]
    columns = [people, np.maximum(drawn, 0), chunk, states.tolist(), due, flags]
    drew_hours = one.campaign.is_time_optimised
    binary_sql.execute(EACH, [scoping.current_id(), one.campaign.pk, drew_hours, *columns])
    names, numbers = np.unique(states, return_counts=True)
    return {str(name): int(number) for name, number in zip(names, numbers, strict=True)}


def _chunks(after: int, drawn: rooms.Ints, due: rooms.Ints) -> rooms.Ints:
    """Numbers for those who are sent together, and others for those who wait together; 0 for the rest."""
    number = np.zeros(len(drawn), dtype=np.int64)
    for group in ((drawn > 0) & (due == 0), drawn < 0):
        size = int(group.sum())
        number[group] = after + 1 + np.arange(size) // CHUNK
        after += -(-size // CHUNK)
    return number


def _end(run: SendRun, campaign: Campaign) -> None:
    run.is_snapshotted, run.is_open, run.due_at = True, True, None
    run.save(update_fields=["is_snapshotted", "is_open", "due_at"])
    people = counting.total(campaign.pk)
    Campaign.objects.filter(pk=campaign.pk).update(recipients=people)
