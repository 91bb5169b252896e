"""What people do with calls of the outbox: send a dead letter once more, stop what waits."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.permissions import Actor
from apps.integrations import outbox, settling
from apps.integrations.models import Call, Connection
from apps.integrations.resilience.lanes import Lane

S = Call.State


class NotReplayable(DomainError):
    code = "not_replayable"
    status = 409


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
    settling.note([(call, "replayed", {"state": call.state})], now=now)
    audit.record(actor, "call.replayed", call, now=now)
    outbox.relay_soon(call.workspace_id, Lane(call.lane))
    return call


@transaction.atomic
def cancel(actor: Actor, public_id: Any, *, now: datetime) -> Call:
    """Stop a call that is not under way. Audited."""
    call = Call.objects.select_for_update().filter(public_id=public_id).first()
    if call is None:
        raise NotHere("There is no such call.")
    if call.state not in {Call.State.WAITING, Call.State.HELD, Call.State.DEAD}:
        raise NotReplayable("It is under way or over.")
    settling.finish(call, Call.State.CANCELLED, now)
    call.save()
    settling.note([(call, "cancelled", {"state": call.state})], now=now)
    audit.record(actor, "call.cancelled", call, now=now)
    settling.tell(call)
    return call


def cancel_all(connection: Connection, *, now: datetime) -> int:
    """Stop all calls of a connection that wait, in the open transaction. Audited by the caller. How many."""
    waiting = Call.objects.filter(connection=connection, state__in=[S.WAITING, S.HELD])
    cancelled = 0
    while calls := list(
        waiting.defer("data_key", "payload_sealed").order_by("pk").select_for_update()[:1_000]
    ):
        for call in calls:
            call.state = S.CANCELLED
        rows = Call.objects.filter(pk__in=[call.pk for call in calls])
        rows.update(state=S.CANCELLED, due_at=None, settled_at=now, data_key=None, payload_sealed=None)
        settling.note([(call, "cancelled", {"state": call.state}) for call in calls], now=now)
        settling.tell(*calls)
        cancelled += len(calls)
    return cancelled
