"""The engine's runs: when they are due, what they read, and what follows from them."""

from datetime import date, datetime, timedelta
from typing import Any

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import events, jobs, scoping
from apps.accounts.models import Job, Workspace
from apps.accounts.permissions import Actor, require
from apps.accounts.tasks_base import workspace_task
from apps.campaigns.events import RunFinished
from apps.campaigns.models import PlanLine, Policy, Run
from apps.campaigns.optimization import (
    analysis,
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

Cadence, State = Run.Cadence, Run.State
JOB = "campaigns.optimization"
LEAST_DAYS = 14
# A run that has not come back by then was lost with its worker.
LOST_AFTER = timedelta(minutes=15)


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
    if outcomes.measure_due(now=now):
        track_record.review(now=now)
    if cadence := due(policies.get(), Workspace.objects.get(), now=now):
        make(cadence, now=now)
    carrying_out.approve_what_policy_allows(now=now)
    carrying_out.carry_out(now=now)


def ask(actor: Actor) -> Job:
    """Have a run made now, in the background; the job's result names it."""
    require(actor, "optimization:write")
    return jobs.begin(actor, JOB, title="Look at all campaigns", params={})


@jobs.work(JOB)
def _asked(job: Job) -> dict[str, Any]:
    run = make(Cadence.ASKED, now=timezone.now(), job=job)
    return {"run": str(run.public_id)}


def due(policy: Policy, workspace: Workspace, *, now: datetime) -> str:
    """The cadence of the run that is due; empty when none is.

    The very first is due as soon as there are figures to learn from.
    """
    local = now.astimezone(workspace.zone)
    today = local.date()
    if not policy.is_on or policy.daily_done_on == today or _is_running(now):
        return ""
    is_first = policy.daily_done_on is None
    if not _has_figures() or (local.hour < policy.daily_at_hour and not is_first):
        return ""
    return Cadence.WEEKLY if _is_week_due(policy, today) else Cadence.DAILY


def _is_week_due(policy: Policy, today: date) -> bool:
    """On its weekday, or later where that day was missed."""
    start = today - timedelta(days=(today.weekday() - policy.weekly_on_weekday) % 7)
    return policy.weekly_done_on is None or policy.weekly_done_on < start


def _is_running(now: datetime) -> bool:
    return bool(Run.objects.filter(state=State.RUNNING, started_at__gt=now - LOST_AFTER).exists())


def _has_figures() -> bool:
    days = AdDay.objects.order_by().values_list("on", flat=True).distinct()[:LEAST_DAYS]
    return len(days) == LEAST_DAYS


def make(cadence: str, *, now: datetime, job: Job | None = None) -> Run:
    """Look at all campaigns, write down the plan and what is proposed, and tell.

    A run that a dead worker left behind is marked as failed. What was proposed is in one transaction with the
    run's end, so a run that dies half-way has proposed nothing.
    """
    Run.objects.filter(state=State.RUNNING, started_at__lte=now - LOST_AFTER).update(
        state=State.FAILED, finished_at=now, note="Its worker died. The next run starts afresh."
    )
    workspace = Workspace.objects.get()
    run: Run = Run.objects.create(
        workspace_id=workspace.pk, cadence=cadence, currency=workspace.currency, started_at=now, job=job
    )
    ledger.ensure_caps(now=now)
    today = now.astimezone(workspace.zone).date()
    found = analysis.analyse(policies.get(), until=today - timedelta(days=1), seed=run.pk)
    _keep(run, found, today=today, now=now)
    return run


@transaction.atomic
def _keep(run: Run, found: Analysis, *, today: date, now: datetime) -> None:
    PlanLine.objects.bulk_create([_line(run, one) for one in found.lines])
    for name, value in found.summary.items():
        setattr(run, name, value)
    run.state, run.finished_at = State.DONE, now
    run.save()
    kept = recommend.keep(run, found.proposals, now=now)
    if run.cadence != Cadence.ASKED:
        done: dict[str, Any] = {"daily_done_on": today}
        if run.cadence == Cadence.WEEKLY:
            done["weekly_done_on"] = today
        Policy.objects.update(**done)
        mail_reports.send(run, kept.made, now=now)
    events.publish(
        RunFinished(
            workspace_id=run.workspace_id, run_id=run.pk, state=str(run.state), proposed=len(kept.made)
        )
    )


def _line(run: Run, one: analysis.Line) -> PlanLine:
    return PlanLine(workspace_id=run.workspace_id, run=run, campaign_id=one.campaign_id, **one.figures())
