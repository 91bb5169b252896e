"""Calls that must not be lost: written with the change that wants them, sent by workers, settled by what
became of them.

A worker claims a few rows with a lease and commits, makes the call with no transaction open, and settles it
(settling.py) with a step in its trail. A worker that dies leaves a lease that runs out; what it had under way
is then of unknown fate unless the service drops duplicates. States are projections of the trail
(`state_after`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import Any

import structlog
from celery import shared_task
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Case, DateTimeField, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.tasks_base import workspace_task
from apps.integrations import leases, modes, sealed_json, settling
from apps.integrations.client import Client
from apps.integrations.models import Call, Connection, TrailEntry
from apps.integrations.resilience.classify import of_exception
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome, Then
from apps.integrations.resilience.policy import Answer

log = structlog.get_logger(__name__)

CLAIMED_AT_ONCE = 50
WRITTEN_AT_ONCE = 1_000
PER_TASK, PER_TASK_SECONDS = 500, 600.0
# Where a duplicate is dropped, what was done is written down in groups: a worker that dies repeats so many.
SETTLED_TOGETHER, SETTLED_WITHIN_SECONDS = 25, 1.0
# A call is begun only while this much of its lease is left; what takes longer makes it longer (leases.py).
LONGEST_CALL = timedelta(seconds=45)

# What says nothing of the next call of the connection.
GOES_ON = {Then.SETTLE, Then.RESCHEDULE, Then.LOOK_UP, Then.BURY}

sealed_json.seals("integrations_call")
S = Call.State


@dataclass(frozen=True)
class Due:
    """A call that was claimed, with its opened payload."""

    call: Call
    payload: Any


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A call that is to be made. dedup_key: the same deed twice has the same. due_at: None is at once."""

    payload: Any
    dedup_key: str
    person_id: int | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None


Perform = Callable[[Client, Sequence[Due]], Answer]
LookUp = Callable[[Client, Due], Outcome]


@dataclass(frozen=True, kw_only=True)
class Handler:
    """How an operation is done.

    perform: one request for all of the batch; a PARTIAL outcome has an Outcome per call in `items`. look_up:
    asks the service what became of a call: OK when it was done, PERMANENT_DATA when it was not (and may be
    sent), UNKNOWN when it cannot say, REFUSED_HERE when nobody ever will. repeats_for: how long the service
    drops a duplicate of the same call. news: the event that tells of a call that is over, beside CallSettled.
    """

    perform: Perform
    batch: int = 1
    look_up: LookUp | None = None
    repeats_for: timedelta = timedelta()
    news: settling.News | None = None


_handlers: dict[tuple[str, str], Handler] = {}


def handles(service: str, operation: str, handler: Handler) -> None:
    """Say how an operation of a service is done. Once each."""
    if (service, operation) in _handlers:
        raise ValueError(f"{service} {operation} is handled twice")
    _handlers[service, operation] = handler
    if handler.news:
        settling.announces(service, operation, handler.news)


def enqueue(
    connection: Connection,
    operation: str,
    payload: Any,
    *,
    dedup_key: str,
    now: datetime,
    lane: Lane = Lane.MARKETING,
    person_id: int | None = None,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> Call:
    """Write a call down, as enqueue_many does."""
    wanted = Wanted(
        payload=payload, dedup_key=dedup_key, person_id=person_id, due_at=due_at, expires_at=expires_at
    )
    [call] = enqueue_many(connection, operation, [wanted], now=now, lane=lane)
    return call


@transaction.atomic
def enqueue_many(
    connection: Connection,
    operation: str,
    wanted: Sequence[Wanted],
    *,
    now: datetime,
    lane: Lane = Lane.MARKETING,
) -> list[Call]:
    """Write calls down in the open transaction, in a statement for each thousand; they start once that
    commits. The call of each that is wanted, in order: the same key twice is one call.
    """
    if (connection.service, operation) not in _handlers:
        raise KeyError((connection.service, operation))
    calls: dict[str, Call] = {}
    for start in range(0, len(wanted), WRITTEN_AT_ONCE):
        batch = {one.dedup_key: one for one in reversed(wanted[start : start + WRITTEN_AT_ONCE])}
        made = [_call(connection, operation, one, now=now, lane=lane) for one in reversed(batch.values())]
        calls |= _written(connection, operation, made, now=now)
    return [calls[one.dedup_key] for one in wanted]


def _call(connection: Connection, operation: str, wanted: Wanted, *, now: datetime, lane: Lane) -> Call:
    call = Call(
        workspace_id=connection.workspace_id,
        connection=connection,
        service=connection.service,
        operation=operation,
        lane=lane,
        dedup_key=wanted.dedup_key,
        person_id=wanted.person_id,
        due_at=wanted.due_at or now,
        expires_at=wanted.expires_at,
    )
    if not connection.is_usable:
        call.state, call.due_at = Call.State.HELD, None
    sealed_json.put(call, "payload_sealed", wanted.payload)
    return call


def _written(
    connection: Connection, operation: str, made: Sequence[Call], *, now: datetime
) -> dict[str, Call]:
    """Key → the call that there is: the one that was made, or the one that was there before."""
    Call.objects.bulk_create(made, ignore_conflicts=True)
    rows = Call.objects.filter(
        connection=connection, operation=operation, dedup_key__in=[one.dedup_key for one in made]
    )
    kept = {row.dedup_key: row for row in rows}
    new = [kept[one.dedup_key] for one in made if kept[one.dedup_key].public_id == one.public_id]
    told = [
        (one, "enqueued", {"operation": operation, "lane": int(one.lane), "state": one.state}) for one in new
    ]
    settling.note(told, now=now)
    if any(one.due_at is not None and one.due_at <= now for one in new):
        relay_soon(connection.workspace_id, Lane(new[0].lane))
    return kept


def relay_soon(workspace_id: int, lane: Lane) -> None:
    """Have a worker look, once this transaction commits."""
    if lane == Lane.CRITICAL:
        relay_critical.delay_on_commit(workspace_id=workspace_id)
    else:
        relay.delay_on_commit(workspace_id=workspace_id, lane=int(lane))


@shared_task(name="integrations.outbox.sweep")
def sweep() -> int:
    """Start a relay for each workspace and lane that has calls due, or leases that ran out."""
    with scoping.across_workspaces("calls.sweep"):
        due = Call.objects.filter(due_at__lte=timezone.now())
        found = list(due.order_by("lane").values_list("workspace_id", "lane").distinct()[:2_000])
    for workspace_id, lane in found:
        if lane == Lane.CRITICAL:
            relay_critical.delay(workspace_id=workspace_id)
        else:
            relay.delay(workspace_id=workspace_id, lane=lane)
    return len(found)


@workspace_task(name="integrations.outbox.relay")
def relay(*, lane: int, most: int = PER_TASK) -> int:
    """Send what is due of a lane, a few at a time. Two at once never take the same call."""
    if lane == Lane.BACKFILL and modes.hold_back(timezone.now()):
        return 0
    sent, began = 0, monotonic()
    while sent < most and (claimed := claim(lane=lane, now=timezone.now())):
        for _, same in groupby(claimed, key=lambda call: (call.connection_id, call.operation, call.state)):
            _send_all(list(same))
        sent += len(claimed)
        if monotonic() - began > PER_TASK_SECONDS:
            break  # before the task is ended in the middle of a call; the sweep starts another
    return sent


@workspace_task(name="integrations.outbox.relay_critical")
def relay_critical() -> int:
    """The same for wedding-day messages and alerts, in a queue with a worker of its own."""
    return int(relay(lane=int(Lane.CRITICAL)))


@transaction.atomic
def claim(*, lane: int, now: datetime) -> list[Call]:
    """Take calls that are due under a lease, soonest first.

    One that may have been done already (its lease ran out while it was sent, or an attempt before was not
    answered) is sent again only where that is harmless, and looked up otherwise.
    """
    free = Call.objects.filter(lane=lane, due_at__lte=now).order_by("due_at", "pk")
    rows = list(
        free.select_for_update(skip_locked=True, of=("self",)).select_related("connection")[:CLAIMED_AT_ONCE]
    )
    lost = [call for call in rows if _may_be_done(call) and not _repeats(call, now)]
    look_ups = [call for call in rows if call.state == S.UNKNOWN and call not in lost]
    sendings = [call for call in rows if call.state != S.UNKNOWN and call not in lost]
    lease = now + leases.LEASE
    _take(lost, state=S.UNKNOWN, due_at=now + settling.LOOK_UP_AFTER, lease_until=None, now=now)
    _take(look_ups, state=S.UNKNOWN, due_at=lease, lease_until=lease)
    _take(sendings, state=S.SENDING, due_at=lease, lease_until=lease, now=now)
    settling.note([(call, "lease_lost", {"state": call.state}) for call in lost], now=now)
    mine = look_ups + sendings
    return sorted(mine, key=lambda call: (call.connection_id, call.operation, call.state, call.pk))


def _take(
    calls: list[Call],
    *,
    state: str,
    due_at: datetime,
    lease_until: datetime | None,
    now: datetime | None = None,
) -> None:
    """now: when the first attempt begins whose fate is open, unless one did before."""
    if not calls:
        return
    for call in calls:
        call.state, call.due_at, call.lease_until = state, due_at, lease_until
        call.claimed_at, call.sent_at = now, call.sent_at or now
    began = Coalesce("sent_at", Value(now, DateTimeField()))
    rows = Call.objects.filter(pk__in=[call.pk for call in calls])
    rows.update(state=state, due_at=due_at, lease_until=lease_until, sent_at=began)


def _may_be_done(call: Call) -> bool:
    return call.state == S.SENDING or (call.state == S.WAITING and call.sent_at is not None)


def _send_all(calls: list[Call]) -> None:
    """Calls of one operation at one connection."""
    handler = _handlers.get((calls[0].service, calls[0].operation))
    if handler is None:
        settle([(call, Outcome(kind=Kind.REFUSED_HERE, reason="Nobody handles this.")) for call in calls])
    elif calls[0].state == S.UNKNOWN:
        for call in calls:
            if _has_time(call):  # otherwise it is due again when its lease is over
                settle([(call, _looked_up(handler, call))])
    else:
        _send_in_batches(handler, calls)


def _has_time(call: Call) -> bool:
    return timezone.now() + LONGEST_CALL <= (call.lease_until or timezone.now())


def _send_in_batches(handler: Handler, calls: list[Call]) -> None:
    """Settled in groups, where a worker that dies before does no harm; at once where the connection is to
    stop or to pause, so that it is seen before the next call.
    """
    waiting: list[tuple[Call, Outcome]] = []
    began, client = monotonic(), _client(calls[0])
    for start in range(0, len(calls), handler.batch):
        batch = calls[start : start + handler.batch]
        if not _has_time(batch[0]):
            _give_back(calls[start:])
            break
        sent = _sent(handler, client, batch)
        waiting += sent
        may_wait = bool(handler.repeats_for) and all(outcome.handling.then in GOES_ON for _, outcome in sent)
        if may_wait and len(waiting) < SETTLED_TOGETHER and monotonic() - began < SETTLED_WITHIN_SECONDS:
            continue
        settle(waiting)
        waiting, began, client = [], monotonic(), _client(calls[0])
    if waiting:
        settle(waiting)


def _client(call: Call) -> Client:
    """With the connection as it is now: one that was stopped since sends nothing."""
    return Client(Connection.objects.get(pk=call.connection_id), lane=Lane(call.lane))


def _give_back(calls: list[Call]) -> None:
    """Those that the worker did not come to within their lease: another takes them at once."""
    now, lease = timezone.now(), calls[0].lease_until
    mine = Call.objects.filter(pk__in=[call.pk for call in calls], state=S.SENDING, lease_until=lease)
    is_new = Case(When(sent_at=calls[0].claimed_at, then=None), default="sent_at")
    mine.update(state=S.WAITING, due_at=now, lease_until=None, sent_at=is_new)
    relay_soon(calls[0].workspace_id, Lane(calls[0].lane))


def _sent(handler: Handler, client: Client, calls: list[Call]) -> list[tuple[Call, Outcome]]:
    """One request for all of them, and what became of each."""
    now = timezone.now()
    dues: list[Due] = []
    unsent: list[tuple[Call, Outcome]] = []
    for call in calls:
        if _is_over(call, now):
            unsent.append((call, Outcome(kind=Kind.REFUSED_HERE, reason="It came too late.", was_sent=False)))
            continue
        try:
            dues.append(_due(call))
        except DomainError as error:
            unsent.append((call, Outcome(kind=Kind.RETRYABLE, reason=error.detail, was_sent=False)))
    if not dues:
        return unsent
    each = _performed(handler, client, dues)
    return [*unsent, *zip((due.call for due in dues), each, strict=True)]


def _due(call: Call) -> Due:
    return Due(call, sealed_json.get(call, "payload_sealed"))


def _performed(handler: Handler, client: Client, dues: list[Due]) -> Sequence[Outcome]:
    """What became of each. A fault of ours is an outcome too: it must not hold up the others for ever."""
    try:
        with leases.under_way([due.call for due in dues]):
            return _of_each(handler.perform(client, dues).outcome, len(dues))
    except Exception as error:
        log.exception("call.handler_failed", service=client.service.key, operation=dues[0].call.operation)
        return [of_exception(error)] * len(dues)


def _of_each(outcome: Outcome, number: int) -> Sequence[Outcome]:
    if outcome.kind != Kind.PARTIAL:
        return [outcome] * number
    if len(outcome.items) != number:
        raise ValueError(f"{len(outcome.items)} outcomes were told of {number} calls")
    return outcome.items


def _looked_up(handler: Handler, call: Call) -> Outcome:
    if handler.look_up is None:
        return Outcome(kind=Kind.UNKNOWN, reason="The service cannot be asked what became of it.")
    try:
        with leases.under_way([call]):
            return handler.look_up(Client(call.connection), _due(call))
    except Exception as error:
        log.exception("call.look_up_failed", service=call.service, operation=call.operation)
        return replace(of_exception(error), kind=Kind.UNKNOWN)


def _is_over(call: Call, now: datetime) -> bool:
    return call.expires_at is not None and call.expires_at <= now


def _repeats(call: Call, now: datetime) -> bool:
    return settling.repeats(call, _repeats_for(call), now)


def _repeats_for(call: Call) -> timedelta:
    handler = _handlers.get((call.service, call.operation))
    return handler.repeats_for if handler else timedelta()


def settle(settled: Sequence[tuple[Call, Outcome]]) -> None:
    """Write what became of claimed calls of one operation (settling.py).

    One that cannot be written down so stands in nobody's way: the others are written without it, and it with
    nothing but the kind of what became of it.
    """
    try:
        settling.settle(settled, repeats_for=_repeats_for(settled[0][0]))
    except (OperationalError, InterfaceError):
        raise  # the database is away, which says nothing of a call; the leases run out
    except Exception as error:
        log.exception("call.not_settled", calls=[call.pk for call, _ in settled])
        if len(settled) > 1:
            for one in settled:
                settle([one])
            return
        _settle_barely(*settled[0], error)


def _settle_barely(call: Call, outcome: Outcome, error: Exception) -> None:
    told = f"What was told of it cannot be written down ({type(error).__name__})."
    bare = Outcome(kind=outcome.kind, reason=told, was_sent=outcome.was_sent)
    settling.settle([(call, bare)], repeats_for=_repeats_for(call))


def state_after(state: str, step: TrailEntry) -> str:
    """The reducer of a call's trail: every step that changes the state says it."""
    return str(step.data.get("state", state))
