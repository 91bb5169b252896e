"""Ask which channels, platforms, campaigns or creatives earned the conversions of a period, under any of the
models.

The answer is stored with the fingerprint of its data: the same question on the same data is read, not
computed. Little work is done at once, much in a job. A workspace too large to be computed at once is answered
from the last run for REUSE seconds, so that a stream of new events does not start a computation for each
reader.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from apps.accounts import jobs
from apps.accounts.figures import count, money
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor
from apps.attribution import costs, fingerprints, journeys, run_figures, runs
from apps.attribution.fingerprints import Census
from apps.attribution.journeys import JourneySet
from apps.attribution.maths.ledger import Ledger, ledger
from apps.attribution.models import ModelRun
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


def ask(actor: Actor, query: Query, *, now: datetime) -> Answer:
    """Answer from the stored run of this question, from a computation done at once, or start a job."""
    workspace: Workspace = Workspace.objects.get()
    last = runs.latest(query)
    if last is not None and _may_be_reused(last, now):
        return _answer(last, query, workspace)
    census = fingerprints.take(query, zone=workspace.zone)
    if last is not None and last.data_fingerprint == census.digest:
        return _answer(last, query, workspace)
    run = runs.find(query, census.digest)
    if run is None and census.touches <= settings.ATTRIBUTION_INLINE_TOUCHES:
        run = compute(query, census, workspace=workspace, now=now)
    if run is not None:
        return _answer(run, query, workspace)
    stale = read(last, query, workspace=workspace) if last else None
    return Answer(result=stale, job=_job_of(actor, query, census), is_current=False)


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
    steps = len(query.models) + 2
    progress(0, steps, "loading touchpoints")
    decimals = exponent(workspace.currency)
    gathered = journeys.of(query, decimals=decimals, expected=census.touches)
    ledgers = []
    for done, model in enumerate(query.models, start=1):
        progress(done, steps, model)
        ledgers.append(_credit(gathered, model, query))
    progress(steps - 1, steps, "paths and costs")
    return runs.keep(
        query,
        workspace=workspace,
        fingerprint=census.digest,
        ledgers=ledgers,
        table=gathered.table,
        costs=costs.by_source(workspace, gathered.table, start=query.start, end=query.end),
        totals=_totals(gathered, workspace),
        figures=run_figures.gather(gathered, query, workspace, decimals=decimals),
        job=job,
        now=now,
    )


@jobs.work(KIND)
def compute_in_job(job: Job) -> dict[str, Any]:
    """Compute a question that was too large to be answered at once. Run twice on the same data, it computes
    once.
    """
    query, workspace = Query.of_params(job.params["query"]), Workspace.objects.get()
    census = fingerprints.take(query, zone=workspace.zone)
    run = runs.find(query, census.digest) or compute(
        query,
        census,
        workspace=workspace,
        now=timezone.now(),
        job=job,
        progress=lambda done, total, step: jobs.advance(job, done=done, total=total, message=step),
    )
    return {"run_id": run.pk, "summary": _summary(run, workspace)}


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
    age = now - (run.finished_at or run.created_at)
    return run.job_id is not None and age < timedelta(seconds=settings.ATTRIBUTION_REUSE_SECONDS)


def _job_of(actor: Actor, query: Query, census: Census) -> Job:
    """The job that is already on this question, or a new one."""
    under_way = Job.objects.filter(kind=KIND, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    same = under_way.filter(params__digest=query.digest, params__query__models__contains=list(query.models))
    return same.first() or jobs.begin(
        actor,
        KIND,
        title=f"Credit {census.conversions:,} conversions over {census.touches:,} touchpoints",
        params={"query": query.as_params(), "digest": query.digest},
        total=len(query.models) + 2,
    )


def _credit(gathered: JourneySet, model: str, query: Query) -> Ledger:
    if not gathered.journeys.conversions.any():
        nothing = np.zeros(len(gathered.table.rows) + 1)
        return Ledger(model=model, conversions=nothing, minor=nothing.astype(np.int64))
    return ledger(
        gathered.journeys,
        model,
        source=gathered.source,
        levels=gathered.table.levels(),
        half_life_days=query.half_life_days,
    )


def _totals(gathered: JourneySet, workspace: Workspace) -> dict[str, Any]:
    return {
        "journeys": gathered.journeys.n_journeys,
        "conversions": int(gathered.journeys.conversions.sum()),
        "revenue": from_minor(int(gathered.minor.sum()), workspace.currency),
    }
