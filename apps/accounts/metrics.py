"""What Prometheus reads at /metrics.

Requests are counted per process: with several web processes set PROMETHEUS_MULTIPROC_DIR to an empty
directory of the deployment, and every process answers with the sum over all of them. What waits in the
database is counted when asked.
"""

import os
from collections.abc import Iterator

from django.db.models import Count
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from apps.accounts import scoping
from apps.accounts.models import Delivery, Job, OutboxEvent

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10)

REQUESTS = Counter("bellwether_requests", "Answered requests.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "bellwether_request_seconds", "Time to answer.", ["route", "method"], buckets=BUCKETS
)
RATE_LIMIT_REFUSALS = Counter(
    "bellwether_rate_limit_refusals", "Requests refused by a rate limit.", ["family", "reason"]
)
REDIS_FALLBACKS = Counter(
    "bellwether_rate_limit_fallbacks", "Requests counted without Redis, and how.", ["family", "outcome"]
)


class Backlog(Collector):
    """What waits in the database, over all workspaces."""

    def collect(self) -> Iterator[Metric]:
        with scoping.across_workspaces("health.read"):
            waiting = OutboxEvent.objects.filter(due_at__isnull=False).count()
            dead = Delivery.objects.filter(state=Delivery.State.DEAD).count()
            by_state = dict(Job.objects.values_list("state").annotate(Count("pk")).order_by())
        yield GaugeMetricFamily("bellwether_events_waiting", "Events not yet delivered.", value=waiting)
        yield GaugeMetricFamily("bellwether_events_dead", "Deliveries that were given up.", value=dead)
        jobs = GaugeMetricFamily("bellwether_jobs", "Jobs by state.", labels=["state"])
        for state in Job.State.values:
            jobs.add_metric([state], by_state.get(state, 0))
        yield jobs


_collectors: list[Collector] = [Backlog()]


def observe(*, route: str, method: str | None, status: int, seconds: float) -> None:
    """Count one answered request. A route, never a path: paths would grow without end and may be personal."""
    method = method if method in METHODS else "other"
    REQUESTS.labels(route, method, status).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)


def collect_also(collector: Collector) -> None:
    """Have what an upper app counts in the database read as well."""
    _collectors.append(collector)


def exposition() -> bytes:
    """Everything, in Prometheus' text format."""
    backlog = CollectorRegistry()
    for collector in _collectors:
        backlog.register(collector)
    return _of_processes() + generate_latest(backlog)


def _of_processes() -> bytes:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call] # the package leaves it untyped
    return generate_latest(together)
