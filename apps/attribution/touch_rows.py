"""Touches as rows: one statement stores a batch, whatever its size, and says which of them were new."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from django.db import connection

from apps.accounts import scoping
from apps.attribution import sources
from apps.attribution.records import Touch
from apps.attribution.touch_columns import TouchColumns

# Numbered as they were given, since that is the order of touches of one moment; stored in the order of their
# event ids, so that two batches with the same events never wait for each other in a circle.
_NEW = """
    WITH given AS MATERIALIZED (
        SELECT nextval('attribution_touchpoint_id_seq') AS id, row.*
        FROM json_to_recordset(%s::json) AS row(p bigint, s bigint, e text, t text, o timestamptz,
            r timestamptz, c numeric, u text, f text, x jsonb, n boolean)
    ), new AS (
        INSERT INTO attribution_touchpoint (id, workspace_id, person_id, source_id, event_id, event_type,
            occurred_at, received_at, cost, url, referrer, properties, is_channel_named)
        SELECT id, %s, p, s, e, t, o, COALESCE(r, o), c, COALESCE(u, ''), COALESCE(f, ''), x,
            COALESCE(n, false)
        FROM given ORDER BY e COLLATE "C", id
        ON CONFLICT (workspace_id, event_id) DO NOTHING RETURNING id, workspace_id, event_id, person_id
    ), stale AS (
        INSERT INTO attribution_staleperson (workspace_id, person_id)
        SELECT DISTINCT workspace_id, person_id FROM new
    )
"""
# Where all are new, their names need not come back.
INSERT = f"""{_NEW}, entered AS (
        INSERT INTO attribution_intakecount
            (workspace_id, day, door, accepted, stored, duplicates, dead_lettered, is_folded)
        SELECT %s::bigint, %s::date, %s::text, %s::bigint, count(*), %s::bigint - count(*), 0, false FROM new
    )
    SELECT count(*), min(id), max(id), CASE WHEN count(*) < %s::bigint THEN json_agg(event_id) END FROM new
"""  # noqa: S608 - constants
# COPY cannot leave duplicates out, and row-level security refuses it: hence a table of its own first.
STAGE = """
    CREATE TEMPORARY TABLE given_touches (
        id bigint DEFAULT nextval('attribution_touchpoint_id_seq'), p bigint, e text, o bigint, r timestamptz,
        s bigint, t text, c numeric, u text, f text, x jsonb, n boolean
    ) ON COMMIT DROP
"""
COPY = "COPY given_touches (p, e, o, r, s, t, c, u, f, x, n) FROM STDIN"
LOAD = """
    WITH new AS (
        INSERT INTO attribution_touchpoint (id, workspace_id, person_id, source_id, event_id, event_type,
            occurred_at, received_at, cost, url, referrer, properties, is_channel_named)
        SELECT id, %s, p, s, e, t, timestamptz 'epoch' + o * interval '1 microsecond', r, c, u, f, x, n
        FROM given_touches ORDER BY e COLLATE "C"
        ON CONFLICT (workspace_id, event_id) DO NOTHING RETURNING id, workspace_id, person_id
    ), stale AS (
        INSERT INTO attribution_staleperson (workspace_id, person_id)
        SELECT DISTINCT workspace_id, person_id FROM new
    )
    SELECT count(*), min(id), max(id) FROM new
"""
UNSTAGE = "DROP TABLE given_touches"
KNOWN = """
    SELECT t.event_id, person.public_id::text, c.key FROM json_array_elements_text(%s::json) AS wanted(id)
    JOIN attribution_touchpoint t ON t.workspace_id = (SELECT %s::bigint) AND t.event_id = wanted.id
    JOIN accounts_person person ON person.workspace_id = t.workspace_id AND person.id = t.person_id
    JOIN attribution_source s ON s.workspace_id = t.workspace_id AND s.id = t.source_id
    JOIN attribution_channel c ON c.workspace_id = t.workspace_id AND c.id = s.channel_id
"""


class Row(msgspec.Struct, omit_defaults=True, gc=False):
    """A touch as the statement reads it: short names, since each stands in every row. r: None where it is
    o.
    """

    p: int
    s: int
    e: str
    t: str
    o: object
    r: object = None
    c: object = None
    u: str = ""
    f: str = ""
    x: object = None
    n: bool = False


class Inserted(NamedTuple):
    """What became of a batch. event_ids: of the new ones; first_id and last_id are None without any."""

    event_ids: set[str]
    first_id: int | None
    last_id: int | None


class Known(NamedTuple):
    person_id: str
    channel: str


class Load(NamedTuple):
    """What became of a large batch. first_id and last_id are None when nothing was new."""

    total: int
    first_id: int | None
    last_id: int | None


def insert(rows: list[Row], *, door: str, at: datetime) -> Inserted:
    """Store the rows and enter them in the books (intake.py) as taken in by that door at that moment."""
    workspace_id, given = scoping.current_id(), len(rows)
    entry = (workspace_id, at.date(), door, given, given)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (_as_json(rows), workspace_id, *entry, given))
        total, first_id, last_id, event_ids = cursor.fetchone()
    new = {row.e for row in rows} if total == given else set(event_ids or ())
    return Inserted(new, first_id, last_id)


def load(touches: TouchColumns, people: Sequence[int]) -> Load:
    """Store many touches of known people; answers how many were new."""
    rows = _as_copy(touches, people)
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy(COPY) as copy:
            copy.write(rows)
        cursor.execute(LOAD, [scoping.current_id()])
        loaded = Load(*cursor.fetchone())
        cursor.execute(UNSTAGE)
        return loaded


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
            None if touch.received_at is touch.occurred_at else touch.received_at,
            touch.cost,
            touch.url,
            touch.referrer,
            touch.properties,
            sources.is_named(touch),
        )
        for touch, person, key in zip(touches, people, keys, strict=True)
    ]


def _as_copy(touches: TouchColumns, people: Sequence[int]) -> str:
    """COPY's text format: what touches share is written once for all that are alike."""
    alike = {id(one): one for one in touches.likes}
    keys = sources.of_touches(alike.values())
    places = sources.ids(set(keys), labels=sources.labels_of(alike.values()))
    tails = {same: _tail(touch, places[key]) for (same, touch), key in zip(alike.items(), keys, strict=True)}
    event_ids = touches.event_ids
    text = "".join(event_ids)
    if "\\" in text or not text.isprintable():
        event_ids = [_escaped(one) for one in event_ids]
    return "".join(
        [
            f"{person}\t{event_id}\t{at}\t{tails[id(touch)]}"
            for person, event_id, at, touch in zip(
                people, event_ids, touches.occurred_at.tolist(), touches.likes, strict=True
            )
        ]
    )


def _tail(touch: Touch, source_id: int) -> str:
    values = (
        touch.received_at.isoformat(),
        str(source_id),
        _escaped(touch.event_type),
        "\\N" if touch.cost is None else str(touch.cost),
        _escaped(touch.url),
        _escaped(touch.referrer),
        "\\N" if touch.properties is None else _escaped(msgspec.json.encode(touch.properties).decode()),
        "t" if sources.is_named(touch) else "f",
    )
    return "\t".join(values) + "\n"


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _as_json(rows: list[Row]) -> str:
    return msgspec.json.encode(rows).decode()
