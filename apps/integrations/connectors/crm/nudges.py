"""What customer systems tell us on their own: that a record changed, or the record itself.

Hooks call this; the sync engine, which connectors know nothing of, listens.
"""

from collections.abc import Callable
from datetime import datetime

from apps.integrations.connectors.crm.system import Remote
from apps.integrations.models import Connection, SyncNudge

Wake = Callable[[Connection], None]
Take = Callable[[Connection, Remote, datetime], str]
_wakes: list[Wake] = []
_takes: list[Take] = []


def nudge(connection: Connection, entity: str, external_id: str, *, now: datetime) -> None:
    """Have the record read again once this transaction commits. However often it is told, it is read once."""
    SyncNudge.objects.bulk_create(
        [
            SyncNudge(
                workspace_id=connection.workspace_id,
                connection=connection,
                entity=str(entity),
                external_id=external_id[:200],
                nudged_at=now,
                due_at=now,
            )
        ],
        update_conflicts=True,
        unique_fields=["workspace", "connection", "entity", "external_id"],
        update_fields=["nudged_at", "due_at"],
    )
    for wake in _wakes:
        wake(connection)


def tell(connection: Connection, remote: Remote, *, now: datetime) -> str:
    """Take the record as it was told, for a system that cannot be asked. Says what came of it.

    Fields that were not told are left out of remote.fields; None in a field means that it is empty there.
    """
    return " ".join(take(connection, remote, now) for take in _takes)


def listen(*, wake: Wake, take: Take) -> None:
    """Have the engine called. Once."""
    _wakes.append(wake)
    _takes.append(take)
