"""Take what a device brings: each event once, marketing first, with a verdict for every one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from celery import shared_task
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor, may, require
from apps.accounts.tasks_base import workspace_task
from apps.campaigns import flags
from apps.campaigns.models import Device, DeviceEvent
from apps.campaigns.offline import kinds
from apps.campaigns.offline.events import Batch, OfflineEvent, Rejected
from apps.campaigns.offline.kinds import Kind, Verdict

DUPLICATE = "duplicate"
KEPT = timedelta(days=45)
COME_AGAIN_SECONDS = 60
# In the order of their ids: of two requests that bring the same events one waits for the other, and never
# each for the other.
CLAIM = """
    INSERT INTO campaigns_deviceevent
        (workspace_id, device_id, event_id, kind, verdict, lamport, said_at, occurred_at, received_at)
    SELECT %s, %s, given.*, %s
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
        AS given (event_id, kind, verdict, lamport, said_at, occurred_at)
    ORDER BY given.event_id
    ON CONFLICT (workspace_id, event_id) DO NOTHING
    RETURNING event_id
"""


class NotNow(DomainError):
    """Devices are not heard at the moment. They keep what they have: 503 asks them to come again."""

    code = "switched_off"
    status = 503


@dataclass(frozen=True, kw_only=True)
class Taken:
    """verdicts: as the events came. cursor: up to which number of the device's queue all was heard."""

    verdicts: tuple[tuple[str, Verdict], ...]
    cursor: int


def take(actor: Actor, batch: Batch, *, now: datetime) -> Taken:
    """Take the events. Each kind's go in one transaction with the note that they were taken, so that what is
    cut off in between is done when it is sent again. Locks the device. Raises NotNow while that is off.
    """
    require(actor, "tracking:write")
    if words := flags.off_words(flags.OFFLINE, actor.workspace_id):
        raise NotNow(words, retry_after_seconds=COME_AGAIN_SECONDS)
    found: dict[UUID, Verdict] = {}
    for kind, events in _in_order(batch):
        found |= _take(actor, batch.device_id, kind, events, now=now)
    verdicts = tuple(
        (place.id, kinds.rejected(place.reason, place.detail))
        if isinstance(place, Rejected)
        else (str(place.id), found[place.id])
        for place in batch.places
    )
    return Taken(verdicts=verdicts, cursor=_advance(actor, batch, now=now))


def _in_order(batch: Batch) -> Iterator[tuple[str, list[OfflineEvent]]]:
    """Kinds, marketing first, each with its events as they happened; an id that comes twice counts once."""
    once = {one.id: one for one in reversed(batch.places) if isinstance(one, OfflineEvent)}
    ordered = sorted(once.values(), key=lambda one: (_rank(one.kind), one.occurred_at, one.seq))
    for (_, kind), events in groupby(ordered, key=lambda one: (_rank(one.kind), one.kind)):
        yield kind, list(events)


def _rank(name: str) -> tuple[int, str]:
    kind = kinds.find(name)
    return (kinds.REST if kind is None else kind.order), name


def _take(
    actor: Actor, device_id: str, name: str, events: Sequence[OfflineEvent], *, now: datetime
) -> dict[UUID, Verdict]:
    kind = kinds.find(name)
    if kind is None:
        refusal = kinds.rejected("unknown_type", f"type: one of {', '.join(kinds.names())}.")
    elif not may(actor, kind.right):
        refusal = kinds.rejected("not_allowed", f"This key may not bring {name}: it needs {kind.right}.")
    else:
        return _once(actor, device_id, kind, events, now=now)
    return {event.id: refusal for event in events}


@transaction.atomic
def _once(
    actor: Actor, device_id: str, kind: Kind, events: Sequence[OfflineEvent], *, now: datetime
) -> dict[UUID, Verdict]:
    device = _locked(actor, device_id, now=now)
    fresh = _claim(actor, device, events, now=now)
    mine = [event for event in events if event.id in fresh]
    verdicts = kind.take(actor, mine, now) if mine else []
    found = {event.id: verdict for event, verdict in zip(mine, verdicts, strict=True)}
    _note(found)
    return {event.id: found.get(event.id, Verdict(verdict=DUPLICATE)) for event in events}


def _claim(actor: Actor, device: Device, events: Sequence[OfflineEvent], *, now: datetime) -> set[UUID]:
    """Those of the events that nobody took yet; another request with the same ones waits for our end."""
    columns: list[list[Any]] = [
        [event.id for event in events],
        [event.kind for event in events],
        [kinds.ACCEPTED for _ in events],
        [event.lamport for event in events],
        [event.said_at for event in events],
        [event.occurred_at for event in events],
    ]
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [actor.workspace_id, device.pk, now, *columns])
        return {row[0] for row in cursor.fetchall()}


def _note(found: dict[UUID, Verdict]) -> None:
    """What was rejected may be tried again, by a key with more rights, say: it was not taken."""
    refused = [key for key, verdict in found.items() if verdict.verdict == kinds.REJECTED]
    DeviceEvent.objects.filter(event_id__in=refused).delete()
    for name in (kinds.MERGED, kinds.CONFLICT):
        these = [key for key, verdict in found.items() if verdict.verdict == name]
        if these:
            DeviceEvent.objects.filter(event_id__in=these).update(verdict=name)


def _locked(actor: Actor, device_id: str, *, now: datetime) -> Device:
    fresh = Device(workspace_id=actor.workspace_id, device_id=device_id, last_seen_at=now)
    Device.objects.bulk_create([fresh], ignore_conflicts=True)
    device: Device = Device.objects.select_for_update(no_key=True).get(device_id=device_id)
    return device


@transaction.atomic
def _advance(actor: Actor, batch: Batch, *, now: datetime) -> int:
    """Move the cursor on where this batch follows what was heard, or is the first that is."""
    device = _locked(actor, batch.device_id, now=now)
    last = batch.seq_from + len(batch.places) - 1
    if batch.seq_from <= device.cursor + 1 or device.cursor == 0:
        device.cursor = max(device.cursor, last)
    device.last_seen_at = max(device.last_seen_at, now)
    device.save(update_fields=["cursor", "last_seen_at"])
    return int(device.cursor)


@workspace_task(name="campaigns.offline.prune")
def prune() -> int:
    """Forget which events were taken so long ago that no device sends them again."""
    deleted, _ = DeviceEvent.objects.filter(received_at__lt=timezone.now() - KEPT).delete()
    return int(deleted)


@shared_task(name="campaigns.offline.prune_all")
def prune_all() -> None:
    """Start forgetting in every workspace."""
    with scoping.across_workspaces("workspace.list"):
        workspaces = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in workspaces:
        prune.delay(workspace_id=workspace_id)
