"""Orders and their records as rows: every statement takes a whole batch."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from apps.accounts import scoping
from apps.attribution.order_book import Entry, Kind

# New conversions with their first record. One whose order exists already is left out, and its record with it.
# Joined among themselves before people are: of people that nobody counted yet PostgreSQL expects one, and
# then compared each conversion with each (measured: 34 of 57 CPU seconds of an import of a million rows).
ADD_NEW = """
    WITH sequence AS MATERIALIZED (
        SELECT pg_get_serial_sequence('attribution_conversion', 'id')::regclass AS name
    ), input AS MATERIALIZED (
        SELECT nextval((SELECT name FROM sequence)) AS id, r.* FROM json_to_recordset(%(rows)s::json) AS r(
            person bigint, type text, "order" text, occurred_at timestamptz, value numeric, event text,
            kind text, revenue numeric, currency text, rate numeric, received_at timestamptz,
            properties jsonb)
    ), made AS (
        INSERT INTO attribution_conversion (id, workspace_id, person_id, conversion_type, order_id,
            occurred_at, value, is_counted, updated_at)
        SELECT id, %(workspace)s, person, type, "order", occurred_at, value, true, %(now)s FROM input
        ON CONFLICT (workspace_id, order_id) DO NOTHING RETURNING id, person_id
    ), recorded AS (
        INSERT INTO attribution_conversionrecord (workspace_id, conversion_id, kind, event_id, revenue,
            currency, exchange_rate, occurred_at, received_at, properties)
        SELECT %(workspace)s, id, kind, event, revenue, currency, rate, occurred_at, received_at, properties
        FROM input JOIN made USING (id) ON CONFLICT (workspace_id, event_id) DO NOTHING
        RETURNING conversion_id, event_id
    ), stale AS (
        INSERT INTO attribution_staleperson (workspace_id, person_id)
        SELECT DISTINCT %(workspace)s::bigint, person_id FROM made
    ), told AS MATERIALIZED (
        SELECT input.event, made.id, made.person_id, recorded.event_id IS NOT NULL AS has_record
        FROM made JOIN input USING (id) LEFT JOIN recorded ON recorded.conversion_id = made.id
    )
    SELECT told.event, told.id, person.public_id::text, told.has_record FROM told
    JOIN accounts_person person
        ON person.workspace_id = (SELECT %(workspace)s::bigint) AND person.id = told.person_id
"""
ADD_PLACES = """
    INSERT INTO attribution_conversion (workspace_id, person_id, conversion_type, order_id, occurred_at,
        value, is_counted, updated_at)
    SELECT %(workspace)s, person, type, "order", occurred_at, 0, false, %(now)s
    FROM json_to_recordset(%(rows)s::json) AS r(person bigint, type text, "order" text,
        occurred_at timestamptz)
    ON CONFLICT (workspace_id, order_id) DO NOTHING
"""
LOCK = """
    SELECT order_id, id, person_id, conversion_type, occurred_at, value, is_counted
    FROM attribution_conversion WHERE workspace_id = (SELECT %s::bigint) AND order_id = ANY(%s)
    ORDER BY order_id FOR NO KEY UPDATE
"""
ENTRIES = """
    SELECT conversion_id, event_id, kind, revenue, currency, exchange_rate, occurred_at, id
    FROM attribution_conversionrecord
    WHERE workspace_id = (SELECT %s::bigint) AND conversion_id = ANY(%s) ORDER BY id
"""
ADD_RECORDS = """
    INSERT INTO attribution_conversionrecord (workspace_id, conversion_id, kind, event_id, revenue,
        currency, exchange_rate, occurred_at, received_at, properties)
    SELECT %(workspace)s, conversion, kind, event, revenue, currency, rate, occurred_at, received_at,
        properties
    FROM json_to_recordset(%(rows)s::json) AS r(conversion bigint, kind text, event text, revenue numeric,
        currency text, rate numeric, occurred_at timestamptz, received_at timestamptz, properties jsonb)
    ON CONFLICT (workspace_id, event_id) DO NOTHING
"""
CHANGE = """
    UPDATE attribution_conversion AS c SET person_id = r.person, conversion_type = r.type,
        occurred_at = r.occurred_at, value = r.value, is_counted = r.counted, updated_at = %(now)s
    FROM json_to_recordset(%(rows)s::json) AS r(id bigint, person bigint, type text, occurred_at timestamptz,
        value numeric, counted boolean)
    WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id = r.id
"""
KNOWN = """
    SELECT r.event_id, r.kind, c.order_id, c.value, person.public_id::text FROM attribution_conversionrecord r
    JOIN attribution_conversion c ON c.workspace_id = r.workspace_id AND c.id = r.conversion_id
    JOIN accounts_person person ON person.workspace_id = c.workspace_id AND person.id = c.person_id
    WHERE r.workspace_id = (SELECT %s::bigint) AND r.event_id = ANY(%s)
"""
PEOPLE = """
    SELECT id, public_id::text FROM accounts_person
    WHERE workspace_id = (SELECT %s::bigint) AND id = ANY(%s)
"""


class New(NamedTuple):
    id: int
    person_id: str
    has_record: bool


class Known(NamedTuple):
    """What is stored under an event id: its kind, and its order as it stands."""

    kind: str
    order_id: str | None
    value: Decimal
    person_id: str


class Order(NamedTuple):
    """A locked order."""

    id: int
    person: int
    conversion_type: str
    occurred_at: datetime
    value: Decimal
    is_counted: bool


def known(event_ids: Iterable[str]) -> dict[str, Known]:
    """What was stored under these event ids."""
    wanted = list(event_ids)
    if not wanted:
        return {}
    return {row[0]: Known(*row[1:]) for row in _rows(KNOWN, [scoping.current_id(), wanted])}


def add_new(rows: Sequence[dict[str, Any]], *, now: datetime) -> dict[str, New]:
    """Store conversions whose order is not known yet; answers those, by event id."""
    return {row[0]: New(*row[1:]) for row in _rows(ADD_NEW, _batch(rows, now))} if rows else {}


def lock(places: Sequence[dict[str, Any]], *, now: datetime) -> dict[str, Order]:
    """The orders of these places, made where they are missing, each locked, all in one order of names."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_PLACES, _batch(places, now))
    names = [place["order"] for place in places]
    return {row[0]: Order(*row[1:]) for row in _rows(LOCK, [scoping.current_id(), names])}


def entries(orders: Iterable[Order]) -> dict[int, list[Entry]]:
    """What was said about these orders so far, by conversion."""
    found: dict[int, list[Entry]] = defaultdict(list)
    for conversion, event_id, kind, revenue, currency, rate, occurred_at, place in _rows(
        ENTRIES, [scoping.current_id(), [order.id for order in orders]]
    ):
        found[conversion].append(
            Entry(
                event_id=event_id,
                kind=Kind(kind),
                revenue=revenue,
                currency=currency,
                rate=rate,
                occurred_at=occurred_at,
                place=place,
            )
        )
    return found


def add_records(rows: Sequence[dict[str, Any]], *, now: datetime) -> int:
    """Store records; answers how many were new."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_RECORDS, _batch(rows, now))
        return int(cursor.rowcount)


def change(rows: Sequence[dict[str, Any]], *, now: datetime) -> None:
    """Bring locked orders to their new standing."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGE, _batch(rows, now))


def public_ids(people: Iterable[int]) -> dict[int, str]:
    return dict(_rows(PEOPLE, [scoping.current_id(), list(people)]))


def _batch(rows: Sequence[dict[str, Any]], now: datetime) -> dict[str, Any]:
    return {"rows": msgspec.json.encode(rows).decode(), "workspace": scoping.current_id(), "now": now}


def _rows(statement: str, params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()
