"""Conversions, told to every destination that is connected: each once, and only what a person has allowed.

Each destination gets a call of its own in the outbox; what is not sent is kept with the reason. When a value
changes, what still waits is changed or cancelled, and what was told is taken back where the destination has a
way to do that.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.accounts import scoping
from apps.accounts.permissions import system
from apps.integrations import call_deeds, money, outbox, sealed_json
from apps.integrations.connectors.analytics.product import STEPS, YES
from apps.integrations.connectors.conversions import sending
from apps.integrations.connectors.conversions.destination import OPERATION, Destination, obstacle, wants
from apps.integrations.conversion_events import ConversionEvent, with_value
from apps.integrations.models import Call, Connection, ForwardedConversion
from apps.integrations.outbox import Wanted
from apps.integrations.resilience.lanes import Lane

Stage = ForwardedConversion.Stage
BATCH = 1_000
# An id that is longer goes into a call's key as its hash, so that what stands after it has room.
LONGEST_ID = 160


def connected() -> list[Connection]:
    """Where conversions go; one that needs a person is among them, and its calls wait.

    Locks them, in order, until the transaction ends: what is read of a conversion after that is told before
    anybody tells of a later change.
    """
    found = Connection.objects.filter(service__in=sending.every()).order_by("pk")
    return list(found.exclude(state=Connection.State.DISCONNECTED).select_for_update(no_key=True))


@transaction.atomic
def forward(events: Sequence[ConversionEvent], *, now: datetime) -> int:
    """Write a call for each event and destination. Returns how many; an event that came before is counted as
    a repeat. Locks the destinations.
    """
    sold = [_rounded(event) for event in events if not event.is_void]
    return sum(_forward_to(connection, sold, now=now) for connection in connected())


@transaction.atomic
def forward_steps(events: Sequence[ConversionEvent], *, now: datetime) -> int:
    """The same for visits and clicks, which only those hear of who asked for them."""
    return sum(
        _forward_to(connection, events, now=now) for connection in connected() if _hears_of_steps(connection)
    )


def are_steps_wanted() -> bool:
    """Whether anybody in the workspace hears of visits and clicks."""
    found = Connection.objects.filter(service__in=sending.every(), options__contains={STEPS: YES})
    return found.exclude(state=Connection.State.DISCONNECTED).exists()


def _hears_of_steps(connection: Connection) -> bool:
    return bool(connection.options.get(STEPS) == YES)


@transaction.atomic
def correct(events: Sequence[ConversionEvent], *, now: datetime) -> int:
    """Bring every destination to the value that each event has now. Returns how many calls were written or
    changed; doing it again changes nothing.

    Locks the destinations, then what was told of the events.
    """
    rounded = {event.event_id: _rounded(event) for event in events}
    done = 0
    for connection in connected():
        told = ForwardedConversion.objects.filter(
            connection=connection, stage=Stage.CONVERSION, event_id__in=rounded
        )
        rows = list(told.select_for_update(of=("self",)).select_related("call").order_by("pk"))
        done += sum(_correct(connection, row, rounded[row.event_id], now=now) for row in rows)
        unknown = rounded.keys() - {row.event_id for row in rows}
        new = [event for key, event in rounded.items() if key in unknown and not event.is_void]
        done += _forward_to(connection, new, now=now)
    return done


def _forward_to(connection: Connection, events: Sequence[ConversionEvent], *, now: datetime) -> int:
    destination = sending.of_service(connection.service)
    options = options_of(connection)
    wanted = [event for event in events if event.is_step or wants(options, event.kind)]
    known = _repeated(connection, wanted)
    fresh = {event.event_id: event for event in wanted if event.event_id not in known}
    rows = _told(connection, destination, list(fresh.values()), options, now=now)
    ForwardedConversion.objects.bulk_create(rows, ignore_conflicts=True, batch_size=BATCH)
    return sum(row.call is not None for row in rows)


def _repeated(connection: Connection, events: Sequence[ConversionEvent]) -> set[str]:
    """Those that came before, each counted once more. All are of one stage."""
    event_ids = [event.event_id for event in events]
    rows = ForwardedConversion.objects.filter(
        connection=connection, stage__in={_stage_of(event) for event in events}, event_id__in=event_ids
    )
    known = set(rows.values_list("event_id", flat=True))
    if known:
        rows.update(repeats=F("repeats") + 1)
    return known


def _told(
    connection: Connection,
    destination: Destination,
    events: Sequence[ConversionEvent],
    options: dict[str, Any],
    *,
    now: datetime,
) -> list[ForwardedConversion]:
    """The rows of events, unsaved, each with its call unless something stands against it."""
    reasons = [obstacle(destination, event, options, now=now) for event in events]
    good = [event for event, reason in zip(events, reasons, strict=True) if not reason]
    wanted = [_wanted(destination, event) for event in good]
    calls = iter(outbox.enqueue_many(connection, OPERATION, wanted, now=now, lane=Lane.MARKETING))
    return [
        _row(connection, event, None if reason else next(calls), reason)
        for event, reason in zip(events, reasons, strict=True)
    ]


def _row(
    connection: Connection, event: ConversionEvent, call: Call | None, reason: str
) -> ForwardedConversion:
    return ForwardedConversion(
        workspace_id=scoping.current_id(),
        connection=connection,
        call=call,
        person_id=event.person_id,
        event_id=event.event_id,
        stage=_stage_of(event),
        step=_step_of(event),
        kind=event.kind[:60],
        value=event.value,
        currency=event.currency,
        has_email=bool(event.email),
        has_phone=bool(event.phone),
        has_click_id=bool(event.clicks),
        kept_back=reason[:200],
        occurred_at=event.at,
    )


def _stage_of(event: ConversionEvent) -> str:
    """A visit may have the id of the conversion that it ended in, and is told beside it."""
    if event.is_step:
        return Stage.STEP
    return Stage.CONVERSION if event.taken_back is None else Stage.CHANGE


def _step_of(event: ConversionEvent) -> str:
    return "" if event.taken_back is None else str(event.value)


def _wanted(destination: Destination, event: ConversionEvent) -> Wanted:
    key = event.event_id
    if len(key) > LONGEST_ID:
        key = hashlib.sha256(key.encode()).hexdigest()
    return Wanted(
        payload=event.to_json(),
        dedup_key=f"{key}:{Stage.STEP if event.is_step else _step_of(event)}",
        person_id=event.person_id,
        expires_at=event.at + destination.age_limit,
    )


def _correct(
    connection: Connection, row: ForwardedConversion, event: ConversionEvent, *, now: datetime
) -> bool:
    """Bring one destination to the new value; nothing to do where it was never told, or believes it."""
    if row.call is None or row.value == event.value:
        return False
    call: Call = Call.objects.select_for_update().get(pk=row.call.pk)
    if call.state in {Call.State.DEAD, Call.State.CANCELLED}:
        return False
    if call.state in {Call.State.WAITING, Call.State.HELD} and call.sent_at is None:
        _change_in_place(call, event, now=now)
    elif not _tell_change(connection, row, event, now=now):
        return False
    row.value = event.value
    row.save(update_fields=["value"])
    return True


def _change_in_place(call: Call, event: ConversionEvent, *, now: datetime) -> None:
    """It has not left yet: it is cancelled, or carries the new value."""
    if event.is_void:
        call_deeds.cancel(system(call.workspace_id), call.public_id, now=now)
        return
    told = sealed_json.get(call, "payload_sealed")
    sealed_json.put(call, "payload_sealed", with_value(told, event.value))
    call.save(update_fields=["data_key", "payload_sealed"])


def _tell_change(
    connection: Connection, row: ForwardedConversion, event: ConversionEvent, *, now: datetime
) -> bool:
    """A call that takes back what the value has lost, or a row that says why there is none."""
    change = replace(event, taken_back=row.value - event.value, changed_at=now)
    destination = sending.of_service(connection.service)
    [made] = _told(connection, destination, [change], options_of(connection), now=now)
    ForwardedConversion.objects.bulk_create([made], ignore_conflicts=True)
    return made.call is not None


def options_of(connection: Connection) -> dict[str, Any]:
    """What is not secret: all that payloads are made of."""
    return {**connection.options, "account": connection.account}


def _rounded(event: ConversionEvent) -> ConversionEvent:
    """To the currency's smallest coin: an exchange rate leaves more places than can be sent."""
    smallest = Decimal(1).scaleb(-money.exponent_of(event.currency))
    return replace(event, value=event.value.quantize(smallest, ROUND_HALF_UP))
