"""What services send us: verified on the bytes as they came, kept as they came, and only then acted on.

A hook's address names a connection; the signature proves that the service sent it. A delivery that was seen
before is answered like the first and does nothing; one without a fresh time on it is refused.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import structlog
from celery import shared_task
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.tasks_base import workspace_task
from apps.integrations import hook_limits, sealed_json
from apps.integrations.models import Connection, InboundRecord
from apps.integrations.services import Credentials

log = structlog.get_logger(__name__)

LARGEST_BODY = 1024**2
# A clock of theirs may be this far ahead of ours.
AHEAD = timedelta(minutes=5)
MOST_ATTEMPTS = 5
AGAIN_AFTER = timedelta(minutes=2)
PER_SWEEP = 500
# The content of a delivery is kept for this long; its id for ever, or it could be played back.
KEPT = timedelta(days=30)

sealed_json.seals("integrations_inboundrecord")


class Forged(DomainError):
    """Not signed by the service, or signed long ago."""

    code = "hook_refused"
    status = 401


class TooLarge(DomainError):
    code = "too_large"
    status = 413


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A request as it came. url: the public address that was asked. headers: names in lower case."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """event_id: the service's own id of it, or a digest of what was signed. sent_at: None where none is
    signed.
    """

    event_id: str
    sent_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Received:
    """What was kept of a delivery."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def json_object(self) -> dict[str, Any]:
        """The body, or nothing where it is no JSON object."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def silence(received: Received) -> tuple[str, str]:
    return "", "text/plain"


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """How a service's deliveries are taken.

    verify: raises Forged. process: in the connection's workspace, in one transaction; says what it did.
    answer: body and type of our answer. tolerance: how old a delivery with a time on it may be.
    """

    verify: Callable[[Delivery, Credentials, datetime], Checked]
    process: Callable[[Connection, Received, datetime], str]
    answer: Callable[[Received], tuple[str, str]] = silence
    tolerance: timedelta = timedelta(minutes=5)


_receivers: dict[str, Receiver] = {}


def receives(service: str, receiver: Receiver) -> None:
    """Say how deliveries of a service are taken. Once each."""
    if service in _receivers:
        raise ValueError(f"{service} is received twice")
    _receivers[service] = receiver


def url_of(connection: Connection) -> str:
    """Where the service reaches us; empty where nothing of it is received."""
    if connection.service not in _receivers:
        return ""
    return settings.SITE_URL + reverse("hooks:hook", args=[connection.service, connection.public_id])


def check_size(length: int) -> None:
    """Raises TooLarge."""
    if length > LARGEST_BODY:
        raise TooLarge(f"At most {LARGEST_BODY:,} bytes.")


def take(
    service: str, public_id: UUID, delivery: Delivery, *, now: datetime, address: str = ""
) -> tuple[str, str]:
    """Verify, keep, and have it processed once that is committed. Returns the answer's body and type.

    address: of who sent it. Raises NotHere, Forged, TooLarge, or TooManyDeliveries beyond what the connection
    may send. Acts in the workspace of the connection.
    """
    receiver = _receivers.get(service)
    if receiver is None:
        raise NotHere("Nothing is received here.")
    check_size(len(delivery.body))
    with scoping.workspace(_workspace_of(service, public_id)):
        connection = Connection.objects.get(public_id=public_id)
        checked = _checked(receiver, connection, delivery, now)
        hook_limits.accept(address, str(public_id))
        _keep(connection, delivery, checked, now=now)
    return receiver.answer(Received(url=delivery.url, body=delivery.body))


def _workspace_of(service: str, public_id: UUID) -> int:
    with scoping.across_workspaces("inbound.route"):
        found = Connection.objects.filter(service=service, public_id=public_id)
        workspace_id = (
            found.exclude(state=Connection.State.DISCONNECTED).values_list("workspace_id", flat=True).first()
        )
    if workspace_id is None:
        raise NotHere("Nothing is received here.")
    return int(workspace_id)


def _checked(receiver: Receiver, connection: Connection, delivery: Delivery, now: datetime) -> Checked:
    opened = sealed_json.get(connection, "credentials_sealed") or {}
    credentials = {**connection.options, "account": connection.account, **opened}
    checked = receiver.verify(delivery, credentials, now)
    sent_at = checked.sent_at
    if sent_at is not None and not now - receiver.tolerance <= sent_at <= now + AHEAD:
        raise Forged("It was signed too long ago.")
    return checked


def _keep(connection: Connection, delivery: Delivery, checked: Checked, *, now: datetime) -> None:
    record = InboundRecord(
        workspace_id=connection.workspace_id,
        connection=connection,
        service=connection.service,
        event_id=checked.event_id[:200],
        received_at=now,
        due_at=now + AGAIN_AFTER,
    )
    sealed_json.put(
        record,
        "content_sealed",
        {
            "url": delivery.url,
            "headers": dict(delivery.headers),
            "body": delivery.body.decode("latin-1"),
        },
    )
    try:
        with transaction.atomic():
            record.save()
            process.delay_on_commit(workspace_id=connection.workspace_id, record_id=record.pk)
    except IntegrityError:
        log.info("hook.seen_before", service=connection.service, connection_id=connection.pk)


@workspace_task(name="integrations.inbound.process")
def process(*, record_id: int) -> None:
    """Act on what was kept, once. A failure is noted, and it is tried again a few times."""
    try:
        with transaction.atomic():
            _process(record_id)
    except Exception as error:
        log.exception("hook.not_processed", record_id=record_id)
        _note_failure(record_id, f"{type(error).__name__}: {error}")


def _process(record_id: int) -> None:
    record = InboundRecord.objects.select_for_update().select_related("connection").get(pk=record_id)
    if record.state != InboundRecord.State.WAITING:
        return
    now = timezone.now()
    said = _receivers[record.service].process(record.connection, received(record), now)
    record.state, record.processed_at, record.due_at = InboundRecord.State.DONE, now, None
    record.said = said[:300]
    record.save(update_fields=["state", "processed_at", "due_at", "said"])


def _note_failure(record_id: int, why: str) -> None:
    with transaction.atomic():
        record = InboundRecord.objects.select_for_update().get(pk=record_id)
        record.attempts += 1
        record.said = why[:300]
        is_over = record.attempts >= MOST_ATTEMPTS
        record.state = InboundRecord.State.FAILED if is_over else InboundRecord.State.WAITING
        record.due_at = None if is_over else timezone.now() + AGAIN_AFTER * 2**record.attempts
        record.save(update_fields=["attempts", "said", "state", "due_at"])


def received(record: InboundRecord) -> Received:
    """What came, as it came."""
    content: dict[str, Any] = sealed_json.get(record, "content_sealed") or {
        "url": "",
        "body": "",
        "headers": {},
    }
    return Received(url=content["url"], body=content["body"].encode("latin-1"), headers=content["headers"])


@shared_task(name="integrations.inbound.sweep")
def sweep() -> int:
    """Start again what no worker has processed."""
    with scoping.across_workspaces("inbound.sweep"):
        due = InboundRecord.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
        found = list(due.values_list("workspace_id", "pk")[:PER_SWEEP])
    for workspace_id, record_id in found:
        process.delay(workspace_id=workspace_id, record_id=record_id)
    return len(found)


def forget(*, now: datetime) -> int:
    """Drop the content of what came long ago; that it came, and its id, stay. Returns how many."""
    old = InboundRecord.objects.filter(received_at__lt=now - KEPT, content_sealed__isnull=False)
    return int(old.exclude(state=InboundRecord.State.WAITING).update(content_sealed=None, data_key=None))
