"""Add people to triggered campaigns: many at once, whoever asked for them.

Rows are written, and locked, in the order of campaigns and then of people, so that two who ask for the same
people never wait for each other.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models.functions import Coalesce

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Person
from apps.campaigns.delivery import counting, rooms
from apps.campaigns.delivery.waking import wake
from apps.campaigns.models import Campaign, Recipient, SendRun

State = Recipient.State
ENQUEUE = """
    INSERT INTO campaigns_recipient
        (workspace_id, campaign_id, person_id, content_id, occurrence, chunk, state, reason, due_at)
    SELECT (SELECT %s::bigint), %s, told.person, nullif(told.content, 0), told.occurrence, 0,
        CASE WHEN told.content > 0 THEN 'to_send' ELSE 'held_out' END, '',
        CASE WHEN told.content > 0 THEN told.due END
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[])
        AS told (person, content, occurrence, due)
    ORDER BY told.person, told.occurrence
    ON CONFLICT (workspace_id, campaign_id, person_id, occurrence) DO NOTHING
    RETURNING person_id, state, due_at
"""


class NotRunning(DomainError):
    code = "campaign_not_running"
    status = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody whom a triggered campaign is to reach, once per occurrence. due_at: not before; None: now."""

    campaign: Campaign
    person_id: int
    occurrence: str
    due_at: datetime | None = None


@transaction.atomic
def enqueue_many(asked: Sequence[Asked], *, now: datetime) -> int:
    """Have them reached; answers how many were new. Some statements for each campaign, however many people.

    Who was merged is reached as the survivor; who is gone is left out. Raises NotRunning for a campaign that
    is over or was never launched, and then nobody is added.
    """
    campaigns = {one.campaign.pk: one.campaign for one in asked}
    roots = _roots({one.person_id for one in asked})
    added = 0
    for key in sorted(campaigns):
        those = [one for one in asked if one.campaign.pk == key and one.person_id in roots]
        added += _enqueue(campaigns[key], those, roots, now=now)
    return added


def _enqueue(campaign: Campaign, asked: Sequence[Asked], roots: dict[int, int], *, now: datetime) -> int:
    run = SendRun.objects.filter(campaign=campaign, finished_at__isnull=True).first()
    if run is None:
        raise NotRunning("This campaign is not running. Launch it first.")
    people = np.array(sorted({roots[one.person_id] for one in asked}), dtype=np.int64)
    drawn = np.maximum(rooms.arms(campaign, people, now=now), 0)
    arms = dict(zip(people.tolist(), drawn.tolist(), strict=True))
    rows = _written(campaign, asked, roots, arms, now=now)
    is_new = np.isin(people, [person for person, *_ in rows])
    if not is_new.any():
        return 0
    rooms.expose(campaign, people[is_new], drawn[is_new], now=now)
    counting.add(campaign.pk, Counter(state for _, state, _ in rows))
    if dues := [due for *_, due in rows if due is not None]:
        wake(run.pk, min(dues), now=now)
    return len(rows)


def _written(
    campaign: Campaign, asked: Sequence[Asked], roots: dict[int, int], arms: dict[int, int], *, now: datetime
) -> list[tuple[int, str, datetime | None]]:
    """Those who were not asked for before: person, state and when due."""
    people = [roots[one.person_id] for one in asked]
    columns: list[list[Any]] = [
        people,
        [arms[person] for person in people],
        [one.occurrence for one in asked],
        [one.due_at or now for one in asked],
    ]
    with connection.cursor() as cursor:
        cursor.execute(ENQUEUE, [scoping.current_id(), campaign.pk, *columns])
        return cursor.fetchall()


def _roots(person_ids: set[int]) -> dict[int, int]:
    """The survivor of each who is there."""
    known = Person.objects.filter(pk__in=person_ids)
    return dict(known.values_list("pk", Coalesce("merged_into_id", "pk")))
