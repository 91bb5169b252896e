"""What becomes of a call after an outcome: done, tried again by the schedule, looked up, held, buried."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import events, scoping
from apps.integrations import connection_states, trail
from apps.integrations.events import CallSettled
from apps.integrations.models import Call, Connection
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome, Then

# Seconds between one failure and the next try; after the last the call is a dead letter (Svix's schedule).
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
CRITICAL_SECONDS = 5.0
JITTER = 0.1
# A fate is looked up after the service has had time to know it itself.
LOOK_UP_AFTER = timedelta(minutes=15)
LOOK_UPS = 4
MOST_ATTEMPTS = LOOK_UPS + len(SCHEDULE)
# Ours: the call was not made, so it costs no attempt.
NOT_MADE = {Kind.CIRCUIT_OPEN, Kind.BULKHEAD_FULL, Kind.RATE_LIMITED, Kind.DEADLINE, Kind.THROTTLED}
# One statement for any number of calls: an update through the ORM has a case for each row and column.
SAVE = """
    UPDATE integrations_call AS call
    SET state = new.state, attempts = new.attempts, due_at = new.due_at, lease_until = NULL,
        last_kind = new.last_kind, last_reason = new.last_reason, reference = new.reference,
        sent_at = new.sent_at, settled_at = new.settled_at,
        data_key = CASE WHEN new.is_kept THEN data_key END,
        payload_sealed = CASE WHEN new.is_kept THEN payload_sealed END
    FROM json_to_recordset(%s::json) AS new(id bigint, state text, attempts smallint, due_at timestamptz,
        last_kind text, last_reason text, reference text, sent_at timestamptz, settled_at timestamptz,
        is_kept boolean)
    WHERE call.workspace_id = (SELECT %s::bigint) AND call.id = new.id
"""


@transaction.atomic
def settle(settled: Sequence[tuple[Call, Outcome]], *, repeats_for: timedelta) -> None:
    """Write what became of claimed calls, each with its step in the trail.

    repeats_for: how long the service drops a duplicate of the same call. Locks the rows in the order of their
    ids. A worker that comes back after its lease ran out changes nothing that another has taken over, unless
    it brings the news that the call was done.
    """
    now = timezone.now()
    rows = Call.objects.defer("data_key", "payload_sealed").order_by("pk").select_for_update()
    locked = rows.in_bulk([call.pk for call, _ in settled])
    mine = []
    for claimed, outcome in settled:
        row = locked.get(claimed.pk)
        if row is not None and _may_settle(row, claimed, outcome):
            row.claimed_at = claimed.claimed_at
            mine.append((row, outcome))
    for call, outcome in mine:
        _apply(call, outcome, repeats_for, now=now)
    _save([call for call, _ in mine])
    note([(call, "settled", _told(call, outcome)) for call, outcome in mine], now=now)
    tell(*(call for call, _ in mine if call.state in Call.TERMINAL))


def finish(call: Call, state: str, now: datetime) -> None:
    """A terminal state; what was done needs its payload no more."""
    call.state, call.due_at, call.settled_at = state, None, now
    if not _is_kept(call):
        call.data_key = call.payload_sealed = None


def note(notes: Sequence[tuple[Call, str, dict[str, Any]]], *, now: datetime) -> None:
    """Steps in the trails of calls."""
    if notes:
        trail.append(*(trail.Step(call.stream, kind, data, now) for call, kind, data in notes))


News = Callable[[Call], events.Event]
_news: dict[tuple[str, str], News] = {}


def announces(service: str, operation: str, news: News) -> None:
    """Have an event of its own told as well whenever a call of this operation is over."""
    _news[service, operation] = news


def tell(*calls: Call) -> None:
    """Publish of each call that it is over."""
    for call in calls:
        if news := _news.get((call.service, call.operation)):
            events.publish(news(call))
    events.publish_many(
        [
            CallSettled(
                workspace_id=call.workspace_id,
                call_id=call.pk,
                service=call.service,
                operation=call.operation,
                state=call.state,
            )
            for call in calls
        ]
    )


def repeats(call: Call, repeats_for: timedelta, now: datetime) -> bool:
    """Whether sending it again is harmless: the service drops the duplicate."""
    return now - (call.sent_at or call.created_at) < repeats_for


def not_told(outcome: Outcome) -> Outcome:
    """The answer of a look-up that told nothing. One that was not even made costs no attempt."""
    return outcome if outcome.kind in NOT_MADE else replace(outcome, kind=Kind.UNKNOWN)


def _save(calls: list[Call]) -> None:
    if not calls:
        return
    rows = [
        {
            "id": call.pk,
            "state": str(call.state),
            "attempts": call.attempts,
            "due_at": call.due_at,
            "last_kind": str(call.last_kind),
            "last_reason": call.last_reason,
            "reference": call.reference,
            "sent_at": call.sent_at,
            "settled_at": call.settled_at,
            "is_kept": _is_kept(call),
        }
        for call in calls
    ]
    with connection.cursor() as cursor:
        cursor.execute(SAVE, [msgspec.json.encode(rows).decode(), scoping.current_id()])


def _is_kept(call: Call) -> bool:
    """Whether somebody may still need its content."""
    return call.state not in {Call.State.DONE, Call.State.CANCELLED}


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


def _apply(call: Call, outcome: Outcome, repeats_for: timedelta, *, now: datetime) -> None:
    was_unknown = call.state == Call.State.UNKNOWN
    if not was_unknown and not _leaves_open(call, outcome, repeats_for):
        call.sent_at = None
    call.last_kind, call.lease_until = outcome.kind, None
    if not (was_unknown and outcome.kind == Kind.PERMANENT_DATA):  # why it was not done was said before
        call.last_reason = _storable(outcome.reason)[:300]
    call.reference = _storable(outcome.reference)[:200] or call.reference
    if outcome.kind not in NOT_MADE:
        call.attempts += 1
    if was_unknown:
        _apply_look_up(call, outcome, now=now)
    elif outcome.handling.then == Then.LOOK_UP and not repeats(call, repeats_for, now):
        call.state, call.due_at = Call.State.UNKNOWN, now + LOOK_UP_AFTER
    else:
        _THEN[outcome.handling.then](call, outcome, now)


def _storable(told: str) -> str:
    """PostgreSQL keeps no NUL and nothing that is no UTF-8, and a service may say anything."""
    return told.replace("\0", "").encode(errors="replace").decode()


def _leaves_open(call: Call, outcome: Outcome, repeats_for: timedelta) -> bool:
    """Whether after this outcome it may have been done: by this attempt, or by one before it.

    Where the service drops duplicates a failure may be told as one to repeat, although it was done.
    """
    is_vague = outcome.kind == Kind.RETRYABLE and outcome.was_sent and bool(repeats_for)
    was_open = call.sent_at is not None and call.claimed_at is not None and call.sent_at < call.claimed_at
    return was_open or is_vague or outcome.is_good or outcome.kind == Kind.UNKNOWN


def _apply_look_up(call: Call, outcome: Outcome, *, now: datetime) -> None:
    if outcome.is_good:
        finish(call, Call.State.DONE, now)
    elif outcome.kind == Kind.PERMANENT_DATA and call.attempts <= MOST_ATTEMPTS:  # it was never done
        call.state, call.due_at, call.sent_at = Call.State.WAITING, now, None
    elif outcome.kind == Kind.PERMANENT_DATA:
        _give_up(call, now)
    elif outcome.kind == Kind.REFUSED_HERE or call.attempts > MOST_ATTEMPTS:
        call.last_reason = f"Its fate stayed unknown. {call.last_reason}"[:300]
        finish(call, Call.State.DEAD, now)
    else:
        call.due_at = now + LOOK_UP_AFTER


def _give_up(call: Call, now: datetime) -> None:
    call.last_reason = f"Given up after {call.attempts} attempts. {call.last_reason}"[:300]
    finish(call, Call.State.DEAD, now)


def _done(call: Call, outcome: Outcome, now: datetime) -> None:
    finish(call, Call.State.DONE, now)


def _bury(call: Call, outcome: Outcome, now: datetime) -> None:
    finish(call, Call.State.DEAD, now)


def _again(call: Call, outcome: Outcome, now: datetime) -> None:
    if call.attempts > len(SCHEDULE):
        _give_up(call, now)
        return
    planned = SCHEDULE[max(call.attempts, 1) - 1]
    seconds = max(outcome.retry_after_seconds or 0.0, 0.0 if outcome.kind in NOT_MADE else planned)
    if call.lane == Lane.CRITICAL:
        seconds = min(seconds, CRITICAL_SECONDS)
    _wait(call, max(seconds, 1.0), now)


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
    Then.LOOK_UP: _again,  # where the service drops the duplicate
    Then.PAUSE: _pause,
    Then.PARK: _park,
    Then.ASK_FOR_SIGN_IN: _hold,
    Then.SWITCH_OFF: _hold,
    Then.BURY: _bury,
}


def _wait(call: Call, seconds: float, now: datetime) -> None:
    stretched = seconds * (1 + JITTER * random.random())  # noqa: S311 - spreads load, guards nothing
    call.state, call.due_at = Call.State.WAITING, now + timedelta(seconds=stretched)
