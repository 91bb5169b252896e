"""Whose journeys the books have not heard of: marked in the transaction of each change, taken in that of its
counting.

A change and its mark are seen together or not at all, in whatever order transactions commit: nobody keeps a
position in a log that a late commit could fall behind.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.attribution.models import JourneyBook

Ints = NDArray[np.int64]

_MARK = """
    INSERT INTO attribution_staleperson (workspace_id, person_id, book_id)
    SELECT %s, person, %s FROM unnest(%s::bigint[]) AS person
"""
# Rows in the order in which they were added; those of a book that is being built wait for it.
_TAKE = """
    DELETE FROM attribution_staleperson WHERE id IN (
        SELECT id FROM attribution_staleperson WHERE workspace_id = (SELECT %s::bigint)
        AND (book_id IS NULL OR book_id = ANY(%s)) ORDER BY id LIMIT %s
    ) AND workspace_id = (SELECT %s::bigint) RETURNING person_id, COALESCE(book_id, 0)
"""
_BEHIND = """
    SELECT count(*) FROM (
        SELECT 1 FROM attribution_staleperson WHERE workspace_id = (SELECT %s::bigint)
        AND (book_id IS NULL OR book_id = %s) LIMIT %s
    ) AS marks
"""
_IS_HEARD = "SELECT EXISTS (SELECT 1 FROM attribution_journeybook WHERE workspace_id = (SELECT %s::bigint))"
# Whoever leaves marks out holds the first, and whoever begins a book waits for the second.
_BEGIN_NONE = "SELECT pg_advisory_xact_lock_shared(hashtextextended('attribution.journey_books.begin', %s))"
_BEGIN = "SELECT pg_advisory_xact_lock(hashtextextended('attribution.journey_books.begin', %s))"
# What is read of those people: their touches and their conversions.
_ROWS_BEHIND = """
    SELECT count(*) FROM (
        SELECT 1 FROM (
            SELECT DISTINCT person_id FROM attribution_staleperson
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND (book_id IS NULL OR book_id = %(book)s)
        ) AS stale, LATERAL (
            SELECT 1 FROM attribution_touchpoint WHERE workspace_id = (SELECT %(workspace)s::bigint)
            AND person_id = stale.person_id
            UNION ALL
            SELECT 1 FROM attribution_conversion WHERE workspace_id = (SELECT %(workspace)s::bigint)
            AND person_id = stale.person_id
        ) AS theirs LIMIT %(most)s
    ) AS rows
"""


def mark(people: Iterable[int], *, book: JourneyBook | None = None) -> None:
    """Say that the touches or conversions of these people changed. In the transaction of the change.

    book: for this one alone; None for all.
    """
    found = list(people)
    if found:
        with connection.cursor() as cursor:
            cursor.execute(_MARK, [scoping.current_id(), None if book is None else book.pk, found])


def are_awaited() -> bool:
    """Would any book hear of marks? Where there is none, none is begun until this transaction ends: it will
    read the rows that were not marked.
    """
    return _is_heard() or _is_heard_once_alone()


def begin() -> None:
    """Wait for those who leave marks out, before the first row of a book is read."""
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, [scoping.current_id()])


def _is_heard_once_alone() -> bool:
    """A book that was opened before this lock is seen; one that is opened after it waits to be begun."""
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN_NONE, [scoping.current_id()])
    return _is_heard()


def _is_heard() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_IS_HEARD, [scoping.current_id()])
        return bool(cursor.fetchone()[0])


def take(books: Sequence[JourneyBook], *, most: int) -> Ints:
    """Take up to `most` marks that these books may hear of: (n, 2), person and book, 0 for all of them."""
    workspace_id = scoping.current_id()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [workspace_id, [book.pk for book in books], most, workspace_id])
        return np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)


def behind(book: JourneyBook, *, most: int) -> int:
    """How many marks the book has not heard of, counted up to `most`."""
    with connection.cursor() as cursor:
        cursor.execute(_BEHIND, [scoping.current_id(), book.pk, most])
        return int(cursor.fetchone()[0])


def rows_behind(book: JourneyBook, *, most: int) -> int:
    """How many touches and conversions the marked people have, counted up to `most`."""
    with connection.cursor() as cursor:
        wanted = {"workspace": scoping.current_id(), "book": book.pk, "most": most}
        cursor.execute(_ROWS_BEHIND, wanted)
        return int(cursor.fetchone()[0])
