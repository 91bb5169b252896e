"""Touches of people who are known, stored by one statement in one trip; all others are left to visitors.py.

It finds the people behind the ids, locks them in the order of their keys, notes when they were seen, stores
what is new, marks its people for the books of journeys, enters it in the books of the door and announces it:
all of it, or nothing where an id is new, where ids that come together are not known to be one person, or
where somebody was merged or erased at this moment.
"""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import connection, transaction

from apps.accounts import events, identities, one_trip
from apps.attribution import sources, touch_rows
from apps.attribution.events import TouchpointsStored
from apps.attribution.records import Touch

# A row says the place of its ids in `who`. Its person is taken out of an array: a join would compare each
# row with each person wherever the planner thinks of few.
STORE = f"""
    WITH {identities.FIND_AND_LOCK}, {
    touch_rows.STORE.format(
        person="(SELECT people FROM settled)[p]", condition="(SELECT is_settled FROM settled)"
    )
}, told AS (
        {events.TELL} jsonb_build_object('first_id', min(id), 'last_id', max(id), 'count', count(*))
        FROM new HAVING count(*) > 0 RETURNING id
    )
    SELECT is_settled, people, ids, public_ids, (SELECT id FROM told), ({touch_rows.NAMES}) FROM settled
"""  # noqa: S608 - constants


class Stored(NamedTuple):
    """people: the ids outside of the person of each touch. known: event ids that are not new."""

    people: list[str]
    known: list[str]


class Who(msgspec.Struct, gc=False):
    """Ids that came together, and when first and last."""

    n: int
    u: str | None
    a: str | None
    first: datetime
    last: datetime


class _NotAllKnown(Exception):
    """Let the locks go: they are taken anew, in order, by whoever finds these people."""


def store(
    touches: Sequence[Touch], keys: Sequence[sources.SourceKey], *, door: str, at: datetime
) -> Stored | None:
    """Store touches and publish TouchpointsStored; None, and nothing is stored, unless all are known."""
    places = sources.remembered(keys)
    if places is None:
        return None
    who, numbers = _who(touches)
    rows = touch_rows.rows_of(touches, numbers, keys, places)
    params = {
        **touch_rows.params(rows, door=door, at=at),
        "who": msgspec.json.encode(who).decode(),
        "event": TouchpointsStored.name,
        "is_awaited": events.is_awaited(TouchpointsStored),
    }
    with suppress(_NotAllKnown), transaction.atomic() if connection.in_atomic_block else nullcontext():
        people, public_ids, told, new = _stored(params)
        if told is not None and params["is_awaited"]:
            events.deliver.delay_on_commit(workspace_id=params["workspace"], event_id=told)
        is_new = None if new is None else set(new)
        return Stored(
            [public_ids[people[number - 1]] for number in numbers],
            [] if is_new is None else [one.event_id for one in touches if one.event_id not in is_new],
        )
    return None


def _stored(params: dict[str, Any]) -> tuple[list[int], dict[int, str], int | None, list[str] | None]:
    """The person of each place in who, their ids outside, the event, the event ids stored (None: all)."""
    is_settled, people, ids, public_ids, told, new = one_trip.fetch_one(STORE, params)
    if not is_settled:
        raise _NotAllKnown
    return people, dict(zip(ids, public_ids, strict=True)), told, new


def _who(touches: Sequence[Touch]) -> tuple[list[Who], list[int]]:
    """Each pair of ids once, and the place of each touch's among them, from 1."""
    found: dict[tuple[str | None, str | None], Who] = {}
    numbers = []
    for touch in touches:
        pair, at = (touch.user_id, touch.anonymous_id), touch.occurred_at
        who = found.get(pair)
        if who is None:
            who = found[pair] = Who(len(found) + 1, *pair, at, at)
        elif at < who.first:
            who.first = at
        elif at > who.last:
            who.last = at
        numbers.append(who.n)
    return list(found.values()), numbers
