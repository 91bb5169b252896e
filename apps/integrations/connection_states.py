"""How a connection comes to a stand and goes on again, and its waiting calls with it."""

from datetime import datetime

from apps.accounts import audit, events
from apps.accounts.permissions import Actor, system
from apps.integrations import trail
from apps.integrations.events import ConnectionRestored, ConnectionStopped
from apps.integrations.models import Call, Connection
from apps.integrations.trail import Step

AT_ONCE = 1_000


def ask_for_sign_in(connection: Connection, *, reason: str, now: datetime) -> None:
    _stop(connection, Connection.State.NEEDS_SIGN_IN, reason=reason, now=now)


def switch_off(connection: Connection, *, reason: str, now: datetime) -> None:
    """The service refuses in a way that more calls would not change."""
    _stop(connection, Connection.State.SWITCHED_OFF, reason=reason, now=now)


def restore(connection: Connection, actor: Actor, *, now: datetime) -> None:
    """It works again: what was held goes out."""
    _set(connection, Connection.State.CONNECTED, reason="", now=now, actor=actor)
    while held := _some_held(connection):
        Call.objects.filter(pk__in=[call.pk for call in held]).update(state=Call.State.WAITING, due_at=now)
        trail.append(*(Step(call.stream, "released", {"state": Call.State.WAITING}, now) for call in held))
    events.publish(ConnectionRestored(workspace_id=connection.workspace_id, connection_id=connection.pk))


def _some_held(connection: Connection) -> list[Call]:
    """A few of what may be very many, without their content."""
    held = Call.objects.filter(connection=connection, state=Call.State.HELD).only("public_id")
    return list(held.order_by("pk").select_for_update()[:AT_ONCE])


def _stop(connection: Connection, state: str, *, reason: str, now: datetime) -> None:
    if not connection.is_usable:
        return
    _set(connection, state, reason=reason, now=now, actor=system(connection.workspace_id))
    events.publish(
        ConnectionStopped(workspace_id=connection.workspace_id, connection_id=connection.pk, state=state)
    )


def _set(connection: Connection, state: str, *, reason: str, now: datetime, actor: Actor) -> None:
    before = {"state": connection.state}
    connection.state, connection.state_reason, connection.state_changed_at = state, reason[:300], now
    connection.save(update_fields=["state", "state_reason", "state_changed_at"])
    audit.record(
        actor,
        "connection.state_changed",
        connection,
        now=now,
        before=before,
        after={"state": state},
        reason=reason,
    )
