"""Records that a system told us of are read again; what one that cannot be asked tells is taken as told."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.tasks_base import workspace_task
from apps.integrations.connectors.crm import nudges
from apps.integrations.connectors.crm.system import Remote
from apps.integrations.models import Connection, SyncNudge, SyncStream
from apps.integrations.sync import streams
from apps.integrations.sync.pull import reread
from apps.integrations.sync.taking import Reading, take

log = structlog.get_logger(__name__)

AT_ONCE = 50
AGAIN_AFTER = timedelta(minutes=1)
# After so many failures the next pull finds it.
MOST_ATTEMPTS = 6


@shared_task(name="integrations.sync.nudged_sweep")
def sweep() -> int:
    """Start again what no worker has read."""
    with scoping.across_workspaces("inbound.sweep"):
        due = SyncNudge.objects.filter(due_at__lte=timezone.now())
        found = list(due.values_list("workspace_id", "connection_id").distinct()[:500])
    for workspace_id, connection_id in found:
        read.delay(workspace_id=workspace_id, connection_id=connection_id)
    return len(found)


@workspace_task(name="integrations.sync.nudged")
def read(*, connection_id: int) -> int:
    """Read again what a connection was nudged about. Returns how many."""
    connection = Connection.objects.get(pk=connection_id)
    if not connection.is_usable:
        return 0
    done = 0
    while taken := _claim(connection_id, now=timezone.now()):
        done += sum(_read(connection, one) for one in taken)
    return done


@transaction.atomic
def _claim(connection_id: int, *, now: datetime) -> Sequence[SyncNudge]:
    due = SyncNudge.objects.filter(connection=connection_id, due_at__lte=now).order_by("due_at", "pk")
    taken = list(due.select_for_update(skip_locked=True)[:AT_ONCE])
    for one in taken:
        one.attempts += 1
        one.due_at = now + AGAIN_AFTER * 2**one.attempts
    SyncNudge.objects.bulk_update(taken, ["attempts", "due_at"])
    return taken


def _read(connection: Connection, nudge: SyncNudge) -> bool:
    """One told again while it was read stays, and is read once more."""
    try:
        stream = streams.of(connection, nudge.entity)
        if not stream.is_paused and stream.direction != SyncStream.Direction.OUT:
            reread(stream, streams.system_of(connection), nudge.external_id, kind="nudged")
    except DomainError as error:
        log.warning("sync.nudge_failed", connection_id=connection.pk, code=error.code)
        SyncNudge.objects.filter(pk=nudge.pk, attempts__gte=MOST_ATTEMPTS).delete()
        return False
    SyncNudge.objects.filter(pk=nudge.pk, nudged_at=nudge.nudged_at).delete()
    return True


def wake(connection: Connection) -> None:
    read.delay_on_commit(workspace_id=connection.workspace_id, connection_id=connection.pk)


def told(connection: Connection, remote: Remote, now: datetime) -> str:
    """Take in what was told, in the open transaction. A paused stream leaves it."""
    stream = streams.of(connection, remote.entity)
    locked = SyncStream.objects.select_for_update(of=("self",)).select_related("connection").get(pk=stream.pk)
    if locked.is_paused or locked.direction == SyncStream.Direction.OUT:
        return "The stream is paused; it was left."
    counts = take(locked, [remote], Reading(kind="told", at=now, now=now))
    if counts["made"]:
        return "A new record."
    return "The record changed." if counts["changed"] else "Nothing new."


nudges.listen(wake=wake, take=told)
