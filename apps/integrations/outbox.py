"""Calls that must not be lost: written with the change that wants them, sent by workers, settled by what
became of them.

A worker claims a few rows with a lease and commits, makes the call with no transaction open, and settles each
row with a step in its trail. A worker that dies leaves a lease that runs out; what it had under way is then
of unknown fate unless the service drops duplicates. States are projections of the trail (`state_after`).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, events, scoping
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.permissions import Actor
from apps.accounts.tasks_base import workspace_task
from apps.integrations import connection_states, modes, sealed_json, trail
from apps.integrations.client import Client
from apps.integrations.events import CallSettled
from apps.integrations.models import Call, Connection, TrailEntry
from apps.integrations.resilience.classify import of_exception
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome, Then
from apps.integrations.resilience.policy import Answer

log = structlog.get_logger(__name__)

# Seconds between one failure and the next try; after the last the call is a dead letter (Svix's schedule).
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
CRITICAL_SECONDS = 5.0
LEASE = timedelta(seconds=120)
CLAIMED_AT_ONCE = 50
PER_TASK = 500
JITTER = 0.1
# A fate is looked up after the service has had time to know it itself.
LOOK_UP_AFTER = timedelta(minutes=15)
LOOK_UPS = 4
# Ours: the call was not made, so it costs no attempt.
NOT_MADE = {Kind.CIRCUIT_OPEN, Kind.BULKHEAD_FULL, Kind.RATE_LIMITED, Kind.DEADLINE, Kind.THROTTLED}

sealed_json.seals("integrations_call")


@dataclass(frozen=True)
class Due:
    """A call that was claimed, with its opened payload."""

    call: Call
    payload: Any


Perform = Callable[[Client, Sequence[Due]], Answer]
LookUp = Callable[[Client, Due], Outcome]


@dataclass(frozen=True, kw_only=True)
class Handler:
    """How an operation is done.

    perform: one request for all of the batch; a PARTIAL outcome has an Outcome per call in `items`. look_up:
    asks the service what became of a call: OK when it was done, PERMANENT_DATA when it was not (and may be
    sent), UNKNOWN when it cannot say, REFUSED_HERE when nobody ever will. repeats_for: how long the service
    drops a duplicate of the same call.
    """

    perform: Perform
    batch: int = 1
    look_up: LookUp | None = None
    repeats_for: timedelta = timedelta()


SETTLED_COLUMNS = [
    "state",
    "attempts",
    "due_at",
    "lease_until",
    "last_kind",
    "last_reason",
    "reference",
    "sent_at",
    "settled_at",
    "data_key",
    "payload_sealed",
]
_handlers: dict[tuple[str, str], Handler] = {}


class NotReplayable(DomainError):
    code = "not_replayable"
    status = 409


def handles(service: str, operation: str, handler: Handler) -> None:
    """Say how an operation of a service is done. Once each."""
    if (service, operation) in _handlers:
        raise ValueError(f"{service} {operation} is handled twice")
    _handlers[service, operation] = handler


@transaction.atomic
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
    """Write the call down in the open transaction; it starts once that commits. The same key twice is one
    call.
    """
    if (connection.service, operation) not in _handlers:
        raise KeyError((connection.service, operation))
    call = Call(
        workspace_id=connection.workspace_id,
        connection=connection,
        service=connection.service,
        operation=operation,
        lane=lane,
        dedup_key=dedup_key,
        person_id=person_id,
        due_at=due_at or now,
        expires_at=expires_at,
    )
    if not connection.is_usable:
        call.state, call.due_at = Call.State.HELD, None
    sealed_json.put(call, "payload_sealed", payload)
    made = Call.objects.bulk_create([call], ignore_conflicts=True)
    same = Call.objects.filter(connection=connection, operation=operation, dedup_key=dedup_key)
    kept: Call = same.get()
    if kept.public_id == made[0].public_id:
        _note([(kept, "enqueued", {"operation": operation, "lane": int(lane), "state": kept.state})], now=now)
        if kept.due_at is not None and kept.due_at <= now:
            relay_soon(connection.workspace_id, lane)
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
    sent = 0
    while sent < most and (claimed := claim(lane=lane, now=timezone.now())):
        for _, same in groupby(claimed, key=lambda call: (call.connection_id, call.operation, call.state)):
            _send_all(list(same))
        sent += len(claimed)
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
    for call in rows:
        if call.state != Call.State.UNKNOWN:
            call.state, call.sent_at = Call.State.SENDING, call.sent_at or now
        call.due_at = call.lease_until = now + LEASE
    for call in lost:
        call.state, call.due_at, call.lease_until = Call.State.UNKNOWN, now + LOOK_UP_AFTER, None
    Call.objects.bulk_update(rows, ["state", "due_at", "lease_until", "sent_at"])
    _note([(call, "lease_lost", {"state": call.state}) for call in lost], now=now)
    mine = [call for call in rows if call not in lost]
    return sorted(mine, key=lambda call: (call.connection_id, call.operation, call.state, call.pk))


def _may_be_done(call: Call) -> bool:
    return call.state == Call.State.SENDING or (call.state == Call.State.WAITING and call.sent_at is not None)


def _send_all(calls: list[Call]) -> None:
    handler = _handlers.get((calls[0].service, calls[0].operation))
    if handler is None:
        settle([(call, Outcome(kind=Kind.REFUSED_HERE, reason="Nobody handles this.")) for call in calls])
        return
    if calls[0].state == Call.State.UNKNOWN:
        for call in calls:
            settle([(call, _looked_up(handler, call))])
        return
    for start in range(0, len(calls), handler.batch):
        _send(handler, calls[start : start + handler.batch])


def _send(handler: Handler, calls: list[Call]) -> None:
    """One request for all of them; a connection that was stopped since they were claimed holds them."""
    now = timezone.now()
    good = [call for call in calls if not _is_over(call, now)]
    late = Outcome(kind=Kind.REFUSED_HERE, reason="It came too late.", was_sent=False)
    if len(good) < len(calls):
        settle([(call, late) for call in calls if _is_over(call, now)])
    if not good:
        return
    dues = [Due(call, sealed_json.get(call, "payload_sealed")) for call in good]
    client = Client(Connection.objects.get(pk=good[0].connection_id), lane=Lane(good[0].lane))
    outcome = _performed(handler, client, dues)
    each = outcome.items if outcome.kind == Kind.PARTIAL else [outcome] * len(good)
    settle(list(zip(good, each, strict=True)))


def _performed(handler: Handler, client: Client, dues: list[Due]) -> Outcome:
    """What became of it. A fault of ours is an outcome too: it must not hold up the others for ever."""
    try:
        return handler.perform(client, dues).outcome
    except Exception as error:
        log.exception("call.handler_failed", service=client.service.key, operation=dues[0].call.operation)
        return of_exception(error)


def _looked_up(handler: Handler, call: Call) -> Outcome:
    if handler.look_up is None:
        return Outcome(kind=Kind.UNKNOWN, reason="The service cannot be asked what became of it.")
    return handler.look_up(Client(call.connection), Due(call, sealed_json.get(call, "payload_sealed")))


def not_told(outcome: Outcome) -> Outcome:
    """The answer of a look-up that told nothing. One that was not even made costs no attempt."""
    return outcome if outcome.kind in NOT_MADE else replace(outcome, kind=Kind.UNKNOWN)


def _is_over(call: Call, now: datetime) -> bool:
    return call.expires_at is not None and call.expires_at <= now


def _repeats(call: Call, now: datetime) -> bool:
    """Whether sending it again is harmless: the service drops the duplicate."""
    handler = _handlers.get((call.service, call.operation))
    since = call.sent_at or call.created_at
    return handler is not None and now - since < handler.repeats_for


@transaction.atomic
def settle(settled: Sequence[tuple[Call, Outcome]]) -> None:
    """Write what became of claimed calls, each with its step in the trail.

    Locks the rows in the order of their ids. A worker that comes back after its lease ran out changes nothing
    that another has taken over, unless it brings the news that the call was done.
    """
    now = timezone.now()
    locked = Call.objects.order_by("pk").select_for_update().in_bulk([call.pk for call, _ in settled])
    mine = [
        (locked[claimed.pk], outcome)
        for claimed, outcome in settled
        if claimed.pk in locked and _may_settle(locked[claimed.pk], claimed, outcome)
    ]
    for call, outcome in mine:
        _apply(call, outcome, now=now)
    _save([call for call, _ in mine])
    _note([(call, "settled", _told(call, outcome)) for call, outcome in mine], now=now)
    for call, _ in mine:
        if call.state in Call.TERMINAL:
            _tell(call)


def _save(calls: list[Call]) -> None:
    """One row by itself is written without the cases that an update of many is made of."""
    if len(calls) == 1:
        calls[0].save(update_fields=SETTLED_COLUMNS)
    else:
        Call.objects.bulk_update(calls, SETTLED_COLUMNS)


def _may_settle(row: Call, claimed: Call, outcome: Outcome) -> bool:
    return row.lease_until == claimed.lease_until or (outcome.is_good and row.state not in Call.TERMINAL)


def _told(call: Call, outcome: Outcome) -> dict[str, Any]:
    return {
        "state": call.state,
        "outcome": outcome.kind.value,
        "attempts": call.attempts,
        "status": outcome.status,
        "reason": call.last_reason,
    }


def _apply(call: Call, outcome: Outcome, *, now: datetime) -> None:
    was_unknown = call.state == Call.State.UNKNOWN
    if not was_unknown and not _leaves_open(call, outcome):
        call.sent_at = None
    call.last_kind, call.last_reason, call.lease_until = outcome.kind, outcome.reason[:300], None
    call.reference = outcome.reference[:200] or call.reference
    if outcome.kind not in NOT_MADE:
        call.attempts += 1
    if was_unknown:
        _apply_look_up(call, outcome, now=now)
    else:
        _THEN[outcome.handling.then](call, outcome, now)


def _leaves_open(call: Call, outcome: Outcome) -> bool:
    """Whether after this outcome it may have been done: by this attempt, or by one before it.

    Where the service drops duplicates a failure may be told as one to repeat, although it was done.
    """
    handler = _handlers.get((call.service, call.operation))
    drops = handler is not None and bool(handler.repeats_for)
    is_vague = outcome.kind == Kind.RETRYABLE and outcome.was_sent and drops
    began = call.lease_until - LEASE if call.lease_until else None
    was_open = call.sent_at is not None and began is not None and call.sent_at < began
    return was_open or is_vague or outcome.is_good or outcome.kind == Kind.UNKNOWN


def _apply_look_up(call: Call, outcome: Outcome, *, now: datetime) -> None:
    if outcome.is_good:
        _finish(call, Call.State.DONE, now)
    elif outcome.kind == Kind.PERMANENT_DATA:  # it was never done
        call.state, call.due_at, call.sent_at = Call.State.WAITING, now, None
    elif outcome.kind == Kind.REFUSED_HERE or call.attempts > LOOK_UPS + len(SCHEDULE):
        call.last_reason = f"Its fate stayed unknown. {call.last_reason}"[:300]
        _finish(call, Call.State.DEAD, now)
    else:
        call.due_at = now + LOOK_UP_AFTER


def _done(call: Call, outcome: Outcome, now: datetime) -> None:
    _finish(call, Call.State.DONE, now)


def _bury(call: Call, outcome: Outcome, now: datetime) -> None:
    _finish(call, Call.State.DEAD, now)


def _again(call: Call, outcome: Outcome, now: datetime) -> None:
    if call.attempts > len(SCHEDULE):
        call.last_reason = f"Given up after {call.attempts} attempts. {call.last_reason}"[:300]
        _finish(call, Call.State.DEAD, now)
        return
    planned = SCHEDULE[max(call.attempts, 1) - 1]
    seconds = max(outcome.retry_after_seconds or 0.0, 0.0 if outcome.kind in NOT_MADE else planned)
    if call.lane == Lane.CRITICAL:
        seconds = min(seconds, CRITICAL_SECONDS)
    _wait(call, max(seconds, 1.0), now)


def _look_up_later(call: Call, outcome: Outcome, now: datetime) -> None:
    if _repeats(call, now):
        _again(call, outcome, now)
    else:
        call.state, call.due_at = Call.State.UNKNOWN, now + LOOK_UP_AFTER


def _pause(call: Call, outcome: Outcome, now: datetime) -> None:
    _wait(call, outcome.retry_after_seconds or 60.0, now)


def _park(call: Call, outcome: Outcome, now: datetime) -> None:
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=5, second=0, microsecond=0)
    _wait(call, outcome.retry_after_seconds or (midnight - now).total_seconds(), now)


def _hold(call: Call, outcome: Outcome, now: datetime) -> None:
    """The connection needs a person; it is stopped, and its calls wait until it is restored."""
    connection: Connection = Connection.objects.select_for_update().get(pk=call.connection_id)
    stop = (
        connection_states.ask_for_sign_in
        if outcome.kind == Kind.AUTH_EXPIRED
        else connection_states.switch_off
    )
    stop(connection, reason=outcome.reason, now=now)
    call.state, call.due_at = Call.State.HELD, None


_THEN: dict[Then, Callable[[Call, Outcome, datetime], None]] = {
    Then.SETTLE: _done,
    Then.RESCHEDULE: _again,
    Then.LOOK_UP: _look_up_later,
    Then.PAUSE: _pause,
    Then.PARK: _park,
    Then.ASK_FOR_SIGN_IN: _hold,
    Then.SWITCH_OFF: _hold,
    Then.BURY: _bury,
}


def _wait(call: Call, seconds: float, now: datetime) -> None:
    stretched = seconds * (1 + JITTER * random.random())  # noqa: S311 - spreads load, guards nothing
    call.state, call.due_at = Call.State.WAITING, now + timedelta(seconds=stretched)


def _finish(call: Call, state: str, now: datetime) -> None:
    """A terminal state; what was done needs its payload no more."""
    call.state, call.due_at, call.settled_at = state, None, now
    if state != Call.State.DEAD:
        call.data_key = call.payload_sealed = None


@transaction.atomic
def replay(actor: Actor, public_id: Any, *, now: datetime) -> Call:
    """Send a dead letter once more, from the start of its schedule. Audited."""
    call = Call.objects.select_for_update().filter(public_id=public_id).first()
    if call is None:
        raise NotHere("There is no such call.")
    if call.state != Call.State.DEAD or call.payload_sealed is None:
        raise NotReplayable("Only a dead letter whose content is still kept can be sent again.")
    call.state, call.due_at, call.attempts, call.settled_at = Call.State.WAITING, now, 0, None
    call.sent_at = None
    call.save(update_fields=["state", "due_at", "attempts", "settled_at", "sent_at"])
    _note([(call, "replayed", {"state": call.state})], now=now)
    audit.record(actor, "call.replayed", call, now=now)
    relay_soon(call.workspace_id, Lane(call.lane))
    return call


@transaction.atomic
def cancel(actor: Actor, public_id: Any, *, now: datetime) -> Call:
    """Stop a call that is not under way. Audited."""
    call = Call.objects.select_for_update().filter(public_id=public_id).first()
    if call is None:
        raise NotHere("There is no such call.")
    if call.state not in {Call.State.WAITING, Call.State.HELD, Call.State.DEAD}:
        raise NotReplayable("It is under way or over.")
    _finish(call, Call.State.CANCELLED, now)
    call.save()
    _note([(call, "cancelled", {"state": call.state})], now=now)
    audit.record(actor, "call.cancelled", call, now=now)
    _tell(call)
    return call


def state_after(state: str, step: TrailEntry) -> str:
    """The reducer of a call's trail: every step that changes the state says it."""
    return str(step.data.get("state", state))


def stream_of(call: Call) -> str:
    return call.stream


def _note(notes: Sequence[tuple[Call, str, dict[str, Any]]], *, now: datetime) -> None:
    if notes:
        trail.append(*(trail.Step(stream_of(call), kind, data, now) for call, kind, data in notes))


def _tell(call: Call) -> None:
    events.publish(
        CallSettled(
            workspace_id=call.workspace_id,
            call_id=call.pk,
            service=call.service,
            operation=call.operation,
            state=call.state,
        )
    )
