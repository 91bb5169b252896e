"""Touches as rows: one statement stores a batch, whatever its size, and says which of them were new."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from django.db import connection

from apps.accounts import scoping
from apps.attribution import sources
from apps.attribution.records import Touch

# Numbered as they were given, since that is the order of touches of one moment; stored in the order of their
# event ids, so that two batches with the same events never wait for each other in a circle.
_NEW = """
    WITH given AS MATERIALIZED (
        SELECT nextval('attribution_touchpoint_id_seq') AS id, row.*
        FROM json_to_recordset(%s::json) AS row(p bigint, s bigint, e text, t text, o timestamptz,
            r timestamptz, c numeric, u text, f text, x jsonb)
    ), new AS (
        INSERT INTO attribution_touchpoint (id, workspace_id, person_id, source_id, event_id, event_type,
            occurred_at, received_at, cost, url, referrer, properties)
        SELECT id, %s, p, s, e, t, o, r, c, COALESCE(u, ''), COALESCE(f, ''), x
        FROM given ORDER BY e COLLATE "C"
        ON CONFLICT (workspace_id, event_id) DO NOTHING RETURNING id, event_id, person_id
    )
"""
INSERT = f"""{_NEW}
    SELECT new.event_id, new.id, person.public_id::text FROM new
    JOIN accounts_person person ON person.workspace_id = %s AND person.id = new.person_id
"""  # noqa: S608 - constants
LOAD = f"""{_NEW} SELECT count(*), min(id), max(id) FROM new"""  # noqa: S608 - constants
KNOWN = """
    SELECT t.event_id, person.public_id::text, c.key FROM json_array_elements_text(%s::json) AS wanted(id)
    JOIN attribution_touchpoint t ON t.workspace_id = %s AND t.event_id = wanted.id
    JOIN accounts_person person ON person.workspace_id = t.workspace_id AND person.id = t.person_id
    JOIN attribution_source s ON s.workspace_id = t.workspace_id AND s.id = t.source_id
    JOIN attribution_channel c ON c.workspace_id = t.workspace_id AND c.id = s.channel_id
"""


class Row(msgspec.Struct, omit_defaults=True):
    """A touch as the statement reads it: short names, since each stands in every row."""

    p: int
    s: int
    e: str
    t: str
    o: object
    r: object
    c: object = None
    u: str = ""
    f: str = ""
    x: object = None


class New(NamedTuple):
    id: int
    person_id: str


class Known(NamedTuple):
    person_id: str
    channel: str


class Load(NamedTuple):
    """What became of a large batch. first_id and last_id are None when nothing was new."""

    total: int
    first_id: int | None
    last_id: int | None


def insert(rows: list[Row]) -> dict[str, New]:
    """Store the rows; answers the new ones by event id."""
    workspace_id = scoping.current_id()
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [_as_json(rows), workspace_id, workspace_id])
        return {event_id: New(pk, person_id) for event_id, pk, person_id in cursor.fetchall()}


def load(rows: list[Row]) -> Load:
    """Store many rows; answers how many were new."""
    with connection.cursor() as cursor:
        cursor.execute(LOAD, [_as_json(rows), scoping.current_id()])
        return Load(*cursor.fetchone())


def known(event_ids: list[str]) -> dict[str, Known]:
    """What was stored under these event ids."""
    if not event_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [msgspec.json.encode(event_ids).decode(), scoping.current_id()])
        return {event_id: Known(person_id, channel) for event_id, person_id, channel in cursor.fetchall()}


def rows_of(touches: Sequence[Touch], people: Sequence[int], keys: Sequence[sources.SourceKey]) -> list[Row]:
    """Rows of touches whose people and sources are known, aligned."""
    places = sources.ids(set(keys), labels=sources.labels_of(touches))
    return [
        Row(
            person,
            places[key],
            touch.event_id,
            touch.event_type,
            touch.occurred_at,
            touch.received_at,
            touch.cost,
            touch.url,
            touch.referrer,
            touch.properties,
        )
        for touch, person, key in zip(touches, people, keys, strict=True)
    ]


def _as_json(rows: list[Row]) -> str:
    return msgspec.json.encode(rows).decode()
