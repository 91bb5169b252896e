"""Journey books: per lens, the journeys of each person as last counted, and what they come to by day.

A change marks its people as stale (stale_people.mark). Catching up takes marks, looks at those people anew,
takes back what the book says of them and adds what is so now, all in one transaction: whatever dies or comes
twice, the days are what a count from scratch would give. One catch-up at a time per workspace, by an advisory
lock that lasts as long as the transaction. docs/decisions/0009-journey-books.md.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta

import numpy as np
import structlog
from django.db import IntegrityError, connection, transaction
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.attribution import binary_sql, book_days, journeys, loading, stale_people
from apps.attribution.lenses import Lens
from apps.attribution.loading import Crowd, SourceTable, TouchRows
from apps.attribution.maths.packed import (
    JOURNEY,
    TOUCH,
    Booked,
    chained,
    pack_booked,
    pack_each,
    unpack_booked,
)
from apps.attribution.maths.tally import METHOD
from apps.attribution.models import BookedPeople, JourneyBook, StalePerson
from apps.attribution.money import exponent

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
State = JourneyBook.State
log = structlog.get_logger(__name__)

# People per row: few enough that one person's change writes little, enough that a build writes few rows.
NEIGHBOURS = 16
# Marks that one catch-up takes.
BATCH = 20_000
ROWS = 4_000
# How often it is noted that a book was asked.
NOTED = timedelta(hours=1)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('attribution.journey_books', %s))"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('attribution.journey_books', %s))"
# Who builds a book holds the same lock for as long (book_building.py).
_NOBODY_BUILDS = "SELECT pg_try_advisory_xact_lock(hashtextextended('attribution.book_building', %s))"
_WRITE = """
    INSERT INTO attribution_bookedpeople (workspace_id, book_id, bucket, journeys)
    SELECT %s, %s, bucket, journeys FROM unnest(%s::bigint[], %s::bytea[]) AS r(bucket, journeys)
    ON CONFLICT (workspace_id, book_id, bucket) DO UPDATE SET journeys = EXCLUDED.journeys
"""
_READ = """
    SELECT journeys FROM attribution_bookedpeople
    WHERE workspace_id = (SELECT %s::bigint) AND book_id = %s AND bucket = ANY(%s::bigint[])
"""


def find(lens: Lens) -> JourneyBook | None:
    """The book of a lens, whatever its state."""
    return JourneyBook.objects.filter(lens_digest=digest(lens)).first()


def ready(lens: Lens, workspace: Workspace) -> JourneyBook | None:
    """The book of a lens, if it may be asked."""
    book = find(lens)
    return book if book is not None and book.state == State.READY and is_current(book, workspace) else None


def is_current(book: JourneyBook, workspace: Workspace) -> bool:
    """Was it counted as one would count today?"""
    basis = (book.method, book.time_zone, book.currency)
    return basis == (METHOD, workspace.time_zone, workspace.currency)


def open_(lens: Lens, *, workspace: Workspace, now: datetime) -> JourneyBook:
    """The book of a lens, made where it is missing; it is then due to be built."""
    if (book := find(lens)) is not None:
        note_asked(book, now=now)
        return book
    with suppress(IntegrityError), transaction.atomic():
        return JourneyBook.objects.create(
            workspace=workspace,
            lens=asdict(lens),
            lens_digest=digest(lens),
            method=METHOD,
            time_zone=workspace.time_zone,
            currency=workspace.currency,
            asked_at=now,
        )
    return JourneyBook.objects.get(lens_digest=digest(lens))


def note_asked(book: JourneyBook, *, now: datetime) -> None:
    """Say that somebody still wants the book; one that nobody asks is dropped."""
    if now - book.asked_at > NOTED:
        JourneyBook.objects.filter(pk=book.pk).update(asked_at=now)


@transaction.atomic
def rebuild(books: Sequence[JourneyBook]) -> None:
    """Have books counted from scratch by whoever asks next: an operator doubts them.

    Until they are built, large workspaces are answered from what was computed before.
    """
    lock()
    _give_up(books)


@transaction.atomic
def drop(books: Sequence[JourneyBook]) -> None:
    """Drop books; their days and people go with them. One that is being built stays."""
    lock()
    JourneyBook.objects.filter(pk__in=[book.pk for book in books if _nobody_builds(book)]).delete()


def lock() -> None:
    """Wait for whoever changes the workspace's books; nobody else does until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [scoping.current_id()])


def _is_free(statement: str, number: int) -> bool:
    """Take a lock until the transaction ends, unless somebody has it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [number])
        return bool(cursor.fetchone()[0])


@transaction.atomic
def catch_up(*, most: int = BATCH, waits: bool = True) -> int:
    """Count the people anew who were marked, up to `most` marks. Answers how many marks were taken.

    waits: else none are taken while somebody else is at it. What is marked and committed meanwhile is left
    for the next time. A book that is being built hears of them when it is done. One that does not add up, or
    does not hear of them, is due to be built again.
    """
    if waits:
        lock()
    elif not _is_free(_TRY_LOCK, scoping.current_id()):
        return 0
    workspace: Workspace = Workspace.objects.get()
    books = list(JourneyBook.objects.order_by("pk"))
    if lost := [book for book in books if _is_lost(book, workspace)]:
        _give_up(lost)
    kept = [book for book in books if book.state == State.READY and book not in lost]
    marks = stale_people.take(kept, most=most)
    if len(marks):
        built = [book for book in books if book.state == State.BUILDING and book not in lost]
        _tell(marks, kept, built, workspace)
    return len(marks)


def booked_of(
    book: JourneyBook, touches: TouchRows, table: SourceTable, crowd: Crowd, *, currency: str
) -> Booked:
    """The journeys of some people as the book's lens sees them now."""
    lens = lens_of(book)
    conversions = loading.conversions(
        start=None,
        end=None,
        conversion_types=lens.conversion_types,
        decimals=exponent(currency),
        crowd=crowd,
    )
    found = journeys.through(lens, touches, conversions, table)
    rows = np.zeros(found.journeys.n_journeys, dtype=JOURNEY)
    rows["person"], rows["ends_us"], rows["minor"] = found.person, found.ends_us, found.minor
    rows["lengths"], rows["converted"] = found.journeys.lengths, found.journeys.conversions
    steps = np.zeros(len(found.source), dtype=TOUCH)
    steps["at_us"], steps["source"], steps["times"] = found.at_us, table.ids[found.source], found.times
    return Booked(rows, steps)


def write_people(book: JourneyBook, packed: dict[int, bytes]) -> None:
    """Keep the journeys of these buckets."""
    buckets = np.array(sorted(packed), dtype=np.int64)
    for start in range(0, len(buckets), ROWS):
        some = buckets[start : start + ROWS]
        rows = binary_sql.Blobs(packed[bucket] for bucket in some.tolist())
        binary_sql.execute(_WRITE, [scoping.current_id(), book.pk, some, rows])


def lens_of(book: JourneyBook) -> Lens:
    return Lens(**(book.lens | {"conversion_types": tuple(book.lens["conversion_types"])}))


def digest(lens: Lens) -> str:
    plain = asdict(lens) | {"conversion_types": sorted(lens.conversion_types)}
    plain["lookback_days"] = float(lens.lookback_days)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _tell(
    marks: Ints, kept: Sequence[JourneyBook], built: Sequence[JourneyBook], workspace: Workspace
) -> None:
    """Count these marks in the books that are kept, and leave them for those that are being built."""
    everywhere = np.unique(marks[marks[:, 1] == 0, 0])
    for book in built:
        stale_people.mark(everywhere.tolist(), book=book)
    if not kept:
        return
    touches = loading.touches_of(loading.these(np.unique(marks[:, 0])))
    table = loading.sources()  # after the touches, so that it knows the source of each
    for book in kept:
        own = np.union1d(everywhere, marks[marks[:, 1] == book.pk, 0])
        _count_anew_or_give_up(book, own, touches, table, workspace)


def _is_lost(book: JourneyBook, workspace: Workspace) -> bool:
    """Will it never hear of the marks that are taken now? It was counted by another clock, which may come
    back, or whoever built it died.
    """
    if book.state == State.BUILDING:
        return _nobody_builds(book)
    return book.state == State.READY and not is_current(book, workspace)


def _nobody_builds(book: JourneyBook) -> bool:
    """And nobody begins to before this transaction ends."""
    return _is_free(_NOBODY_BUILDS, book.pk)


def _give_up(books: Sequence[JourneyBook]) -> None:
    """Have these built again, and forget what they had still to hear of: it will be counted."""
    ids = [book.pk for book in books]
    JourneyBook.objects.filter(pk__in=ids).update(state=State.DUE)
    StalePerson.objects.filter(book__in=ids).delete()


def _count_anew_or_give_up(
    book: JourneyBook, people: Ints, touches: TouchRows, table: SourceTable, workspace: Workspace
) -> None:
    try:
        with transaction.atomic():
            _count_anew(book, people, touches, table, workspace)
    except ValueError as error:
        log.error("journey_book.does_not_add_up", book_id=book.pk, error=str(error))
        _give_up([book])


def _count_anew(
    book: JourneyBook, people: Ints, touches: TouchRows, table: SourceTable, workspace: Workspace
) -> None:
    own = _touches_of(touches, people)
    new = booked_of(book, own, table, loading.these(people), currency=workspace.currency)
    old, others = _as_booked(book, people)
    minus, plus = old.select(_beside(old, new)), new.select(_beside(new, old))
    changed = np.union1d(minus.column("person"), plus.column("person"))
    if not len(changed):
        return
    revision = book.revision + 1
    book_days.change(
        book,
        book_days.tallies_of(plus, book, table, zone=workspace.zone),
        book_days.tallies_of(minus, book, table, zone=workspace.zone),
        revision=revision,
    )
    _rewrite(book, chained([others, new]), np.unique(changed // NEIGHBOURS))
    JourneyBook.objects.filter(pk=book.pk).update(revision=revision, steps=book.steps)


def _touches_of(touches: TouchRows, people: Ints) -> TouchRows:
    wanted = np.isin(touches.person, people)
    if wanted.all():
        return touches
    return TouchRows(
        id=touches.id[wanted],
        person=touches.person[wanted],
        at_us=touches.at_us[wanted],
        source=touches.source[wanted],
    )


def _as_booked(book: JourneyBook, people: Ints) -> tuple[Booked, Booked]:
    """What the book says of these people, and of their neighbours."""
    buckets = np.unique(people // NEIGHBOURS)
    rows = binary_sql.rows(_READ, [scoping.current_id(), book.pk, buckets])
    found = unpack_booked(packed for (packed,) in rows)
    wanted = np.isin(found.column("person"), people)
    return found.select(wanted), found.select(~wanted)


def _beside(booked: Booked, other: Booked) -> Flags:
    """(n_journeys,) which journeys the other has not, to the last byte: days that say the same stay."""
    left = Counter(pack_each(other))
    found = np.ones(len(booked.journeys), dtype=np.bool_)
    for place, journey in enumerate(pack_each(booked)):
        if left[journey] > 0:
            left[journey] -= 1
            found[place] = False
    return found


def _rewrite(book: JourneyBook, booked: Booked, buckets: Ints) -> None:
    """Keep what the book now says of these buckets; one in which nobody is left goes."""
    bucket = booked.column("person") // NEIGHBOURS
    wanted = np.isin(bucket, buckets)
    packed = pack_booked(booked.select(wanted), bucket[wanted])
    empty = [number for number in buckets.tolist() if number not in packed]
    BookedPeople.objects.filter(book=book, bucket__in=empty).delete()
    write_people(book, packed)
