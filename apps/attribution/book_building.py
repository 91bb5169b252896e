"""Count a journey book from scratch, in memory that does not grow with the workspace.

People are read in stretches of their ids, straight from the index that holds a journey's touches in order,
and booked stretch by stretch, each in a transaction of its own. No snapshot spans them: what changes
meanwhile is marked, and counted when the book is ready. Killed half way it starts again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from time import sleep

from django.db import DatabaseError, connection, transaction
from django.db.models import Max, Min

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.attribution import book_days, journey_books, loading, stale_people
from apps.attribution.book_days import BookClosed
from apps.attribution.journey_books import NEIGHBOURS, State
from apps.attribution.maths.packed import pack_booked, pack_tally
from apps.attribution.maths.tally import METHOD, Tally
from apps.attribution.models import BookDay, BookedPeople, Conversion, JourneyBook, StalePerson, Touchpoint

# Called with hundredths done, of a hundred.
Progress = Callable[[int], None]

STRETCH = 1_000_000  # touches read at once
LAST = 2**62
# A day's tallies are merged when there are this many, so that they take no more room than they must.
PARTS = 16
WRITTEN = 16  # days at once
_BORDER = """
    SELECT person_id FROM attribution_touchpoint WHERE workspace_id = (SELECT %s::bigint) AND person_id > %s
    ORDER BY person_id OFFSET %s LIMIT 1
"""
_ALONE = "SELECT pg_try_advisory_lock(hashtextextended('attribution.book_building', %s))"
_DONE = "SELECT pg_advisory_unlock(hashtextextended('attribution.book_building', %s))"


def build(
    book: JourneyBook,
    *,
    now: datetime,
    progress: Progress = lambda done: None,
    stretch: int = STRETCH,
) -> JourneyBook:
    """Build the book unless somebody else has meanwhile. One builder per book; others wait for it.

    Raises BookClosed when it was dropped meanwhile.
    """
    with _alone(book, progress):
        workspace: Workspace = Workspace.objects.get()
        found = JourneyBook.objects.filter(pk=book.pk).first()
        if found is None:
            raise BookClosed("The journeys of this workspace are no longer kept. Ask again.")
        book = found
        if book.state == State.READY and journey_books.is_current(book, workspace):
            return book
        _begin(book, workspace)
        days: dict[int, list[bytes]] = defaultdict(list)
        for after, through, done in stretches(stretch):
            progress(done)
            for day, tally in _book_stretch(book, workspace, after, through).items():
                _keep(days[day], tally)
        progress(99)
        _finish(book, days, now=now)
    return book


@transaction.atomic
def _begin(book: JourneyBook, workspace: Workspace) -> None:
    """From here on catch-ups leave marks for this book."""
    journey_books.lock()
    stale_people.begin()
    for model in (BookDay, BookedPeople, StalePerson):
        model.objects.filter(book=book).delete()
    book.state, book.steps, book.built_at = State.BUILDING, [], None
    book.method, book.time_zone, book.currency = METHOD, workspace.time_zone, workspace.currency
    book.save(update_fields=["state", "steps", "built_at", "method", "time_zone", "currency"])


@transaction.atomic
def _book_stretch(book: JourneyBook, workspace: Workspace, after: int, through: int) -> dict[int, Tally]:
    crowd = loading.between(after, through)
    touches = loading.touches_of(crowd)
    table = loading.sources()  # after the touches, so that it knows the source of each
    booked = journey_books.booked_of(book, touches, table, crowd, currency=workspace.currency)
    journey_books.write_people(book, pack_booked(booked, booked.column("person") // NEIGHBOURS))
    return book_days.tallies_of(booked, book, table, zone=workspace.zone)


@transaction.atomic
def _finish(book: JourneyBook, days: dict[int, list[bytes]], *, now: datetime) -> None:
    journey_books.lock()
    book.refresh_from_db(fields=["revision", "state"])
    if book.state != State.BUILDING:
        return  # it is due again: an operator doubts it
    book.revision += 1
    counted = list(days.items())
    for start in range(0, len(counted), WRITTEN):
        some = {day: book_days.summed(parts) for day, parts in counted[start : start + WRITTEN]}
        book_days.write(book, some, revision=book.revision)
    book.state, book.built_at = State.READY, now
    book.save(update_fields=["state", "built_at", "revision", "steps"])


def _keep(parts: list[bytes], tally: Tally) -> None:
    parts.append(pack_tally(tally))
    if len(parts) >= PARTS:
        parts[:] = [pack_tally(book_days.summed(parts))]


def stretches(touches: int = STRETCH) -> Iterator[tuple[int, int, int]]:
    """(after, through, hundredths done before) over the ids of people, each about as many touches."""
    ends = [
        model.objects.aggregate(first=Min("person_id"), last=Max("person_id"))
        for model in (Touchpoint, Conversion)
    ]
    first = min((end["first"] for end in ends if end["first"] is not None), default=0)
    last = max((end["last"] for end in ends if end["last"] is not None), default=0)
    after = first - first % NEIGHBOURS - 1
    while after < LAST:
        through = _border(after, touches)
        yield after, through, max(0, 98 * (after - first) // (last - first + 1))
        after = through


def _border(after: int, touches: int) -> int:
    """The last person of the stretch, at the end of a bucket so that no two stretches write the same."""
    with connection.cursor() as cursor:
        cursor.execute(_BORDER, [scoping.current_id(), after, touches])
        row = cursor.fetchone()
    return LAST if row is None else row[0] - row[0] % NEIGHBOURS + NEIGHBOURS - 1


@contextmanager
def _alone(book: JourneyBook, progress: Progress) -> Iterator[None]:
    """A lock of the session: it ends with the process, however that ends."""
    while not _asked(_ALONE, book):
        progress(0)
        sleep(0.5)
    try:
        yield
    finally:
        with suppress(DatabaseError):
            _asked(_DONE, book)


def _asked(statement: str, book: JourneyBook) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [book.pk])
        return bool(cursor.fetchone()[0])
