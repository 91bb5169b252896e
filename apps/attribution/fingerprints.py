"""What the data of a question looks like now: equal fingerprints, equal answers.

A journey book says of each day when it last changed: a question of its days costs a row a day. Without a book
the rows themselves are hashed, in one statement and so on one snapshot: a late touch, a refund, a merge, an
erasure, spend that was corrected, or a source that moved to another channel each change a hash. No writer
keeps a counter, so none waits for another. Cost: one pass over the period's index entries, 0.1 s for 1M
touches. Sums of 64-bit hashes do not notice the order of rows, nor the cost of a touch that was changed in
place, which no verb does.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from apps.accounts import scoping
from apps.attribution import book_days
from apps.attribution.book_days import Span
from apps.attribution.models import JourneyBook
from apps.attribution.questions import Query, days_of

# PostgreSQL before 18 has no hash of a timestamptz by name; that of the same moment in UTC is the same.
_TOUCHES = """
    SELECT count(*),
        sum(timestamp_hash_extended(occurred_at AT TIME ZONE 'UTC', person_id * 1000003 + source_id))
    FROM attribution_touchpoint WHERE workspace_id = %(workspace)s"""
_CONVERSIONS = """
    SELECT count(*), sum(timestamp_hash_extended(
        occurred_at AT TIME ZONE 'UTC', hash_numeric_extended(value, person_id)
    ))
    FROM attribution_conversion WHERE workspace_id = %(workspace)s AND is_counted
    AND (%(types)s::text[] = '{}' OR conversion_type = ANY(%(types)s))"""
_SPEND = """
    SELECT count(*), sum(hash_numeric_extended(amount, source_id * 1000003 + (day - date '2000-01-01')))
    FROM attribution_spend WHERE workspace_id = %(workspace)s
    AND (%(first_day)s::date IS NULL OR day >= %(first_day)s)
    AND (%(last_day)s::date IS NULL OR day <= %(last_day)s)"""
_SOURCES = """
    SELECT count(*), sum(hashtextextended(concat_ws(chr(31), key, platform, campaign_id, creative_id), s.id))
    FROM attribution_source s JOIN attribution_channel c ON c.id = s.channel_id
    WHERE s.workspace_id = %(workspace)s AND c.workspace_id = %(workspace)s"""
_ALL = " CROSS JOIN ".join(
    f"({part}) AS part_{place} (rows, hash)"
    for place, part in enumerate((_TOUCHES, _CONVERSIONS, _SPEND, _SOURCES))
)


_BESIDE = f"SELECT * FROM ({_SPEND}) AS spend CROSS JOIN ({_SOURCES}) AS sources"  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True)
class Census:
    """digest: of all that decides the answer. touches, conversions: how many rows there are to read."""

    digest: str
    touches: int
    conversions: int


def take(query: Query, *, zone: ZoneInfo) -> Census:
    """Look at the rows that the question reads. zone: the workspace's clock, which decides what a day of
    spend is.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {_ALL}", _params(query, zone))  # noqa: S608
        row = cursor.fetchone()
    return Census(
        digest=hashlib.sha256(repr(row).encode()).hexdigest(), touches=int(row[0]), conversions=int(row[2])
    )


@dataclass(frozen=True, kw_only=True)
class BookCensus:
    """digest: of all that decides the answer. journeys, conversions, distinct_paths: sums over the days."""

    digest: str
    journeys: int
    conversions: int
    distinct_paths: int


def of_book(book: JourneyBook, span: Span, query: Query, *, zone: ZoneInfo) -> BookCensus:
    """Look at the days of the book that the question adds up, those of the period before with which it is
    compared, and at what else decides its answer.
    """
    rows = book_days.within(book, _with_before(span)).values_list(
        "day", "revision", "journeys", "conversions", "distinct_paths"
    )
    days = list(rows)
    with connection.cursor() as cursor:
        cursor.execute(_BESIDE, _params(query, zone))
        beside = cursor.fetchone()
    seen = repr((book.pk, [(day.isoformat(), revision) for day, revision, *_ in days], beside))
    own = [row[2:] for row in days if span.first is None or row[0] >= span.first]
    sums = [sum(column) for column in zip(*own, strict=True)] if own else [0, 0, 0]
    return BookCensus(
        digest=hashlib.sha256(seen.encode()).hexdigest(),
        journeys=sums[0],
        conversions=sums[1],
        distinct_paths=sums[2],
    )


def _with_before(span: Span) -> Span:
    if span.first is None or span.last is None:
        return span
    days = span.last - span.first
    return Span(first=span.first - days - timedelta(days=2), last=span.last)


def _params(query: Query, zone: ZoneInfo) -> dict[str, Any]:
    start = query.start if (before := query.before()) is None else before.start
    first_day, last_day = days_of(start, query.end, zone)
    return {
        "workspace": scoping.current_id(),
        "types": list(query.conversion_types),
        "first_day": first_day,
        "last_day": last_day,
    }
