"""Progress of long work: begin, advance, finish, fail; cancelled by a person, resumed after a crash.

A job's work is a function registered under a kind. It runs in a worker, calls `advance` after each batch that
it commits (with a checkpoint of where to go on), and is run again from its checkpoint when its worker died.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Job
from apps.accounts.permissions import Actor
from apps.accounts.tasks_base import workspace_task

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 5
# A running job that has not been heard of for this long has lost its worker.
SILENCE = timedelta(minutes=3)
BEAT_SECONDS = 30.0
UNFINISHED = [Job.State.QUEUED, Job.State.RUNNING]

Work = Callable[[Job], dict[str, Any] | None]
# Why heavy work has to wait, in a sentence; empty when it may start.
Hold = Callable[[datetime], str]
_kinds: dict[str, Work] = {}
_heavy: set[str] = set()
_holds: list[Hold] = []


class Cancelled(Exception):
    """Raised by `advance` inside the work when a person cancelled the job."""


def holds_heavy_work(hold: Hold) -> Hold:
    """Have the function say whether heavy work waits. It is asked before each job of that sort starts."""
    _holds.append(hold)
    return hold


def reason_to_wait(now: datetime) -> str:
    """Why heavy work has to wait, in a sentence; empty when it may start."""
    return next((reason for hold in _holds if (reason := hold(now))), "")


def work(kind: str, *, is_heavy: bool = False) -> Callable[[Work], Work]:
    """Register what a kind of job does. The function gets the job and returns its result.

    is_heavy: it trains or rewrites much, so it starts only when nothing holds heavy work.
    """

    def register(function: Work) -> Work:
        _kinds[kind] = function
        if is_heavy:
            _heavy.add(kind)
        return function

    return register


@transaction.atomic
def begin(actor: Actor, kind: str, *, title: str, params: dict[str, Any], total: int | None = None) -> Job:
    """Queue a job; it starts once this transaction commits."""
    if kind not in _kinds:
        raise KeyError(kind)
    job = Job.objects.create(
        workspace_id=actor.workspace_id,
        kind=kind,
        title=title,
        params=params,
        total=total,
        created_by_id=actor.id if actor.kind == "user" else None,
        beat_at=Now(),
    )
    run.delay_on_commit(workspace_id=actor.workspace_id, job_id=job.pk)
    return job


@workspace_task(name="accounts.jobs.run")
def run(*, job_id: int) -> None:
    """Do a job's work. Delivered twice, it runs once: a job that was heard of lately is somebody else's.

    Heavy work that has to wait stays queued, with the reason; the sweep asks again every few minutes.
    """
    if _has_to_wait(job_id):
        return
    job = _claim(job_id)
    if job is None:
        return
    try:
        with _heard_of(job):
            result = _kinds[job.kind](job)
    except Cancelled:
        _end(job, Job.State.CANCELLED)
    except DomainError as error:
        _end(job, Job.State.FAILED, message=error.detail)
    except SoftTimeLimitExceeded:
        _go_on_later(job)
    except Exception:
        _end(job, Job.State.FAILED, message="Something went wrong on our side. It is logged; try again.")
        raise
    else:
        _end(job, Job.State.DONE, result=result)


@contextmanager
def _heard_of(job: Job) -> Iterator[None]:
    """Say that the job is alive while its work runs, however long one step of it takes."""
    is_over = Event()

    def beat() -> None:
        try:
            while not is_over.wait(BEAT_SECONDS):
                with scoping.workspace(job.workspace_id):
                    Job.objects.filter(pk=job.pk, attempts=job.attempts).update(beat_at=Now())
        except DatabaseError:
            # Silence is the truth then: the sweep decides, and `advance` stops the worker that was overtaken.
            log.warning("job.beat_failed", job_id=job.pk)
        finally:
            connection.close()

    thread = Thread(target=beat, name=f"job-{job.pk}-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def advance(
    job: Job,
    *,
    done: int,
    total: int | None = None,
    message: str = "",
    checkpoint: dict[str, Any] | None = None,
) -> None:
    """Write down how far the work is.

    Call it in the transaction of the batch. Raises Cancelled if a person asked to stop.
    """
    changes: dict[str, Any] = {"done": done, "beat_at": Now(), "message": message[:300]}
    if total is not None:
        changes["total"] = total
    if checkpoint is not None:
        changes["checkpoint"] = checkpoint
    mine = Job.objects.filter(pk=job.pk, attempts=job.attempts)
    if not mine.update(**changes) or mine.filter(is_cancel_asked=True).exists():
        raise Cancelled  # by a person, or because another worker has taken over


def cancel(job: Job) -> None:
    """Ask a job to stop: at once if it has not started, otherwise after its present batch."""
    Job.objects.filter(pk=job.pk, state__in=UNFINISHED).update(is_cancel_asked=True)
    Job.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(state=Job.State.CANCELLED, finished_at=Now())


@shared_task(name="accounts.jobs.sweep")
def sweep() -> int:
    """Start again, from their checkpoints, the jobs whose worker died or whose message was lost."""
    with scoping.across_workspaces("jobs.sweep"):
        silent = Job.objects.filter(state__in=UNFINISHED, beat_at__lt=Now() - SILENCE)
        found = list(silent.values_list("workspace_id", "pk")[:500])
    for workspace_id, job_id in found:
        run.delay(workspace_id=workspace_id, job_id=job_id)
    return len(found)


def _has_to_wait(job_id: int) -> bool:
    queued = Job.objects.filter(pk=job_id, state=Job.State.QUEUED, kind__in=_heavy)
    if not queued.exists() or not (reason := reason_to_wait(timezone.now())):
        return False
    return bool(queued.update(message=reason[:300], beat_at=Now()))


def _claim(job_id: int) -> Job | None:
    mine = Job.objects.filter(pk=job_id, state=Job.State.QUEUED) | Job.objects.filter(
        pk=job_id, state=Job.State.RUNNING, beat_at__lt=Now() - SILENCE
    )
    claimed = mine.update(
        state=Job.State.RUNNING, started_at=Now(), beat_at=Now(), attempts=F("attempts") + 1
    )
    if not claimed:
        return None
    job: Job = Job.objects.get(pk=job_id)
    if job.attempts > MAX_ATTEMPTS:
        _end(
            job,
            Job.State.FAILED,
            message=f"Its worker died {MAX_ATTEMPTS} times. It is logged; it will not start by itself again.",
        )
        return None
    return job


def _go_on_later(job: Job) -> None:
    """Work that was stopped by the task's time limit goes on from its checkpoint, behind what waits."""
    queued = Job.objects.filter(pk=job.pk, attempts=job.attempts)
    if queued.update(state=Job.State.QUEUED, beat_at=Now()):
        run.delay(workspace_id=job.workspace_id, job_id=job.pk)


def _end(job: Job, state: str, *, message: str = "", result: dict[str, Any] | None = None) -> None:
    log.info("job.ended", job_id=job.pk, kind=job.kind, state=state)
    changes: dict[str, Any] = {"state": state, "finished_at": Now(), "message": message[:300]}
    if result is not None:
        changes["result"] = result
    Job.objects.filter(pk=job.pk, attempts=job.attempts).update(**changes)
