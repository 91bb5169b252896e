"""Whether an alert would get through: once a day each channel is sent a test and told that it is over; and a
dead man's switch outside, which speaks up when we no longer do.

Channels that cost money and wake people (SMS, telephone) are asked whether they would work, and call nobody.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.tasks_base import workspace_task
from apps.integrations import http, outbox
from apps.integrations.models import AlertRule, Call, Connection
from apps.integrations.monitoring import alert_channels
from apps.integrations.resilience.lanes import Lane

log = structlog.get_logger(__name__)

PREFIX = "self-test:"
# The trigger has this long to arrive before it is taken back.
RESOLVED_AFTER = timedelta(minutes=1)
PING_TIMEOUT_SECONDS = 10.0
# Rules are looked at each minute; after this without a look the switch is let go.
SILENT_AFTER = timedelta(minutes=5)
SHOWN = timedelta(days=7)


@dataclass(frozen=True)
class Proof:
    """The last self-test of a channel. said: why it failed, or that it waits."""

    at: datetime
    is_good: bool
    is_over: bool
    said: str


@shared_task(name="integrations.monitoring.self_test.run_all")
def run_all() -> None:
    """Start the day's test in every workspace."""
    with scoping.across_workspaces("workspace.list"):
        workspaces = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in workspaces:
        run.delay(workspace_id=workspace_id)


@workspace_task(name="integrations.monitoring.self_test.run")
@transaction.atomic
def run() -> int:
    """Test every channel that is connected; once a day, however often it is started. Returns how many."""
    now = timezone.now()
    channels = [one for one in alert_channels.connections() if one.is_usable]
    for connection in channels:
        _test(connection, now=now)
    return len(channels)


def _test(connection: Connection, *, now: datetime) -> None:
    day = now.date().isoformat()
    key = f"mg:self-test-{connection.public_id}-{day}"
    for deed, due_at in (("trigger", now), ("resolve", now + RESOLVED_AFTER)):
        outbox.enqueue(
            connection,
            alert_channels.OPERATION,
            alert_channels.test_payload(deed, key=key, now=now),
            dedup_key=f"{PREFIX}{day}:{deed}",
            lane=Lane.CRITICAL,
            now=now,
            due_at=due_at,
        )


def proofs() -> dict[int, Proof]:
    """Connection → the last test that came to an end there or is under way."""
    tests = Call.objects.filter(operation=alert_channels.OPERATION, dedup_key__startswith=PREFIX)
    found: dict[int, list[Call]] = {}
    for call in tests.filter(created_at__gte=timezone.now() - SHOWN).order_by("-dedup_key"):
        same_day = found.setdefault(call.connection_id, [])
        if not same_day or _day(call) == _day(same_day[0]):
            same_day.append(call)
    return {connection_id: _proof(calls) for connection_id, calls in found.items()}


def _day(call: Call) -> str:
    return str(call.dedup_key).removeprefix(PREFIX).partition(":")[0]


def _proof(calls: list[Call]) -> Proof:
    """Both steps of a day: good when both are done."""
    bad = next((one for one in calls if one.state != Call.State.DONE), None)
    last = max(one.settled_at or one.created_at for one in calls)
    said = "" if bad is None else bad.last_reason or f"It is {bad.get_state_display()}."
    return Proof(last, bad is None, bad is None or bad.state in Call.TERMINAL, said)


@shared_task(name="integrations.monitoring.self_test.ping")
def ping() -> bool:
    """Tell the switch outside that rules are looked at. It is not told where nobody looks."""
    url = settings.DEAD_MAN_URL
    if not url or not _is_looking(timezone.now()):
        return False
    try:
        answer = http.send(http.Request(method="GET", url=url), timeout_seconds=PING_TIMEOUT_SECONDS)
    except http.Failed as error:
        log.warning("dead_man.not_told", error=type(error).__name__)
        return False
    return answer.status < 400


def _is_looking(now: datetime) -> bool:
    with scoping.across_workspaces("health.read"):
        looked_at = AlertRule.objects.aggregate(last=Max("looked_at"))["last"]
    return looked_at is not None and now - looked_at < SILENT_AFTER
