"""What services tell us by themselves: verified on the raw body, stored as it came, and worked on after.

The answer to the service says only that it is stored. The same event again, or a token that was used before,
is answered alike and changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.tasks_base import workspace_task
from apps.integrations import sealed_json
from apps.integrations.models import Connection, InboundRecord

log = structlog.get_logger(__name__)

KEPT = timedelta(days=30)
LEASE = timedelta(seconds=120)
# Seconds after each failure; then a person has to look.
SCHEDULE = (30, 300, 1_800, 7_200, 18_000)
AT_ONCE = 500
KEPT_HEADERS = ("content-type", "user-agent")
State = InboundRecord.State

sealed_json.seals("integrations_inboundrecord")


class NotReadable(DomainError):
    """What it means cannot be found out at the moment."""

    code = "not_readable"
    status = 503


class NobodyThere(DomainError):
    """No service listens at this address. The same answer for what is forged."""

    code = "not_found"
    status = 404


Verify = Callable[[Mapping[str, Any], Mapping[str, str], bytes, datetime], str]
Work = Callable[[Connection, bytes], str]


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """How what a service tells is taken.

    verify: credentials, headers (names in lower case), raw body and the time give the event's id, or raise
    signatures.Forged. work: does what follows; answers "" when done, or why it is of no interest here.
    """

    verify: Verify
    work: Work


_receivers: dict[str, Receiver] = {}


def receives(service: str, receiver: Receiver) -> None:
    """Say how what a service tells is taken. Once each."""
    if service in _receivers:
        raise ValueError(f"{service} is received twice")
    _receivers[service] = receiver


def receive(
    service: str, connection_id: UUID, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> None:
    """Verify and store. Raises NobodyThere or signatures.Forged; nothing is kept of what is refused."""
    with scoping.across_workspaces("hooks.receive"):
        found = Connection.objects.filter(public_id=connection_id, service=service).first()
    receiver = _receivers.get(service)
    if found is None or receiver is None or found.state == Connection.State.DISCONNECTED:
        raise NobodyThere("Nobody listens here.")
    credentials = sealed_json.get(found, "credentials_sealed") or {}
    event_id = receiver.verify(credentials, headers, body, now)
    with scoping.workspace(found.workspace_id):
        _store(found, event_id, headers, body, now=now)


@transaction.atomic
def _store(
    connection: Connection, event_id: str, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> None:
    record = InboundRecord(
        workspace_id=connection.workspace_id,
        connection=connection,
        service=connection.service,
        event_id=event_id,
        received_at=now,
        headers={name: headers[name][:300] for name in KEPT_HEADERS if name in headers},
        due_at=now,
    )
    sealed_json.put(record, "body_sealed", body.decode("utf-8", "surrogateescape"))
    InboundRecord.objects.bulk_create([record], ignore_conflicts=True)
    kept: InboundRecord = InboundRecord.objects.get(service=connection.service, event_id=event_id)
    if kept.public_id == record.public_id:
        work.delay_on_commit(workspace_id=connection.workspace_id, record_id=kept.pk)


@workspace_task(name="integrations.inbound.work")
def work(*, record_id: int) -> str:
    """Do what follows from a record, once. Two at a time never work on the same one."""
    now = timezone.now()
    with transaction.atomic():
        free = InboundRecord.objects.select_for_update(skip_locked=True).filter(pk=record_id, due_at__lte=now)
        record: InboundRecord | None = free.first()
        if record is None:
            return ""
        record.due_at, record.attempts = now + LEASE, record.attempts + 1
        record.save(update_fields=["due_at", "attempts"])
    try:
        reason = _work(record)
    except (DomainError, ValueError, TypeError, KeyError, AttributeError) as error:
        _put_off(record, f"{type(error).__name__}: {error}", now=now)
        return str(record.state)
    _end(record, State.IGNORED if reason else State.DONE, reason)
    return str(record.state)


def _work(record: InboundRecord) -> str:
    receiver = _receivers[record.service]
    text = sealed_json.get(record, "body_sealed")
    connection: Connection = Connection.objects.get(pk=record.connection_id)
    return receiver.work(connection, text.encode("utf-8", "surrogateescape"))


def _put_off(record: InboundRecord, reason: str, *, now: datetime) -> None:
    """Again later by the schedule; what a person must look at in the end."""
    log.warning("inbound.not_done", service=record.service, record_id=record.pk, reason=reason[:300])
    if record.attempts > len(SCHEDULE):
        _end(record, State.FAILED, reason)
        return
    record.due_at, record.reason = now + timedelta(seconds=SCHEDULE[record.attempts - 1]), reason[:300]
    record.save(update_fields=["due_at", "reason"])


def _end(record: InboundRecord, state: str, reason: str) -> None:
    record.state, record.reason, record.due_at = state, reason[:300], None
    record.save(update_fields=["state", "reason", "due_at"])


@shared_task(name="integrations.inbound.sweep")
def sweep() -> int:
    """Start work on what is due: its worker died, or it failed before. Forgets what is old."""
    with scoping.across_workspaces("hooks.receive"):
        due = InboundRecord.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
        found = list(due.values_list("workspace_id", "pk")[:AT_ONCE])
        old = InboundRecord.objects.filter(received_at__lt=timezone.now() - KEPT)
        stale = list(old.values_list("workspace_id", flat=True).distinct()[:AT_ONCE])
    for workspace_id, record_id in found:
        work.delay(workspace_id=workspace_id, record_id=record_id)
    for workspace_id in stale:
        prune.delay(workspace_id=workspace_id)
    return len(found)


@workspace_task(name="integrations.inbound.prune")
def prune() -> int:
    """Forget what came long ago and is over."""
    old = InboundRecord.objects.filter(received_at__lt=timezone.now() - KEPT, due_at=None)
    return int(
        InboundRecord.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:5_000])).delete()[0]
    )
