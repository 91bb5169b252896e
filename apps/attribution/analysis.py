"""Ask which channels, platforms, campaigns or creatives earned the conversions of a period, under any of the
models.

The answer is stored with the fingerprint of its data: the same question on the same data is read, not
computed. A large workspace is answered from its journey book, where the question is of whole days and the
usual half-life; then a change costs no more than its own counting. Little work is done at once, much in a
job. While that runs, and for REUSE seconds after a job, readers are given what was computed before.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts import jobs
from apps.accounts.figures import count, money
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import (
    book_building,
    book_days,
    book_questions,
    costs,
    credit_intervals,
    fingerprints,
    journey_books,
    journeys,
    loading,
    night_checks,
    run_figures,
    runs,
    stale_people,
)
from apps.attribution.book_days import BookClosed, Span
from apps.attribution.fingerprints import BookCensus, Census
from apps.attribution.loading import SourceTable
from apps.attribution.maths.counts import JourneyCounts
from apps.attribution.maths.ledger import Ledger, ledger, nothing
from apps.attribution.maths.rules import HALF_LIFE_DAYS
from apps.attribution.models import JourneyBook, ModelRun
from apps.attribution.money import exponent, from_minor
from apps.attribution.questions import Query
from apps.attribution.results import Result, read

KIND = "attribution.analysis"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What there is to show now.

    result: None only when a large workspace is asked for the first time. job: computing a result on the data
    as it is. is_current: the result is of the data as it is (of a large workspace: as it was at most REUSE
    seconds ago).
    """

    result: Result | None
    job: Job | None
    is_current: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Basis:
    """What an answer is computed from, wherever it was counted. daily: as run_figures.daily."""

    counts: JourneyCounts
    table: SourceTable
    touches: int
    daily: list[list[Any]]


def ask(actor: Actor, query: Query, *, now: datetime) -> Answer:
    """Answer from the stored run of this question, from a computation done at once, or start a job.

    No transaction spans it: what is counted on the way is committed before the rest is computed.
    """
    workspace: Workspace = Workspace.objects.get()
    last = runs.latest(query)
    if last is not None and _may_be_reused(last, now):
        return _answer(last, query, workspace)
    span = span_of(query, workspace)
    book = None if span is None else journey_books.ready(query.lens, workspace)
    if book is not None and span is not None:
        answer = _ask_book(actor, query, book, span, last, workspace=workspace, now=now)
        if answer is not None:
            return answer
    census = fingerprints.take(query, zone=workspace.zone)
    if last is not None and last.data_fingerprint == census.digest:
        return _answer(last, query, workspace)
    run = runs.find(query, census.digest)
    if run is None and census.touches <= settings.ATTRIBUTION_INLINE_TOUCHES:
        run = compute(query, census, workspace=workspace, now=now)
    if run is not None:
        return _answer(run, query, workspace)
    title = f"Credit {census.conversions:,} conversions over {census.touches:,} touchpoints"
    return _later(actor, query, last, title, workspace)


def _ask_book(
    actor: Actor,
    query: Query,
    book: JourneyBook,
    span: Span,
    last: ModelRun | None,
    *,
    workspace: Workspace,
    now: datetime,
) -> Answer | None:
    """What was tracked a moment ago is counted first, unless it is much: then a worker is at it. None where
    the book turns out to be wrong.
    """
    journey_books.note_asked(book, now=now)
    book_questions.note(book, query, now=now)
    is_current = _is_little(book)
    if is_current and stale_people.behind(book, most=1):
        journey_books.catch_up()
    if (counted := journey_books.ready(query.lens, workspace)) is None:
        return None
    book = counted
    census = fingerprints.of_book(book, span, query, zone=workspace.zone)
    is_same = last is not None and last.data_fingerprint == census.digest
    run = last if is_same else runs.find(query, census.digest)
    if run is None and census.distinct_paths <= settings.ATTRIBUTION_INLINE_PATHS:
        with suppress(BookClosed):
            run = compute_from_book(query, census, book, span, workspace=workspace, now=now)
    elif run is None and last is not None and _is_young(last, now):
        run = last
    title = f"Credit {census.conversions:,} conversions over {census.journeys:,} journeys"
    if run is not None:
        job = None if is_current else _job_of(actor, query, title)
        return Answer(result=read(run, query, workspace=workspace), job=job, is_current=is_current)
    return _later(actor, query, last, title, workspace)


def _is_little(book: JourneyBook) -> bool:
    """Can what the book has not heard of be counted while somebody waits?"""
    people, rows = settings.ATTRIBUTION_INLINE_PEOPLE, settings.ATTRIBUTION_INLINE_ROWS
    return (
        stale_people.behind(book, most=people + 1) <= people
        and stale_people.rows_behind(book, most=rows + 1) <= rows
    )


def span_of(query: Query, workspace: Workspace) -> Span | None:
    """The days of a question that a journey book can answer; None where it cannot."""
    if query.half_life_days != HALF_LIFE_DAYS:
        return None
    return book_days.span_of(query.start, query.end, workspace.zone)


def compute(
    query: Query,
    census: Census,
    *,
    workspace: Workspace,
    now: datetime,
    job: Job | None = None,
    progress: Progress = lambda done, total, step: None,
) -> ModelRun:
    """Credit the question's conversions under its models, and store the run.

    census: taken before, so that what arrives while this loads makes the next question see other data.
    progress: called with steps done, steps in all, and the name of the step that follows.
    """
    progress(0, len(query.models) + 2, "loading touchpoints")
    decimals = exponent(workspace.currency)
    gathered = journeys.of(query, decimals=decimals, expected=census.touches)
    basis = Basis(
        counts=gathered.counts(half_life_days=query.half_life_days),
        table=gathered.table,
        touches=gathered.touches_read,
        daily=run_figures.daily(query, workspace, decimals=decimals),
    )
    return _keep(query, census.digest, basis, workspace=workspace, now=now, job=job, progress=progress)


def compute_from_book(
    query: Query,
    census: BookCensus,
    book: JourneyBook,
    span: Span,
    *,
    workspace: Workspace,
    now: datetime,
    job: Job | None = None,
    progress: Progress = lambda done, total, step: None,
) -> ModelRun:
    """The same from the days of a book. census: taken before, as above. Raises BookClosed."""
    progress(0, len(query.models) + 2, "adding up days")
    counted = book_days.read(book, span)
    table = loading.sources()
    counts = book_days.counts_of(counted.tally, counted.book, table)
    basis = Basis(counts=counts, table=table, touches=int(counts.touches.sum()), daily=counted.daily)
    return _keep(query, census.digest, basis, workspace=workspace, now=now, job=job, progress=progress)


@jobs.work(KIND)
def compute_in_job(job: Job) -> dict[str, Any]:
    """Compute a question that was too large to be answered at once. Run twice on the same data, it computes
    once.
    """
    query, workspace = Query.of_params(job.params["query"]), Workspace.objects.get()

    def progress(done: int, total: int, step: str) -> None:
        jobs.advance(job, done=done, total=total, message=step)

    span = span_of(query, workspace)
    if span is None:
        census = fingerprints.take(query, zone=workspace.zone)
        run = runs.find(query, census.digest) or compute(
            query, census, workspace=workspace, now=timezone.now(), job=job, progress=progress
        )
    else:
        run = _from_book_in_job(query, span, job, workspace, progress)
    return {"run_id": run.pk, "summary": _summary(run, workspace)}


def _from_book_in_job(
    query: Query, span: Span, job: Job, workspace: Workspace, progress: Progress
) -> ModelRun:
    now = timezone.now()
    book = journey_books.open_(query.lens, workspace=workspace, now=now)
    book = book_building.build(
        book, now=now, progress=lambda done: progress(done, 100, "counting journeys by day")
    )
    while journey_books.catch_up():
        progress(99, 100, "counting what was tracked meanwhile")
    book_questions.note(book, query, now=now)
    census = fingerprints.of_book(book, span, query, zone=workspace.zone)
    return runs.find(query, census.digest) or compute_from_book(
        query, census, book, span, workspace=workspace, now=now, job=job, progress=progress
    )


def of_job(job: Job) -> Result | None:
    """The result that a finished job computed; None when it has been superseded for a day."""
    run = ModelRun.objects.filter(pk=(job.result or {}).get("run_id")).first()
    if run is None:
        return None
    return read(run, Query.of_params(job.params["query"]), workspace=Workspace.objects.get())


def _summary(run: ModelRun, workspace: Workspace) -> str:
    credited = f"{money(run.revenue, workspace.currency)} from {count(run.conversions or 0, 'conversion')}"
    return f"Credited {credited} over {count(run.journeys or 0, 'journey')}."


def _answer(run: ModelRun, query: Query, workspace: Workspace) -> Answer:
    return Answer(result=read(run, query, workspace=workspace), job=None, is_current=True)


def _may_be_reused(run: ModelRun, now: datetime) -> bool:
    """A run that a job computed is large; a lesser one costs less than doubting it."""
    return run.job_id is not None and _is_young(run, now)


def _is_young(run: ModelRun, now: datetime) -> bool:
    age = now - (run.finished_at or run.created_at)
    return age < timedelta(seconds=settings.ATTRIBUTION_REUSE_SECONDS)


def _later(actor: Actor, query: Query, last: ModelRun | None, title: str, workspace: Workspace) -> Answer:
    """What was computed before, while a job is on the question."""
    stale = read(last, query, workspace=workspace) if last else None
    return Answer(result=stale, job=_job_of(actor, query, title), is_current=False)


def _job_of(actor: Actor, query: Query, title: str) -> Job:
    """The job that is already on this question, or a new one."""
    under_way = Job.objects.filter(kind=KIND, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    same = under_way.filter(params__digest=query.digest, params__query__models__contains=list(query.models))
    return same.first() or jobs.begin(
        actor,
        KIND,
        title=title,
        params={"query": query.as_params(), "digest": query.digest},
        total=len(query.models) + 2,
    )


def _keep(
    query: Query,
    fingerprint: str,
    basis: Basis,
    *,
    workspace: Workspace,
    now: datetime,
    job: Job | None,
    progress: Progress,
) -> ModelRun:
    steps, ledgers = len(query.models) + 2, []
    for done, model in enumerate(query.models, start=1):
        progress(done, steps, model)
        ledgers.append(_credit(basis.counts, model, basis.table))
    progress(steps - 1, steps, "paths and costs")
    sure = credit_intervals.measured(basis.counts, query, basis.table, currency=workspace.currency)
    figures = run_figures.gather(
        basis.counts,
        basis.table,
        touches=basis.touches,
        daily=basis.daily,
        before=run_figures.before(query, workspace),
        crowded=night_checks.crowded(),
    )
    with transaction.atomic():
        run = runs.keep(
            query,
            workspace=workspace,
            fingerprint=fingerprint,
            ledgers=ledgers,
            table=basis.table,
            costs=costs.by_source(workspace, basis.table, start=query.start, end=query.end),
            totals=_totals(basis.counts, workspace),
            figures=figures,
            job=job,
            now=now,
        )
        credit_intervals.keep(run, sure)
    return run


def _credit(counts: JourneyCounts, model: str, table: SourceTable) -> Ledger:
    levels = table.levels()
    return ledger(counts, model, levels=levels) if counts.conversions else nothing(model, levels=levels)


def _totals(counts: JourneyCounts, workspace: Workspace) -> dict[str, Any]:
    return {
        "journeys": counts.n_journeys,
        "conversions": counts.conversions,
        "revenue": from_minor(counts.minor, workspace.currency),
    }
