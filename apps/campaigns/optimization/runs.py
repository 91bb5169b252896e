"""The engine's runs: when they are due, what they read, and what follows from them."""

from datetime import date, datetime, timedelta
from typing import Any

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import events, jobs, scoping
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor, require, system
from apps.accounts.tasks_base import workspace_task
from apps.campaigns.events import RunFinished
from apps.campaigns.models import PlanLine, Policy, Run, RunForecast
from apps.campaigns.optimization import (
    analysis,
    budget_tests,
    carrying_out,
    decisions,
    execute,
    ledger,
    mail_reports,
    outcomes,
    policies,
    recommend,
    track_record,
)
from apps.campaigns.optimization.analysis import Analysis
from apps.integrations import services
from apps.integrations.models import AdDay, Connection
from apps.integrations.services import Family

log = structlog.get_logger(__name__)

Cadence = Run.Cadence
JOB = "campaigns.optimization"
LEAST_DAYS = 14
# After a run that failed the schedule waits so long before it tries again.
TRIES_AGAIN_AFTER = timedelta(hours=1)


@shared_task(name="campaigns.optimization.sweep")
def sweep() -> int:
    """Start a tick in each workspace that has an ad account."""
    keys = [one.key for one in services.of_family(Family.ADS)]
    with scoping.across_workspaces("optimization.sweep"):
        rows = Connection.objects.filter(service__in=keys)
        found = list(rows.order_by().values_list("workspace_id", flat=True).distinct())
    for workspace_id in found:
        tick.delay(workspace_id=workspace_id)
    return len(found)


@workspace_task(name="campaigns.optimization.tick")
def tick() -> None:
    """Everything that the clock brings: settle, measure, expire, run what is due, carry out what may be."""
    now = timezone.now()
    execute.reconcile(now=now)
    decisions.expire(now=now)
    budget_tests.advance(now=now)
    if outcomes.measure_due(now=now):
        track_record.review(now=now)
    workspace = Workspace.objects.get()
    _begin_due(workspace, now=now)
    carrying_out.approve_what_policy_allows(now=now)
    carrying_out.carry_out(now=now)


@transaction.atomic
def _begin_due(workspace: Workspace, *, now: datetime) -> None:
    """Looked at under the policy's lock: of two ticks at once the second sees what the first began."""
    if cadence := due(policies.locked(), workspace, now=now):
        _begin(system(workspace.pk), cadence)


def ask(actor: Actor) -> Job:
    """Have a run made now, in the background; the job's result names it."""
    require(actor, "optimization:write")
    return _begin(actor, Cadence.ASKED)


@transaction.atomic
def _begin(actor: Actor, cadence: str) -> Job:
    """One at a time: whoever asks while one is under way gets that one."""
    policies.locked()
    title = "Look at all campaigns"
    return working() or jobs.begin(actor, JOB, title=title, params={"cadence": str(cadence)})


def working() -> Job | None:
    """The run that is under way."""
    found: Job | None = Job.objects.filter(kind=JOB, state__in=jobs.UNFINISHED).order_by("-pk").first()
    return found


@jobs.work(JOB)
def _work(job: Job) -> dict[str, Any]:
    """Once: a worker may have died between the run and the end of its job."""
    run = Run.objects.filter(job=job).first() or make(job.params["cadence"], now=timezone.now(), job=job)
    return {"run": str(run.public_id)}


def due(policy: Policy, workspace: Workspace, *, now: datetime) -> str:
    """The cadence of the run that is due; empty when none is.

    The very first is due as soon as there are figures to learn from.
    """
    local = now.astimezone(workspace.zone)
    today = local.date()
    if not policy.is_on or policy.daily_done_on == today or _is_tried(now):
        return ""
    is_first = policy.daily_done_on is None
    if not _has_figures() or (local.hour < policy.daily_at_hour and not is_first):
        return ""
    return Cadence.WEEKLY if _is_week_due(policy, today) else Cadence.DAILY


def _is_week_due(policy: Policy, today: date) -> bool:
    """On its weekday, or later where that day was missed."""
    start = today - timedelta(days=(today.weekday() - policy.weekly_on_weekday) % 7)
    return policy.weekly_done_on is None or policy.weekly_done_on < start


def _is_tried(now: datetime) -> bool:
    """Whether one is under way, or failed a moment ago."""
    failed = Job.objects.filter(kind=JOB, state=Job.State.FAILED, created_at__gt=now - TRIES_AGAIN_AFTER)
    return working() is not None or bool(failed.exists())


def _has_figures() -> bool:
    days = AdDay.objects.order_by().values_list("on", flat=True).distinct()[:LEAST_DAYS]
    return len(days) == LEAST_DAYS


def make(cadence: str, *, now: datetime, job: Job | None = None) -> Run:
    """Look at all campaigns, write down the plan and what is proposed, and tell.

    All in one transaction, so that a run which dies half-way has left nothing.
    """
    workspace, policy = Workspace.objects.get(), policies.get()
    ledger.ensure_caps(now=now)
    today = now.astimezone(workspace.zone).date()
    found = analysis.analyse(
        policy, until=today - timedelta(days=1), seed=policy.pk, zone=workspace.zone, now=now
    )
    run = Run(workspace=workspace, cadence=cadence, currency=workspace.currency, started_at=now, job=job)
    _keep(run, found, today=today, now=now)
    return run


@transaction.atomic
def _keep(run: Run, found: Analysis, *, today: date, now: datetime) -> None:
    for name, value in found.summary.items():
        setattr(run, name, value)
    run.finished_at = now
    run.save()
    PlanLine.objects.bulk_create([_line(run, one) for one in found.lines])
    RunForecast.objects.bulk_create(
        RunForecast(workspace_id=run.workspace_id, run=run, **one) for one in found.forecasts
    )
    kept = recommend.keep(run, found.proposals, now=now)
    if run.cadence != Cadence.ASKED:
        done: dict[str, Any] = {"daily_done_on": today}
        if run.cadence == Cadence.WEEKLY:
            done["weekly_done_on"] = today
        Policy.objects.update(**done)
        mail_reports.send(run, kept.made, now=now)
    events.publish(RunFinished(workspace_id=run.workspace_id, run_id=run.pk, proposed=len(kept.made)))


def _line(run: Run, one: analysis.Line) -> PlanLine:
    return PlanLine(workspace_id=run.workspace_id, run=run, campaign_id=one.campaign_id, **one.figures())
