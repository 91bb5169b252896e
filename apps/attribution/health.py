"""Whether attribution is fed and working: when something last arrived, what waits, what failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from apps.accounts.models import Job
from apps.attribution import markov_training
from apps.attribution.models import Conversion, ModelRun, Touchpoint

KINDS = "attribution."
# A job that nobody has picked up for this long means that no worker does.
PATIENCE = timedelta(minutes=10)
RECENT = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Health:
    """status: healthy, degraded (see reasons) or idle (nothing was ever tracked).

    last_event_at, last_conversion_at: when the newest occurred. lag_seconds: since the newer of them.
    versions: the newest trained version by order.
    """

    status: str
    reasons: list[str]
    last_event_at: datetime | None
    last_conversion_at: datetime | None
    lag_seconds: float | None
    versions: dict[str, int]
    last_analysis_at: datetime | None
    queued: int
    running: int
    failed_last_day: int


def look(*, now: datetime) -> Health:
    """The state of the workspace's attribution. A handful of index look-ups."""
    event = Touchpoint.objects.aggregate(at=Max("occurred_at"))["at"]
    conversion = Conversion.objects.aggregate(at=Max("occurred_at"))["at"]
    newest = max((at for at in (event, conversion) if at is not None), default=None)
    jobs = Job.objects.filter(kind__startswith=KINDS)
    stuck = jobs.filter(state=Job.State.QUEUED, created_at__lt=now - PATIENCE).count()
    failed = jobs.filter(state=Job.State.FAILED, finished_at__gte=now - RECENT).count()
    reasons = _reasons(stuck, failed)
    return Health(
        status="degraded" if reasons else ("idle" if newest is None else "healthy"),
        reasons=reasons,
        last_event_at=event,
        last_conversion_at=conversion,
        lag_seconds=None if newest is None else (now - newest).total_seconds(),
        versions=_versions(),
        last_analysis_at=_last_analysis(),
        queued=jobs.filter(state=Job.State.QUEUED).count(),
        running=jobs.filter(state=Job.State.RUNNING).count(),
        failed_last_day=failed,
    )


def _reasons(stuck: int, failed: int) -> list[str]:
    minutes = PATIENCE // timedelta(minutes=1)
    found = {
        f"{stuck:,} jobs wait for longer than {minutes} minutes: is a worker running?": stuck,
        f"{failed:,} jobs failed within the last day: see their messages.": failed,
    }
    return [reason for reason, count in found.items() if count]


def _versions() -> dict[str, int]:
    runs = ((order, markov_training.newest(order)) for order in markov_training.ORDERS)
    return {f"markov_{order}": run.version for order, run in runs if run is not None}


def _last_analysis() -> datetime | None:
    done = ModelRun.objects.filter(kind=ModelRun.Kind.ANALYSIS, state=ModelRun.State.DONE)
    return done.order_by("-id").values_list("finished_at", flat=True).first()
