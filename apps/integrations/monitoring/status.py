"""How every service does: now, in the last day and in thirty, against its objective; and what will go wrong
before it does.

An hour counts as down when fewer than nine of ten calls in it succeeded; uptime is the share of hours with
calls that were not. The error budget is what the objective allows to fail (maths/error_budget.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from apps.accounts import figures
from apps.integrations import metrics, reports, sealed_json, services
from apps.integrations.maths import error_budget
from apps.integrations.maths.error_budget import FAST, SLOW, Window
from apps.integrations.maths.sketch import Sketch
from apps.integrations.models import Connection, MetricPoint
from apps.integrations.monitoring import alert_channels, self_test
from apps.integrations.monitoring.self_test import Proof
from apps.integrations.reports import Standing
from apps.integrations.services import Family, Service

Resolution = MetricPoint.Resolution
DAY, MONTH = timedelta(days=1), timedelta(days=30)
DOWN_BELOW = 0.9
SOON_DAYS = 14
SOON_HOURS = 72
MUCH_OF_A_QUOTA = 0.8
Point = tuple[datetime, int, float]


@dataclass(frozen=True)
class Span:
    """calls: tries, also those that failed. success: their share, None without calls. p95: in seconds, to the
    millisecond: a sketch knows no better.
    """

    calls: int
    success: float | None
    p95: float | None


@dataclass(frozen=True)
class Proven:
    """An alert channel and its last self-test; None before the first."""

    label: str
    proof: Proof | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """trouble: what a person should know now. ahead: what will need one. burn: how many times faster than
    allowed the error budget was used in the last hour and in six.
    """

    service: Service
    standings: list[Standing]
    trouble: str
    day: Span
    month: Span
    uptime: float | None
    objective: float
    burn_hour: float
    burn_six_hours: float
    is_burning: bool
    spent: float
    hours_left: float | None
    ahead: list[str] = field(default_factory=list)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing stands against it, and nothing speaks for it."""
        return not self.trouble and all(one.is_unknown for one in self.standings)

    @property
    def meets_objective(self) -> bool | None:
        return None if self.month.success is None else self.month.success >= self.objective


def statuses(*, now: datetime) -> list[Status]:
    """Every service that is connected, those in trouble first."""
    by_service: dict[str, list[Standing]] = {}
    for one in reports.standings(now=now):
        by_service.setdefault(one.service.key, []).append(one)
    hours = _points("calls.success", Resolution.HOUR, since=now - MONTH)
    minutes = _points("calls.success", Resolution.MINUTE, since=now - timedelta(hours=SLOW[0]))
    times = {
        span: _times(resolution, since=now - span)
        for span, resolution in ((DAY, Resolution.HOUR), (MONTH, Resolution.DAY))
    }
    found = [
        _status(
            services.known(key),
            standings,
            hours.get(key, []),
            minutes.get(key, []),
            {span: times[span].get(key) for span in times},
            now=now,
        )
        for key, standings in by_service.items()
    ]
    return sorted(found, key=lambda one: (not one.trouble, not one.ahead, one.service.name))


def proven() -> list[Proven]:
    """Every alert channel with its last self-test, those that failed first."""
    known = self_test.proofs()
    keys = alert_channels.service_keys()
    channels = Connection.objects.filter(service__in=keys).exclude(state=Connection.State.DISCONNECTED)
    found = [Proven(one.label, known.get(one.pk)) for one in channels.order_by("label", "pk")]
    return sorted(found, key=lambda one: one.proof is not None and one.proof.is_good)


def days_to_expiry(connection: Connection, *, now: datetime) -> float | None:
    """Days until a sign-in ends that does not renew itself; None where it does, or does not end."""
    ends_at = connection.credentials_expire_at
    if ends_at is None or not connection.is_usable:
        return None
    renews = bool((sealed_json.get(connection, "credentials_sealed") or {}).get("refresh_token"))
    if renews and connection.refresh_failing_since is None:
        return None
    return (ends_at - now) / DAY


def worst_burn(*, now: datetime) -> float:
    """The fastest use of an error budget that both windows of a pair confirm; 0 when none does."""
    since = now - timedelta(hours=SLOW[0])
    by_service = _points("calls.success", Resolution.MINUTE, since=since)
    return max((_confirmed(points, now=now) for points in by_service.values()), default=0.0)


def _status(
    service: Service,
    standings: list[Standing],
    hours: list[Point],
    minutes: list[Point],
    times: dict[timedelta, Sketch | None],
    *,
    now: datetime,
) -> Status:
    objective = settings.INTEGRATION_OBJECTIVE
    month = _window(hours, since=now - MONTH)
    spent = month.burn(objective)
    burn = _window(minutes, since=now - timedelta(hours=SLOW[0])).burn(objective)
    left = error_budget.hours_left(spent, burn) if month.calls else None
    return Status(
        service=service,
        standings=standings,
        trouble=next((one.trouble for one in standings if one.trouble), ""),
        day=_span(_window(hours, since=now - DAY), times[DAY]),
        month=_span(month, times[MONTH]),
        uptime=_uptime(hours),
        objective=objective,
        burn_hour=_window(minutes, since=now - timedelta(hours=FAST[0])).burn(objective),
        burn_six_hours=burn,
        is_burning=_confirmed(minutes, now=now) > 0,
        spent=spent,
        hours_left=left,
        ahead=_ahead(service, standings, left, now=now),
    )


def _ahead(
    service: Service, standings: list[Standing], hours_left: float | None, *, now: datetime
) -> list[str]:
    told = []
    if hours_left is not None and hours_left < SOON_HOURS:
        in_time = f" in {figures.duration(hours_left * 3_600)} at this pace" if hours_left else ""
        told.append(f"What may fail in 30 days has failed{in_time}.")
    for one in standings:
        days = days_to_expiry(one.connection, now=now)
        if days is not None and days < SOON_DAYS:
            told.append(f"{one.connection.label}: its sign-in ends {figures.ago(now + days * DAY, now=now)}.")
        if one.sunset_days is not None and one.sunset_days < reports.SUNSET_WARNING_DAYS:
            told.append(f"This version of its interface ends in {figures.count(one.sunset_days, 'day')}.")
    share = _quota(now) if service.family == Family.LLM else 0.0
    if share >= MUCH_OF_A_QUOTA:
        told.append(f"{figures.percent(share, 0)} of today's tokens are used.")
    return list(dict.fromkeys(told))


def _quota(now: datetime) -> float:
    _, last = metrics.window("llm.tokens_share", seconds=300, now=now)
    return last or 0.0


def _points(name: str, resolution: int, *, since: datetime) -> dict[str, list[Point]]:
    """Service → (moment, count, total) of its points."""
    rows = MetricPoint.objects.filter(
        name=name, resolution=resolution, at__gt=since, labels__startswith="service="
    )
    found: dict[str, list[Point]] = {}
    for labels, at, count, total in rows.values_list("labels", "at", "count", "total"):
        found.setdefault(labels.removeprefix("service="), []).append((at, count, total))
    return found


def _times(resolution: int, *, since: datetime) -> dict[str, Sketch]:
    rows = MetricPoint.objects.filter(
        name="calls.seconds", resolution=resolution, at__gt=since, labels__startswith="service="
    )
    found: dict[str, Sketch] = {}
    for row in rows:
        found.setdefault(row.labels.removeprefix("service="), Sketch()).merge(metrics.sketch_of(row))
    return found


def _window(points: Iterable[Point], *, since: datetime) -> Window:
    inside = [(count, total) for at, count, total in points if at > since]
    calls = sum(count for count, _ in inside)
    return Window(calls, calls - round(sum(total for _, total in inside)))


def _span(window: Window, times: Sketch | None) -> Span:
    success = 1 - window.failures / window.calls if window.calls else None
    slow = times.quantile(0.95) if times else None
    return Span(window.calls, success, None if slow is None else round(slow, 3))


def _uptime(hours: list[Point]) -> float | None:
    up = [total / count >= DOWN_BELOW for _, count, total in hours if count]
    return sum(up) / len(up) if up else None


def _confirmed(minutes: list[Point], *, now: datetime) -> float:
    """The burn rate of the longer window of a pair that burns."""
    objective = settings.INTEGRATION_OBJECTIVE
    burns = [0.0]
    for long_hours, short_hours, rate in (FAST, SLOW):
        long = _window(minutes, since=now - timedelta(hours=long_hours))
        short = _window(minutes, since=now - timedelta(hours=short_hours))
        if error_budget.is_burning(long, short, objective=objective, rate=rate):
            burns.append(long.burn(objective))
    return max(burns)
