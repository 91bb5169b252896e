"""Every minute: read the figures, hold the rules against them, escalate. And what the doors measure of
themselves.
"""

from collections.abc import Iterator
from datetime import timedelta

from celery import shared_task
from django.db.models import Min
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.tasks_base import workspace_task
from apps.integrations import inbound, metrics, services
from apps.integrations.metrics import Reading, gauge
from apps.integrations.models import Call, Connection
from apps.integrations.monitoring import rules, status


@shared_task(name="integrations.monitoring.health.look_all")
def look_all() -> None:
    """Start a look in every workspace."""
    with scoping.across_workspaces("workspace.list"):
        workspaces = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in workspaces:
        look.delay(workspace_id=workspace_id)


@workspace_task(name="integrations.monitoring.health.look")
def look() -> int:
    """Read the figures and hold the rules against them. Returns how many rules hold."""
    metrics.collect()
    return rules.look(now=timezone.now())


@workspace_task(name="integrations.monitoring.health.prune")
def prune() -> int:
    """Forget old figures, and the content of what services sent."""
    now = timezone.now()
    return metrics.prune(now=now) + inbound.forget(now=now)


@shared_task(name="integrations.monitoring.health.prune_all")
def prune_all() -> None:
    """Start forgetting old points in every workspace."""
    with scoping.across_workspaces("workspace.list"):
        workspaces = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in workspaces:
        prune.delay(workspace_id=workspace_id)


@gauge("calls.waiting")
def _waiting() -> Iterator[Reading]:
    yield Reading(Call.objects.filter(due_at__isnull=False).count())


@gauge("calls.dead")
def _dead() -> Iterator[Reading]:
    since = timezone.now() - timedelta(days=1)
    yield Reading(Call.objects.filter(state=Call.State.DEAD, settled_at__gte=since).count())


@gauge("calls.oldest_wait_seconds")
def _oldest() -> Iterator[Reading]:
    now = timezone.now()
    late = Call.objects.filter(due_at__lt=now).aggregate(first=Min("due_at"))["first"]
    yield Reading(0.0 if late is None else (now - late).total_seconds())


@gauge("connections.stopped")
def _stopped() -> Iterator[Reading]:
    states = [Connection.State.NEEDS_SIGN_IN, Connection.State.SWITCHED_OFF]
    yield Reading(Connection.objects.filter(state__in=states).count())


@gauge("connections.least_days_to_sunset")
def _sunset() -> Iterator[Reading]:
    today = timezone.now().date()
    used = set(
        Connection.objects.exclude(state=Connection.State.DISCONNECTED).values_list("service", flat=True)
    )
    days = [left for key in used if (left := services.known(key).days_to_sunset(today)) is not None]
    if days:
        yield Reading(min(days))


@gauge("connections.least_days_to_expiry")
def _expiry() -> Iterator[Reading]:
    """Of sign-ins that do not renew themselves, the one that ends first."""
    now = timezone.now()
    ending = Connection.objects.filter(credentials_expire_at__lt=now + timedelta(days=30))
    days = [left for one in ending if (left := status.days_to_expiry(one, now=now)) is not None]
    if days:
        yield Reading(min(days))


@gauge("calls.budget_burn")
def _burn() -> Iterator[Reading]:
    yield Reading(status.worst_burn(now=timezone.now()))
