"""What keeps journey books up while nobody asks: counting what was tracked, answering again what was asked of
late, and dropping the books that nobody asks.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from celery import shared_task
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.tasks_base import workspace_task
from apps.attribution import analysis, book_questions, fingerprints, journey_books, runs
from apps.attribution.book_days import BookClosed
from apps.attribution.models import JourneyBook, StalePerson
from apps.attribution.questions import Query

# Catch-ups of one task; what is left waits for the next sweep.
ROUNDS = 50
# Questions of a book that are answered again after a change.
ANSWERED = 3
_ALONE = "SELECT pg_try_advisory_lock(hashtextextended('attribution.book_keeping', %s))"
_DONE = "SELECT pg_advisory_unlock(hashtextextended('attribution.book_keeping', %s))"
UNUSED = timedelta(days=30)


@shared_task(name="attribution.journey_books.sweep")
def sweep() -> int:
    """Have a worker count in each workspace where something was tracked."""
    with scoping.across_workspaces("journey_books.sweep"):
        found = list(StalePerson.objects.order_by().values_list("workspace_id", flat=True).distinct()[:1_000])
    for workspace_id in found:
        keep_up.delay(workspace_id=workspace_id)
    return len(found)


@workspace_task(name="attribution.journey_books.keep_up")
def keep_up() -> None:
    """Count what was tracked, then answer again what was asked of late, unless another worker is at that.

    Delivered twice, it counts once; nobody waits for another, so that one workspace takes one worker.
    """
    for _ in range(ROUNDS):
        if not journey_books.catch_up(waits=False):
            break
    if _asked(_ALONE):
        try:
            answer_again(now=timezone.now())
        finally:
            with suppress(DatabaseError):
                _asked(_DONE)


@shared_task(name="attribution.journey_books.drop_unused")
def drop_unused() -> int:
    """Drop the books that nobody has asked for a month."""
    with scoping.across_workspaces("journey_books.sweep"):
        before = timezone.now() - UNUSED
        old = JourneyBook.objects.filter(asked_at__lt=before)
        found = list(old.values_list("workspace_id", "pk")[:1_000])
    for workspace_id, book_id in found:
        with scoping.workspace(workspace_id):
            journey_books.drop(list(JourneyBook.objects.filter(pk=book_id, asked_at__lt=before)))
    return len(found)


def answer_again(*, now: datetime) -> int:
    """Compute the questions of the last day whose data changed, so that a page seldom waits, each at most
    every REUSE seconds. Answers how many.
    """
    workspace: Workspace = Workspace.objects.get()
    return sum(
        _answer_again(query, book, workspace, now=now)
        for book in JourneyBook.objects.filter(state=JourneyBook.State.READY).order_by("pk")
        for query in book_questions.recent(book, now=now, most=ANSWERED)
    )


def _answer_again(query: Query, book: JourneyBook, workspace: Workspace, *, now: datetime) -> bool:
    span = analysis.span_of(query, workspace)
    if span is None or not journey_books.is_current(book, workspace):
        return False
    last = runs.latest(query)
    age = None if last is None or last.finished_at is None else now - last.finished_at
    if age is not None and age < timedelta(seconds=settings.ATTRIBUTION_REUSE_SECONDS):
        return False
    census = fingerprints.of_book(book, span, query, zone=workspace.zone)
    if last is not None and last.data_fingerprint == census.digest:
        return False
    with suppress(BookClosed):
        analysis.compute_from_book(query, census, book, span, workspace=workspace, now=now)
        return True
    return False


def _asked(statement: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [scoping.current_id()])
        return bool(cursor.fetchone()[0])
