"""The engine at work: what it does now, what it did, when it looks again, and whether it is stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from apps.accounts.models import Job, Workspace
from apps.campaigns.models import Change, Policy, Recommendation, Run
from apps.campaigns.optimization import policies, runs

State = Recommendation.State
MOST_SHOWN = 20
LATEST = 5
FRESH = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Switch:
    """The kill switch, and what is on its way at this moment: the first of them, and how many in all."""

    policy: Policy
    on_the_way: Sequence[Change]
    count: int

    @property
    def is_stopped(self) -> bool:
        return self.policy.stopped_at is not None

    @property
    def more(self) -> int:
        return self.count - len(self.on_the_way)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """job: the look at all campaigns that is under way; failed: the last one, where it did not end well.
    waiting: approved changes that have not left; leaves_soon: whether one was approved a moment ago.
    next_run_at: None while nothing is planned.
    """

    switch: Switch
    job: Job | None
    failed: Job | None
    waiting: int
    leaves_soon: bool
    runs: Sequence[Run]
    next_run_at: datetime | None
    now: datetime

    @property
    def has_news(self) -> bool:
        """Whether a run has just ended: whoever looked on while it ran sees the plan before it."""
        return bool(self.runs) and not self.job and self.runs[0].finished_at > self.now - FRESH

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way that somebody who looks on would see move. What waits for its hour,
        or for a lost answer, does not move while one looks.
        """
        is_sending = any(change.state == Change.State.SENT for change in self.switch.on_the_way)
        return bool(self.job) or is_sending or (self.leaves_soon and not self.switch.is_stopped)


def switch() -> Switch:
    policy = policies.get()
    rows = Change.objects.filter(state__in=Change.OPEN)
    shown = rows.select_related("recommendation", "campaign__connection").order_by("-pk")[: MOST_SHOWN + 1]
    found = list(shown)
    count = len(found) if len(found) <= MOST_SHOWN else rows.count()
    return Switch(policy=policy, on_the_way=found[:MOST_SHOWN], count=count)


def read(*, now: datetime, latest: int = LATEST) -> Engine:
    seen, workspace = switch(), Workspace.objects.get()
    approved = Recommendation.objects.filter(state=State.APPROVED)
    decided = list(approved.order_by().values_list("decided_at", flat=True))
    job = Job.objects.filter(kind=runs.JOB).order_by("-pk").first()
    return Engine(
        switch=seen,
        job=job if job is not None and not job.is_over else None,
        failed=job if job is not None and job.state == Job.State.FAILED else None,
        waiting=len(decided),
        leaves_soon=any(at is not None and at > now - FRESH for at in decided),
        runs=list(Run.objects.order_by("-pk")[:latest]),
        next_run_at=next_run_at(seen.policy, workspace, now=now),
        now=now,
    )


def next_run_at(policy: Policy, workspace: Workspace, *, now: datetime) -> datetime | None:
    """When the schedule looks at the campaigns again; None while it is off, or waits for first figures."""
    if not policy.is_on or policy.daily_done_on is None:
        return None
    local = now.astimezone(workspace.zone)
    is_done_today = policy.daily_done_on >= local.date()
    day = local.date() + timedelta(days=1 if is_done_today else 0)
    return max(now, datetime.combine(day, time(policy.daily_at_hour), workspace.zone))
