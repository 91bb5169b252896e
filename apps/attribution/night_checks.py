"""Whether what was stored is still there, and whether the books say what the rows say; looked at every night.

The books of the doors cannot see a loss by themselves: one statement writes a row and its count. Here rows
are counted again. A day from before an erasure is left out: its rows may rightly be gone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import structlog
from celery import shared_task
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Erasure, Workspace
from apps.accounts.tasks_base import workspace_task
from apps.attribution import journey_books
from apps.attribution.maths.assembly import MOST_CONVERSIONS, MOST_TOUCHES
from apps.attribution.models import IntakeCount, JourneyBook, NightCheck
from apps.attribution.money import exponent

log = structlog.get_logger(__name__)

DAYS = 7
WINDOW_DAYS = 30
_ROWS = """
    SELECT (received_at AT TIME ZONE 'UTC')::date, count(*) FROM (
        SELECT received_at FROM attribution_touchpoint
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND received_at >= %(since)s
        UNION ALL
        SELECT received_at FROM attribution_conversionrecord
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND received_at >= %(since)s AND kind <> 'copy'
    ) AS stored GROUP BY 1
"""
# On one snapshot: what waits, what the book's days say, what the rows say.
_BOOK = """
    SELECT
        (SELECT count(*) FROM attribution_staleperson WHERE workspace_id = (SELECT %(workspace)s::bigint)
            AND (book_id IS NULL OR book_id = %(book)s)),
        (SELECT (COALESCE(sum(conversions), 0)::bigint, COALESCE(sum(value), 0)::bigint)::text
            FROM attribution_bookday
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND book_id = %(book)s),
        (SELECT (count(*), COALESCE(sum(round(value * %(unit)s)), 0)::bigint)::text
            FROM attribution_conversion
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND is_counted
            AND (%(types)s::text[] = '{}' OR conversion_type = ANY(%(types)s)))
"""
_CROWDED = """
    SELECT count(DISTINCT person_id) FROM (
        SELECT person_id, occurred_at - lag(occurred_at, {most}) OVER (
            PARTITION BY person_id ORDER BY occurred_at) AS span
        FROM {table} WHERE workspace_id = (SELECT %(workspace)s::bigint) AND person_id IN (
            SELECT person_id FROM {table} WHERE workspace_id = (SELECT %(workspace)s::bigint)
            GROUP BY person_id HAVING count(*) > {most})
    ) AS spans WHERE span < make_interval(days => %(window)s)
"""


@shared_task(name="attribution.night_checks.look_everywhere")
def look_everywhere() -> None:
    with scoping.across_workspaces("workspace.list"):
        found = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in found:
        look.delay(workspace_id=workspace_id)


@workspace_task(name="attribution.night_checks.look")
def look(*, now: datetime | None = None) -> NightCheck:
    """Look at the last days and at every book, and keep what was found. Done twice, it says the same."""
    now = now or timezone.now()
    findings = [*_lost(now), *_books_that_differ()]
    for finding in findings:
        log.error("night_check.differs", finding=finding)
    crowded = _crowded("attribution_touchpoint", MOST_TOUCHES)
    crowded += _crowded("attribution_conversion", MOST_CONVERSIONS)
    found, _ = NightCheck.objects.update_or_create(
        workspace_id=scoping.current_id(),
        defaults={"checked_at": now, "findings": findings, "crowded": crowded},
    )
    return found


def last() -> NightCheck | None:
    return NightCheck.objects.first()


def crowded() -> int:
    """Ids that did more than a person does, as of the last look."""
    return NightCheck.objects.values_list("crowded", flat=True).first() or 0


def _lost(now: datetime) -> Iterator[str]:
    """Days whose rows are fewer than were stored."""
    first = now.astimezone(UTC).date() - timedelta(days=DAYS)
    erased = Erasure.objects.order_by("-created_at").values_list("created_at", flat=True).first()
    if erased is not None:
        first = max(first, erased.astimezone(UTC).date() + timedelta(days=1))
    since = datetime.combine(first, time(), tzinfo=UTC)
    with connection.cursor() as cursor:
        # What is counted is read first: what is stored meanwhile is a row more, never one less.
        days = IntakeCount.objects.filter(day__gte=first).values("day").order_by("day")
        counted = list(days.annotate(total=Sum("stored")).values_list("day", "total"))
        cursor.execute(_ROWS, {"workspace": scoping.current_id(), "since": since})
        rows = dict(cursor.fetchall())
    for day, stored in counted:
        if (missing := stored - rows.get(day, 0)) > 0:
            yield f"{missing:,} of the {stored:,} records stored on {day:%d %B %Y} are not there any more."


def _books_that_differ() -> Iterator[str]:
    workspace: Workspace = Workspace.objects.get()
    while journey_books.catch_up():
        pass
    for book in JourneyBook.objects.filter(state=JourneyBook.State.READY):
        lens = journey_books.lens_of(book)
        if lens.counting == "once" or not journey_books.is_current(book, workspace):
            continue
        asked = {
            "workspace": scoping.current_id(),
            "book": book.pk,
            "unit": 10 ** exponent(workspace.currency),
            "types": list(lens.conversion_types),
        }
        with connection.cursor() as cursor:
            cursor.execute(_BOOK, asked)
            waiting, kept, wanted = cursor.fetchone()
        if not waiting and kept != wanted:
            yield (
                f"Journey book {book.pk} holds (conversions, value) {kept} and the rows {wanted}: have it "
                "counted from scratch in the back office."
            )


def _crowded(table: str, most: int) -> int:
    """Ids that came more often within WINDOW_DAYS than a person does."""
    with connection.cursor() as cursor:
        statement = _CROWDED.format(table=table, most=int(most))
        cursor.execute(statement, {"workspace": scoping.current_id(), "window": WINDOW_DAYS})
        return int(cursor.fetchone()[0])
