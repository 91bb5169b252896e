"""The event hub: news is written with the change it tells of, and reaches every subscriber at least once.

`publish` inserts a row in the caller's transaction and starts delivery after commit. `deliver` runs each
subscriber in a transaction of its own together with its receipt, so that its effect in the database happens
once, and one
that fails neither blocks nor repeats the others. Beat delivers again what is overdue. In no order;
subscribers re-read the row
by its id.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar

import structlog
from celery import shared_task
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts import scoping
from apps.accounts.models import Delivery, OutboxEvent, Workspace
from apps.accounts.tasks_base import workspace_task

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 8
SWEEP_BATCH = 1_000
FIRST_WAIT = timedelta(seconds=60)
KEPT = timedelta(days=30)
PRUNE_BATCH = 5_000
ADD = """
    INSERT INTO accounts_outboxevent (workspace_id, name, payload, due_at, attempts)
    VALUES (%s, %s, %s::jsonb, CASE WHEN %s THEN statement_timestamp() END, 0)
    RETURNING id, created_at, due_at
"""
ADD_MANY = """
    INSERT INTO accounts_outboxevent (workspace_id, name, payload, due_at, attempts)
    SELECT %s, new.name, new.payload, CASE WHEN new.is_awaited THEN statement_timestamp() END, 0
    FROM jsonb_to_recordset(%s::jsonb) AS new(name text, payload jsonb, is_awaited boolean)
    RETURNING id, due_at IS NOT NULL
"""
# The same as a part of another statement, which follows with the payload and where it is from.
TELL = """
    INSERT INTO accounts_outboxevent (workspace_id, name, due_at, attempts, payload)
    SELECT %(workspace)s::bigint, %(event)s, CASE WHEN %(is_awaited)s THEN statement_timestamp() END, 0,
"""
# Stands for the subscriber of an event that cannot be rebuilt.
UNREADABLE = "(unreadable)"


class NeverReturned(Exception):
    """Its worker died each time that it was delivered."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """News of an app: ids and plain values. Add fields with defaults, never rename one.

    name: app.thing.past_tense.
    """

    name: ClassVar[str]
    workspace_id: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        REGISTRY[cls.name] = cls


REGISTRY: dict[str, type[Event]] = {}
Subscriber = Callable[[Any], None]
Follower = Callable[[Any, OutboxEvent], None]
_subscribers: dict[str, dict[str, Subscriber]] = defaultdict(dict)
_followers: dict[str, tuple[Follower, Callable[[type[Event]], bool]]] = {}
E = TypeVar("E", bound=Event)


def subscribe(event: type[E]) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Have the function called for each event of that kind, from an app's subscribers.py."""

    def register(function: Callable[[E], None]) -> Callable[[E], None]:
        _subscribers[event.name][f"{function.__module__}.{function.__qualname__}"] = function
        return function

    return register


def follow(wants: Callable[[type[Event]], bool]) -> Callable[[Follower], Follower]:
    """Have the function called for each event of a kind that `wants` says yes to, in the current workspace,
    when it is published.
    """

    def register(function: Follower) -> Follower:
        _followers[f"{function.__module__}.{function.__qualname__}"] = (function, wants)
        return function

    return register


def subscribers_of(name: str) -> dict[str, Subscriber]:
    return dict(_subscribers[name])


def is_awaited(event: type[Event]) -> bool:
    """Whether anybody waits for such an event of the current workspace."""
    return bool(_subscribers[event.name]) or any(wants(event) for _, wants in _followers.values())


def publish(event: Event) -> OutboxEvent:
    """Write the event in the open transaction. Raises TransactionManagementError outside one."""
    _require_transaction()
    payload, awaited = asdict(event), is_awaited(type(event))
    row = _write(payload.pop("workspace_id"), event.name, payload, is_awaited=awaited)
    if awaited:
        deliver.delay_on_commit(workspace_id=event.workspace_id, event_id=row.pk)
    return row


def publish_many(news: Sequence[Event]) -> None:
    """The same for events of the workspace in scope, in one statement."""
    _require_transaction()
    if not news:
        return
    rows = []
    for event in news:
        payload = asdict(event)
        if payload.pop("workspace_id") != scoping.current_id():
            raise ValueError("an event of another workspace")
        rows.append({"name": event.name, "payload": payload, "is_awaited": is_awaited(type(event))})
    with connection.cursor() as cursor:
        cursor.execute(ADD_MANY, [scoping.current_id(), json.dumps(rows)])
        awaited = [pk for pk, is_awaited_for in cursor.fetchall() if is_awaited_for]
    for pk in awaited:
        deliver.delay_on_commit(workspace_id=scoping.current_id(), event_id=pk)


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "publish() belongs in the transaction of the change it tells of"
        )


def _write(workspace_id: int, name: str, payload: dict[str, Any], *, is_awaited: bool) -> OutboxEvent:
    """The row, without the ORM: it took a tenth of the time of a tracked batch."""
    with connection.cursor() as cursor:
        cursor.execute(ADD, [workspace_id, name, json.dumps(payload), is_awaited])
        pk, created_at, due_at = cursor.fetchone()
    return OutboxEvent(
        pk=pk,
        workspace_id=workspace_id,
        name=name,
        payload=payload,
        created_at=created_at,
        due_at=due_at,
        attempts=0,
    )


@workspace_task(name="accounts.events.deliver")
def deliver(*, event_id: int) -> None:
    """Bring one event to every subscriber that has no receipt for it yet, and say when to try the rest
    again.
    """
    row = OutboxEvent.objects.filter(pk=event_id).first()
    if row is None or row.due_at is None:
        return
    # Counted before and not after: an event that kills its worker would be tried for ever.
    wait = FIRST_WAIT * 2 ** min(row.attempts, 10)
    waits = OutboxEvent.objects.filter(pk=row.pk, due_at__isnull=False)
    waits.update(attempts=F("attempts") + 1, due_at=Now() + wait)
    if all(_deliver_to_each(row)):
        OutboxEvent.objects.filter(pk=row.pk).update(due_at=None)


@shared_task(name="accounts.events.sweep")
def sweep() -> int:
    """Start delivery of the events that are overdue: their worker died, or a subscriber failed before."""
    with scoping.across_workspaces("events.sweep"):
        overdue = OutboxEvent.objects.filter(due_at__lt=Now() - timedelta(seconds=30)).order_by("due_at")
        found = list(overdue.values_list("workspace_id", "pk")[:SWEEP_BATCH])
    for workspace_id, event_id in found:
        with scoping.workspace(workspace_id):
            # Not found again for a while, or a backlog would be sent anew by every sweep.
            OutboxEvent.objects.filter(pk=event_id, due_at__isnull=False).update(due_at=Now() + FIRST_WAIT)
        deliver.delay(workspace_id=workspace_id, event_id=event_id)
    return len(found)


@shared_task(name="accounts.events.prune")
def prune() -> None:
    """Start pruning in every workspace."""
    with scoping.across_workspaces("workspace.list"):
        workspaces = list(Workspace.objects.values_list("pk", flat=True))
    for workspace_id in workspaces:
        prune_workspace.delay(workspace_id=workspace_id)


@workspace_task(name="accounts.events.prune_workspace")
def prune_workspace() -> int:
    """Forget the workspace's settled events older than KEPT, with their receipts. Dead letters are kept for
    a person to look at.

    Walks the oldest ids and stops at the first batch that is young: no index on the time is needed.
    """
    last, pruned = 0, 0
    while oldest := list(
        OutboxEvent.objects.filter(pk__gt=last)
        .order_by("pk")
        .annotate(is_old=Q(created_at__lt=Now() - KEPT))
        .values_list("pk", "is_old", "due_at")[:PRUNE_BATCH]
    ):
        last = oldest[-1][0]
        pruned += _forget([pk for pk, is_old, due_at in oldest if is_old and due_at is None])
        if not oldest[-1][1]:
            break
    return pruned


@transaction.atomic
def _forget(event_ids: list[int]) -> int:
    """Delete these events, save those that are a dead letter somewhere or were replayed just now."""
    receipts = Delivery.objects.filter(event__in=event_ids)
    dead = set(receipts.filter(state=Delivery.State.DEAD).values_list("event_id", flat=True))
    settled = OutboxEvent.objects.select_for_update().filter(pk__in=event_ids, due_at=None)
    gone = list(settled.exclude(pk__in=dead).order_by("pk").values_list("pk", flat=True))
    receipts.filter(event__in=gone).delete()
    OutboxEvent.objects.filter(pk__in=gone).delete()
    return len(gone)


@transaction.atomic
def replay(event: OutboxEvent, *, subscriber: str | None = None) -> None:
    """Deliver again to the subscribers that failed for good (or to the one named, even if it has its
    receipt).
    """
    past = Delivery.objects.filter(event=event)
    (past.filter(subscriber=subscriber) if subscriber else past.filter(state=Delivery.State.DEAD)).delete()
    OutboxEvent.objects.filter(pk=event.pk).update(due_at=Now(), attempts=0)
    deliver.delay_on_commit(workspace_id=event.workspace_id, event_id=event.pk)


def _deliver_to_each(row: OutboxEvent) -> list[bool]:
    """Per subscriber that waits, whether it is settled.

    An event that this code does not know is tried again later: it may be known to newer code.
    """
    try:
        event = _rebuild(row)
    except (KeyError, TypeError) as error:
        log.error("event.unreadable", event_name=row.name, event_id=row.pk, error=str(error))
        return [_note_failure(row, UNREADABLE, error)]
    past = Delivery.objects.filter(event=row)
    settled = set(past.exclude(state=Delivery.State.FAILING).values_list("subscriber", flat=True))
    waiting = {name: call for name, call in _waiting_for(row, event).items() if name not in settled}
    if row.attempts >= MAX_ATTEMPTS:
        return [_note_failure(row, name, NeverReturned(NeverReturned.__doc__)) for name in waiting]
    return [_deliver_to(row, event, name, call) for name, call in waiting.items()]


def _waiting_for(row: OutboxEvent, event: Event) -> dict[str, Subscriber]:
    kind = type(event)
    following = {
        name: partial(_told_with_row, call, row) for name, (call, wants) in _followers.items() if wants(kind)
    }
    return subscribers_of(row.name) | following


def _told_with_row(call: Follower, row: OutboxEvent, event: Event) -> None:
    call(event, row)


def _rebuild(row: OutboxEvent) -> Event:
    """The event as its class says it today.

    Fields it no longer has are left out, new ones take their defaults.
    """
    kind = REGISTRY[row.name]
    known = {field.name for field in fields(kind)}
    return kind(
        workspace_id=row.workspace_id, **{key: value for key, value in row.payload.items() if key in known}
    )


def _deliver_to(row: OutboxEvent, event: Event, name: str, call: Subscriber) -> bool:
    """Run one subscriber with its receipt. True when nothing is left to do for it."""
    try:
        with transaction.atomic():
            receipt, is_new = Delivery.objects.select_for_update().get_or_create(
                workspace_id=row.workspace_id,
                event=row,
                subscriber=name,
                defaults={"state": Delivery.State.DONE},
            )
            if not is_new and receipt.state != Delivery.State.FAILING:
                return True  # another delivery of this event got here first
            Delivery.objects.filter(pk=receipt.pk).update(
                state=Delivery.State.DONE, error="", updated_at=Now()
            )
            call(event)
        return True
    except Exception as error:
        log.exception("event.subscriber_failed", event_name=row.name, event_id=row.pk, subscriber=name)
        return _note_failure(row, name, error)


def _note_failure(row: OutboxEvent, name: str, error: Exception) -> bool:
    attempts = row.attempts + 1
    is_dead = attempts >= MAX_ATTEMPTS
    noted = {
        "state": Delivery.State.DEAD if is_dead else Delivery.State.FAILING,
        "attempts": attempts,
        "error": f"{type(error).__name__}: {error}"[:2_000],
    }
    with transaction.atomic():
        receipt, is_new = Delivery.objects.select_for_update().get_or_create(
            workspace_id=row.workspace_id, event=row, subscriber=name, defaults=noted
        )
        if is_new:
            return is_dead
        if receipt.state == Delivery.State.DONE:
            return True  # another delivery of this event got through while this one failed
        Delivery.objects.filter(pk=receipt.pk).update(**noted, updated_at=Now())
    return is_dead
