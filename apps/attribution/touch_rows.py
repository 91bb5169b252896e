"""Touches as rows: one statement stores a batch, whatever its size, and says which of them were new."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg.errors import UniqueViolation

from apps.accounts import scoping
from apps.attribution import sources, stale_people
from apps.attribution.records import Touch
from apps.attribution.touch_columns import Ints, TouchColumns

# Numbered as they were given, since that is the order of touches of one moment; stored in the order of their
# event ids, so that two batches with the same events never wait for each other in a circle.
STORE = """
    given AS MATERIALIZED (
        SELECT nextval('attribution_touchpoint_id_seq') AS id, row.*
        FROM json_to_recordset(%(rows)s::json) AS row(p bigint, s bigint, e text, t text, o timestamptz,
            r timestamptz, c numeric, u text, f text, x jsonb, n boolean)
    ), new AS (
        INSERT INTO attribution_touchpoint (id, workspace_id, person_id, source_id, event_id, event_type,
            occurred_at, received_at, cost, url, referrer, properties, is_channel_named)
        SELECT id, %(workspace)s::bigint, {person}, s, e, t, o, COALESCE(r, o), c, COALESCE(u, ''),
            COALESCE(f, ''), x, COALESCE(n, false)
        FROM given WHERE {condition} ORDER BY e COLLATE "C", id
        ON CONFLICT (workspace_id, event_id) DO NOTHING RETURNING id, workspace_id, event_id, person_id
    ), stale AS (
        INSERT INTO attribution_staleperson (workspace_id, person_id)
        SELECT DISTINCT workspace_id, person_id FROM new
    ), entered AS (
        INSERT INTO attribution_intakecount
            (workspace_id, day, door, accepted, stored, duplicates, dead_lettered, is_folded)
        SELECT %(workspace)s::bigint, %(day)s::date, %(door)s::text, %(given)s::bigint, count(*),
            %(given)s::bigint - count(*), 0, false
        FROM new HAVING {condition}
    )
"""
# Where all are new, their names need not come back: null.
NAMES = """
    SELECT CASE WHEN count(*) < %(given)s::bigint THEN COALESCE(json_agg(event_id), '[]') END FROM new
"""
INSERT = f"""
    WITH {STORE.format(person="p", condition="true")}
    SELECT min(id), max(id), ({NAMES}) FROM new
"""  # noqa: S608 - constants
# COPY cannot leave duplicates out, and row-level security refuses it: hence a table of its own first. What
# many touches say alike is sent once, beside it.
STAGE = """
    CREATE TEMPORARY TABLE given_touches (id bigint, p bigint, e text, o bigint, k integer) ON COMMIT DROP
"""
NUMBER = "SELECT array_agg(nextval('attribution_touchpoint_id_seq'))::text FROM generate_series(1, %s)"
COPY = "COPY given_touches (id, p, e, o, k) FROM STDIN"
# ON CONFLICT adds a quarter to each row, and most batches hold nothing that is known: so first without. Where
# one row in a thousand is known, that fails after some thousand rows.
LOAD = """
    INSERT INTO attribution_touchpoint (id, workspace_id, person_id, source_id, event_id, event_type,
        occurred_at, received_at, cost, url, referrer, properties, is_channel_named)
    SELECT given.id, %s, p, s, e, t, timestamptz 'epoch' + o * interval '1 microsecond', r, c, u, f, x, n
    FROM given_touches AS given LEFT JOIN json_to_recordset(%s::json) AS kind(k integer, s bigint, t text,
        r timestamptz, c numeric, u text, f text, x jsonb, n boolean) USING (k)
"""
LOAD_UNKNOWN = f"{LOAD} ON CONFLICT (workspace_id, event_id) DO NOTHING"
# Who has something new: everybody, or those of the touches that were stored under their numbers.
STALE = """
    INSERT INTO attribution_staleperson (workspace_id, person_id) SELECT %s, unnest(%s::bigint[])
"""
STALE_OF_NEW = """
    INSERT INTO attribution_staleperson (workspace_id, person_id)
    SELECT DISTINCT touch.workspace_id, touch.person_id
    FROM given_touches AS given JOIN attribution_touchpoint AS touch USING (id)
    WHERE touch.workspace_id = (SELECT %s::bigint)
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
    """What became of a large batch: how many touches were new. Their keys lie between these."""

    total: int
    first_id: int
    last_id: int


def insert(rows: list[Row], *, door: str, at: datetime) -> Inserted:
    """Store the rows and enter them in the books (intake.py) as taken in by that door at that moment."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, params(rows, door=door, at=at))
        first_id, last_id, event_ids = cursor.fetchone()
    new = {row.e for row in rows} if event_ids is None else set(event_ids)
    return Inserted(new, first_id, last_id)


def params(rows: list[Row], *, door: str, at: datetime) -> dict[str, Any]:
    """What STORE asks for."""
    return {
        "rows": msgspec.json.encode(rows).decode(),
        "workspace": scoping.current_id(),
        "given": len(rows),
        "door": str(door),
        "day": at.date(),
    }


def load(touches: TouchColumns, people: Ints) -> Load:
    """Store many touches of known people; answers how many were new.

    Stored in the order of their event ids, as by INSERT. Each goes where the last one went, in the index of
    event ids as in that of keys: that took a quarter off.
    """
    order = _once_each(touches.events)
    workspace_id, whose, at = scoping.current_id(), people[order], touches.occurred_at[order]
    met, kind = np.unique(touches.kind[order], return_inverse=True)
    kinds = _kinds([touches.kinds[place] for place in met.tolist()])
    with connection.cursor() as cursor:
        cursor.execute(NUMBER, [len(order)])
        numbers = np.fromstring(cursor.fetchone()[0][1:-1], dtype=np.int64, sep=",")
        ids = _numbered(numbers, order, whose, at)
        cursor.execute(STAGE)
        with cursor.copy(COPY) as copy:
            copy.write(_as_copy([ids, whose, touches.events.take(order), at, kind]))
        total = _from_stage(cursor, [workspace_id, kinds])
        if total and stale_people.are_awaited():
            _mark_stale(cursor, whose if total == len(order) else None)
        cursor.execute(UNSTAGE)
        return Load(total, int(numbers[0]), int(numbers[-1]))


def _once_each(event_ids: pa.StringArray) -> Ints:
    """Places in the order of event ids, and of those with the same one the first."""
    order = pc.array_sort_indices(event_ids)
    ordered = event_ids.take(order)
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = pc.not_equal(ordered[1:], ordered[:-1]).to_numpy(zero_copy_only=False)
    return order.to_numpy()[is_new].astype(np.int64)


def _from_stage(cursor: CursorWrapper, given: list[Any]) -> int:
    """Answers how many were new."""
    try:
        with transaction.atomic():
            cursor.execute(LOAD, given)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        cursor.execute(LOAD_UNKNOWN, given)
    return int(cursor.rowcount)


def _mark_stale(cursor: CursorWrapper, people: Ints | None) -> None:
    """These, or None for those of the touches that were new."""
    if people is None:
        cursor.execute(STALE_OF_NEW, [scoping.current_id()])
        return
    marked = ",".join(map(str, np.unique(people).tolist()))
    cursor.execute(STALE, [scoping.current_id(), f"{{{marked}}}"])


def known(event_ids: list[str]) -> dict[str, Known]:
    """What was stored under these event ids."""
    if not event_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [msgspec.json.encode(event_ids).decode(), scoping.current_id()])
        return {event_id: Known(person_id, channel) for event_id, person_id, channel in cursor.fetchall()}


def rows_of(
    touches: Sequence[Touch],
    people: Sequence[int],
    keys: Sequence[sources.SourceKey],
    places: Mapping[sources.SourceKey, int],
) -> list[Row]:
    """Rows of touches whose people and sources are known, aligned. places: the row of each source."""
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


_MIXER = np.int64(-0x61C8864680B583EB)


def _numbered(numbers: Ints, order: Ints, people: Ints, at: Ints) -> Ints:
    """A number for each touch: they rise in the order of storing, but as the touches were given among those
    of one person and moment.
    """
    mixed = np.sort(people * _MIXER + at)  # equal where both are; rarely, where they are not
    if (mixed[1:] != mixed[:-1]).all():
        return numbers
    ids = np.empty_like(numbers)
    ids[np.lexsort((order, at, people))] = numbers[np.lexsort((at, people))]
    return ids


def _as_copy(columns: Sequence[Any]) -> memoryview:
    """COPY's text format."""
    cells = [
        _escaped(column) if isinstance(column, pa.Array) else pa.array(column).cast(pa.string())
        for column in columns
    ]
    cells[-1] = pc.binary_join_element_wise(cells[-1], "\n", "")
    _, offsets, text = pc.binary_join_element_wise(*cells, "\t").buffers()
    return memoryview(text)[: np.frombuffer(offsets, np.int32)[len(cells[0])]]


def _escaped(column: pa.StringArray) -> pa.StringArray:
    for one, escape in (("\\", r"\\"), ("\t", r"\t"), ("\n", r"\n"), ("\r", r"\r")):
        if pc.any(pc.match_substring(column, one)).as_py():
            column = pc.replace_substring(column, one, escape)
    return column


def _kinds(touches: Sequence[Touch]) -> str:
    """What touches of a kind share, by its place."""
    keys = sources.of_touches(touches)
    places = sources.ids(set(keys), labels=sources.labels_of(touches))
    rows = [
        {
            "k": place,
            "s": places[key],
            "t": touch.event_type,
            "r": touch.received_at,
            "c": touch.cost,
            "u": touch.url,
            "f": touch.referrer,
            "x": touch.properties,
            "n": sources.is_named(touch),
        }
        for place, (touch, key) in enumerate(zip(touches, keys, strict=True))
    ]
    return msgspec.json.encode(rows).decode()
