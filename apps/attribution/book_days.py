"""The days of a journey book: what journeys come to by the day they ended on, kept and added up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.attribution import binary_sql, loading
from apps.attribution.journeys import MOST_TIMES, channel_names, step_name
from apps.attribution.loading import SourceTable
from apps.attribution.maths.counts import JourneyCounts, of_tally
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.packed import Booked, pack_tally, unpack_tally
from apps.attribution.maths.tally import EMPTY, US_PER_DAY, Counted, Tally, merged, numbered, tallies
from apps.attribution.models import BookDay, JourneyBook

Ints = NDArray[np.int64]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_WRITE = """
    INSERT INTO attribution_bookday (workspace_id, book_id, day, revision, journeys, conversions, value,
        distinct_paths, counts)
    SELECT %s, %s, day, %s, journeys, conversions, value, paths, counts
    FROM unnest(%s::date[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[], %s::bytea[])
        AS r(day, journeys, conversions, value, paths, counts)
    ON CONFLICT (workspace_id, book_id, day) DO UPDATE SET revision = EXCLUDED.revision,
        journeys = EXCLUDED.journeys, conversions = EXCLUDED.conversions, value = EXCLUDED.value,
        distinct_paths = EXCLUDED.distinct_paths, counts = EXCLUDED.counts
"""
_READ_THESE = """
    SELECT day, counts FROM attribution_bookday
    WHERE workspace_id = (SELECT %s::bigint) AND book_id = %s AND day = ANY(%s::date[])
"""
_READ = """
    SELECT day, conversions, value, counts FROM attribution_bookday
    WHERE workspace_id = (SELECT %s::bigint) AND book_id = %s AND day BETWEEN %s AND %s ORDER BY day
"""


class BookClosed(DomainError):
    code = "book_closed"
    status = 503


@dataclass(frozen=True, kw_only=True)
class Span:
    """Whole days of the workspace's clock, both inclusive; None for no limit."""

    first: date | None
    last: date | None


def span_of(start: datetime | None, end: datetime | None, zone: ZoneInfo) -> Span | None:
    """The period as whole days; None where it begins or ends within one."""
    first = None if start is None else start.astimezone(zone).date()
    after = None if end is None else end.astimezone(zone).date()
    if start is not None and first is not None and start != midnight(first, zone):
        return None
    if end is not None and after is not None and end != midnight(after, zone):
        return None
    return Span(first=first, last=None if after is None else after - timedelta(days=1))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def ordinals(at_us: Ints, zone: ZoneInfo) -> Ints:
    """(n,) the day, on that clock, of each moment, as an ordinal.

    Midnights of the days around each moment's day in UTC are looked up: a clock is never a day away from it.
    """
    utc, _ = numbered(at_us // US_PER_DAY + _EPOCH_DAY)
    near = np.unique((utc[:, None] + np.arange(-1, 3)).ravel())
    days = [date.fromordinal(day) for day in near.clip(1, date.max.toordinal()).tolist()]
    opens = np.array([loading.microseconds(midnight(day, zone)) for day in days], dtype=np.int64)
    found: Ints = near[np.searchsorted(opens, at_us, side="right") - 1]
    return found


def tallies_of(booked: Booked, book: JourneyBook, table: SourceTable, *, zone: ZoneInfo) -> dict[int, Tally]:
    """Count journeys by the day they ended on, an ordinal. New steps of paths are added to the book."""
    if not len(booked.journeys):
        return {}
    days, part = numbered(ordinals(booked.column("ends_us"), zone))
    found = tallies(_counted(booked, book, table, part, len(days)), labels=table.ids)
    return dict(zip(days.tolist(), found, strict=True))


def _counted(booked: Booked, book: JourneyBook, table: SourceTable, part: Ints, parts: int) -> Counted:
    source = table.places(booked.column("source"))
    codes = table.channel_codes[source]
    converted = booked.column("converted").astype(np.float64)
    lengths = booked.column("lengths")
    age_us = np.repeat(booked.column("ends_us"), lengths) - booked.column("at_us")
    journeys = Journeys(
        channels=channel_names(table),
        codes=codes,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        conversions=converted,
        value=booked.column("minor").astype(np.float64),
        nulls=1.0 - converted,
        age_days=age_us / US_PER_DAY,
    )
    steps = _steps(book, table.channel_ids[codes], booked.column("times"))
    told = Journeys(
        channels=tuple(map(str, range(len(book.steps)))),
        codes=steps.astype(np.int32),
        offsets=journeys.offsets,
        conversions=journeys.conversions,
        value=journeys.value,
        nulls=journeys.nulls,
    )
    return Counted(journeys=journeys, told=told, source=source, groups=table.groups(), part=part, parts=parts)


def _steps(book: JourneyBook, channel: Ints, times: Ints) -> Ints:
    """(n_touches,) the code of each touch in the paths of the book."""
    pairs, place = numbered(channel * (MOST_TIMES + 1) + times)
    code = {tuple(step): number for number, step in enumerate(book.steps)}
    steps = [divmod(pair, MOST_TIMES + 1) for pair in pairs.tolist()]
    for step in steps:
        if step not in code:
            code[step] = len(book.steps)
            book.steps.append(list(step))
    found: Ints = np.array([code[step] for step in steps], dtype=np.int64)[place]
    return found


def change(
    book: JourneyBook, plus: Mapping[int, Tally], minus: Mapping[int, Tally], *, revision: int
) -> list[int]:
    """Add and take away, by day. Answers the days that are another than before. The book is locked.

    Raises ValueError when more is taken away than there was.
    """
    touched = sorted({*plus, *minus})
    dates = [date.fromordinal(day) for day in touched]
    rows = binary_sql.rows(_READ_THESE, [scoping.current_id(), book.pk, dates])
    before = {day.toordinal(): unpack_tally(counts) for day, counts in rows}
    after = {}
    for day in touched:
        taken = [minus[day]] if day in minus else []
        given = [tallies for tallies in (before.get(day), plus.get(day)) if tallies is not None]
        after[day] = merged(given, taken) if given else merged([EMPTY], taken)
    write(book, after, revision=revision)
    return touched


def write(book: JourneyBook, days: Mapping[int, Tally], *, revision: int) -> None:
    """Keep these days, and drop those on which nothing ended."""
    empty = [date.fromordinal(day) for day, tally in days.items() if tally.is_empty]
    if empty:
        BookDay.objects.filter(book=book, day__in=empty).delete()
    kept = sorted((day, tally) for day, tally in days.items() if not tally.is_empty)
    columns: list[list[Any]] = [
        [date.fromordinal(day) for day, _ in kept],
        [int(tally.conversions.sum() + tally.nulls.sum()) for _, tally in kept],
        [int(tally.conversions.sum()) for _, tally in kept],
        [int(tally.minor.sum()) for _, tally in kept],
        [tally.n_paths for _, tally in kept],
        binary_sql.Blobs(pack_tally(tally) for _, tally in kept),
    ]
    if kept:
        binary_sql.execute(_WRITE, [scoping.current_id(), book.pk, revision, *columns])


def within(book: JourneyBook, span: Span) -> QuerySet[BookDay]:
    """The book's days of a period."""
    rows: QuerySet[BookDay] = BookDay.objects.filter(book=book)
    if span.first is not None:
        rows = rows.filter(day__gte=span.first)
    if span.last is not None:
        rows = rows.filter(day__lte=span.last)
    return rows.order_by("day")


def summed(packed: Iterable[bytes]) -> Tally:
    found = [unpack_tally(one) for one in packed]
    return merged(found) if found else EMPTY


@dataclass(frozen=True, eq=False, kw_only=True)
class Summed:
    """Days of a book added up. book: as it was when they were read. daily: as run_figures.daily."""

    tally: Tally
    book: JourneyBook
    daily: list[list[Any]]


def read(book: JourneyBook, span: Span) -> Summed:
    """Add up a period. The codes of paths stand in the book, which is read after the days: it only gains
    codes, unless it was built anew between the two. Raises BookClosed then.
    """
    limits = [span.first or date.min, span.last or date.max]
    rows = binary_sql.rows(_READ, [scoping.current_id(), book.pk, *limits])
    now = JourneyBook.objects.filter(
        pk=book.pk, built_at=book.built_at, state=JourneyBook.State.READY
    ).first()
    if now is None:
        raise BookClosed("The journeys of this workspace are being counted anew. Ask again soon.")
    return Summed(
        tally=summed(counts for *_, counts in rows),
        book=now,
        daily=[[day.isoformat(), number, value] for day, number, value, _ in rows if number],
    )


def counts_of(tally: Tally, book: JourneyBook, table: SourceTable) -> JourneyCounts:
    """A tally of the book's days in the names of the workspace. Raises ValueError for a channel or source
    that is not there any more.
    """
    place = {channel: number for number, channel in enumerate(table.channel_ids.tolist())}
    names = channel_names(table)
    used, codes = np.unique(tally.codes, return_inverse=True)
    steps = [book.steps[step] for step in used.tolist()]
    if gone := [channel for channel, _ in steps if channel not in place]:
        raise ValueError(f"channels {gone} that were counted are not there any more")
    return of_tally(
        replace(tally, codes=codes),
        told=tuple(step_name(names[place[channel]], times) for channel, times in steps),
        channels=names,
        channel_of=np.array([place[channel] for channel, _ in steps], dtype=np.int64),
        labels=table.ids,
        groups=table.groups(),
    )
