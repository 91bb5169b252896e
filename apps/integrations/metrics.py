"""Metrics: observed by any app, kept by minute, five minutes, hour and day with sketches, for 90 days.

What happens often is gathered in the process and written a few times a minute (`observe`, `flush`); what can
be read at any time is registered as a gauge and read once a minute by beat (`gauge`). Longer spans are sums
of shorter ones.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

import structlog
from django.db import Error, IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.integrations.maths.sketch import Sketch
from apps.integrations.models import MetricPoint

log = structlog.get_logger(__name__)

Resolution = MetricPoint.Resolution
KEPT = timedelta(days=90)
# Minutes are many: they are kept for as long as rules and pages look at them.
MINUTES_KEPT = timedelta(days=2)
FLUSH_SECONDS = 10.0
# Spans whose parts may still come in are rolled up again.
LATE = timedelta(minutes=10)
LOCK_SPACE = 0x3E75
PRUNE_BATCH = 10_000


@dataclass(frozen=True)
class Reading:
    """One value of a gauge. labels: "service=meta_ads", or empty."""

    value: float
    labels: str = ""


Gauge = Callable[[], Iterable[Reading]]
Point = tuple[str, str, datetime, Sketch]
_gauges: dict[str, Gauge] = {}
_buffer: dict[tuple[int, str, str, int], Sketch] = {}
_lock = Lock()
_flushed_at = [0.0]


def gauge(name: str) -> Callable[[Gauge], Gauge]:
    """Register a figure that is read once a minute, in the workspace's scope."""

    def register(read: Gauge) -> Gauge:
        if name in _gauges:
            raise ValueError(f"{name} is registered twice")
        _gauges[name] = read
        return read

    return register


def names() -> list[str]:
    """The gauges that there are."""
    return sorted(_gauges)


def labels_of(**labels: str) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def observe(name: str, value: float, *, labels: str = "", now: datetime | None = None) -> None:
    """Count a value in the current workspace; written with the next flush of this process."""
    minute = int((now or timezone.now()).timestamp()) // 60
    with _lock:
        key = (scoping.current_id(), name, labels, minute)
        _buffer.setdefault(key, Sketch()).add(value)
    flush_if_due()


def flush_if_due() -> None:
    """Write what this process has gathered, a few times a minute.

    Never in somebody's transaction: what goes wrong with a figure would take their change with it.
    """
    is_due = bool(_buffer) and time.monotonic() - _flushed_at[0] > FLUSH_SECONDS
    if is_due and not connection.in_atomic_block:
        flush()


def flush() -> None:
    """Write what this process has gathered; also before it ends. What cannot be written now is kept for the
    next time.
    """
    with _lock:
        gathered = dict(_buffer)
        _buffer.clear()
        _flushed_at[0] = time.monotonic()
    by_workspace: dict[int, list[Point]] = {}
    for (workspace_id, name, labels, minute), sketch in gathered.items():
        at = datetime.fromtimestamp(minute * 60, UTC)
        by_workspace.setdefault(workspace_id, []).append((name, labels, at, sketch))
    for workspace_id, points in by_workspace.items():
        try:
            with scoping.workspace(workspace_id):
                _add(points, Resolution.MINUTE)
        except Error as error:
            log.warning("metrics.not_written", error=type(error).__name__, workspace_id=workspace_id)
            if not (isinstance(error, IntegrityError) and _is_gone(workspace_id)):
                _take_back(workspace_id, points)


def _is_gone(workspace_id: int) -> bool:
    """Whether the workspace was deleted: nobody will ever be able to write its figures."""
    with scoping.workspace(workspace_id):
        return not Workspace.objects.exists()


def forget() -> None:
    """Drop what this process has gathered and not written yet."""
    with _lock:
        _buffer.clear()


def collect() -> None:
    """Read every gauge. One that fails is logged and leaves the others alone."""
    now = timezone.now()
    at = now.replace(second=0, microsecond=0)
    points: list[Point] = []
    for name, read in _gauges.items():
        try:
            with transaction.atomic():
                points += [(name, one.labels, at, _sketch_of_one(one.value)) for one in read()]
        except Exception:
            log.exception("metrics.gauge_failed", metric=name)
    _add(points, Resolution.MINUTE)
    flush()
    roll_up(now=now)


def _sketch_of_one(value: float) -> Sketch:
    sketch = Sketch()
    sketch.add(float(value))
    return sketch


def window(name: str, *, labels: str = "", seconds: int, now: datetime) -> tuple[Sketch, float | None]:
    """All values of a metric in the last seconds, and the last minute's mean."""
    since = now - timedelta(seconds=seconds)
    rows = MetricPoint.objects.filter(
        name=name, labels=labels, resolution=Resolution.MINUTE, at__gt=since, at__lte=now
    ).order_by("at")
    whole, last = Sketch(), None
    for row in rows:
        one = sketch_of(row)
        whole.merge(one)
        last = one.mean
    return whole, last


def series(
    name: str, *, labels: str = "", resolution: int, since: datetime, until: datetime
) -> list[MetricPoint]:
    """The points of a metric in [since, until), oldest first."""
    rows = MetricPoint.objects.filter(name=name, labels=labels, resolution=resolution)
    return list(rows.filter(at__gte=since, at__lt=until).order_by("at"))


def sketch_of(row: MetricPoint) -> Sketch:
    return Sketch.of(row.sketch, count=row.count, total=row.total, least=row.least, most=row.most)


@transaction.atomic
def roll_up(*, now: datetime) -> None:
    """Write the longer spans anew from the shorter ones, as far back as late parts may have come."""
    _one_at_a_time()
    for shorter, longer in (
        (Resolution.MINUTE, Resolution.FIVE_MINUTES),
        (Resolution.FIVE_MINUTES, Resolution.HOUR),
        (Resolution.HOUR, Resolution.DAY),
    ):
        _roll_up(shorter, longer, since=_start_of(now - LATE, longer), now=now)


@transaction.atomic
def prune(*, now: datetime) -> int:
    """Forget points that are too old, a batch at a time. Returns how many."""
    old = MetricPoint.objects.filter(at__lt=now - KEPT)
    minutes = MetricPoint.objects.filter(resolution=Resolution.MINUTE, at__lt=now - MINUTES_KEPT)
    gone = 0
    for rows in (old, minutes):
        batch = list(rows.values_list("pk", flat=True)[:PRUNE_BATCH])
        gone += MetricPoint.objects.filter(pk__in=batch).delete()[0]
    return gone


def _roll_up(shorter: int, longer: int, *, since: datetime, now: datetime) -> None:
    spans: dict[tuple[str, str, datetime], Sketch] = {}
    for row in MetricPoint.objects.filter(resolution=shorter, at__gte=since, at__lte=now):
        key = (row.name, row.labels, _start_of(row.at, longer))
        spans.setdefault(key, Sketch()).merge(sketch_of(row))
    rows = [_point(name, labels, at, sketch, longer) for (name, labels, at), sketch in spans.items()]
    MetricPoint.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["workspace", "name", "labels", "resolution", "at"],
        update_fields=["count", "total", "least", "most", "sketch"],
    )


@transaction.atomic
def _add(points: list[Point], resolution: int) -> None:
    """Merge into what is there. One writer of a workspace at a time."""
    if not points:
        return
    _one_at_a_time()
    moments = {at for _, _, at, _ in points}
    known = {
        (row.name, row.labels, row.at): row
        for row in MetricPoint.objects.filter(resolution=resolution, at__in=moments)
    }
    fresh: dict[tuple[str, str, datetime], Sketch] = {}
    changed: dict[MetricPoint, Sketch] = {}
    for name, labels, at, sketch in points:
        key = (name, labels, at)
        row = known.get(key)
        if row is None:
            fresh.setdefault(key, Sketch()).merge(sketch)
        else:
            whole = changed.setdefault(row, sketch_of(row))
            whole.merge(sketch)
    MetricPoint.objects.bulk_create(
        [_point(name, labels, at, sketch, resolution) for (name, labels, at), sketch in fresh.items()]
    )
    for row, whole in changed.items():
        _fill(row, whole)
    MetricPoint.objects.bulk_update(list(changed), ["count", "total", "least", "most", "sketch"])


def _point(name: str, labels: str, at: datetime, sketch: Sketch, resolution: int) -> MetricPoint:
    row = MetricPoint(
        workspace_id=scoping.current_id(), name=name, labels=labels, resolution=resolution, at=at
    )
    _fill(row, sketch)
    return row


def _fill(row: MetricPoint, sketch: Sketch) -> None:
    row.count, row.total, row.least, row.most = sketch.count, sketch.total, sketch.least, sketch.most
    row.sketch = sketch.as_json()


def _start_of(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, scoping.current_id() % 2**31])


def _take_back(workspace_id: int, points: list[Point]) -> None:
    with _lock:
        for name, labels, at, sketch in points:
            key = (workspace_id, name, labels, int(at.timestamp()) // 60)
            _buffer.setdefault(key, Sketch()).merge(sketch)
