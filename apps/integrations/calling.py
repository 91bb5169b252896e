"""The policy of this process, and what is told of each call: figures, the log, the audit of early calls."""

from functools import cache

import structlog
from django.conf import settings
from django.utils import timezone
from prometheus_client import Counter, Histogram

from apps.accounts import audit, scoping
from apps.accounts.permissions import system
from apps.accounts.redis_link import link
from apps.integrations import answers, leases, metrics
from apps.integrations.resilience.memory_store import MemoryStore
from apps.integrations.resilience.outcomes import Health, Outcome
from apps.integrations.resilience.policy import Answer, Operation, Policy
from apps.integrations.resilience.redis_store import RedisStore

log = structlog.get_logger(__name__)

CALLS = Counter("bellwether_calls", "Tries to call a service.", ["service", "kind", "outcome"])
SECONDS = Histogram(
    "bellwether_call_seconds",
    "Time of a try.",
    ["service", "kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
EARLY = Counter("bellwether_calls_early", "Calls of the critical lane through an open breaker.", ["service"])


class Watch:
    """What the policy tells."""

    def tried(self, operation: Operation, outcome: Outcome, seconds: float) -> None:
        CALLS.labels(operation.service, operation.kind, outcome.kind).inc()
        SECONDS.labels(operation.service, operation.kind).observe(seconds)
        labels = metrics.labels_of(service=operation.service)
        metrics.observe("calls.seconds", seconds, labels=labels)
        for of in ("", labels):
            metrics.observe("calls.success", float(outcome.handling.health != Health.ILL), labels=of)

    def ended(self, operation: Operation, answer: Answer) -> None:
        outcome = answer.outcome
        told = {"service": operation.service, "operation": operation.name, "account": operation.account}
        if outcome.is_good:
            answers.note(operation.account, at=timezone.now())
        else:
            log.warning(
                "call.failed",
                **told,
                outcome=outcome.kind.value,
                status=outcome.status,
                reason=outcome.reason,
                tries=answer.tries,
                trace=outcome.trace,
            )
        if answer.is_early:
            EARLY.labels(operation.service).inc()
            audit.record(
                system(scoping.current_id()),
                "call.went_early",
                now=timezone.now(),
                after={**told, "outcome": outcome.kind.value},
                reason="What cannot wait may ask a service that fails at the moment, once in a while.",
            )


@cache
def _policy(redis_url: str) -> Policy:
    return Policy(
        shared=RedisStore(link()),
        alone=MemoryStore(),
        watch=Watch(),
        share=1 / max(1, settings.CALLING_PROCESSES),
        ready=leases.outlast,
    )


def policy() -> Policy:
    """The policy over settings.REDIS_URL, one per process."""
    return _policy(settings.REDIS_URL)


def reset() -> None:
    """Forget what this process counts by itself."""
    _policy.cache_clear()
    metrics.forget()
