"""How customer systems are read, as figures that alert rules are held against."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import timezone

from apps.integrations.metrics import Reading, gauge
from apps.integrations.models import Connection, SyncConflict, SyncStream
from apps.integrations.sync import streams


@gauge("sync.oldest_reading_seconds")
def _oldest() -> Iterator[Reading]:
    """Since the stream that was read to its end longest ago was; 0 where nothing is to be read."""
    now = timezone.now()
    ages = [now - (one.finished_at or one.began_at or one.created_at) for one in _read()]
    yield Reading(max((age.total_seconds() for age in ages), default=0.0))


@gauge("sync.failing")
def _failing() -> Iterator[Reading]:
    """Streams whose last reading failed."""
    yield Reading(sum(one.trouble != "" for one in _read()))


@gauge("sync.conflicts")
def _conflicts() -> Iterator[Reading]:
    yield Reading(SyncConflict.objects.filter(state=SyncConflict.State.OPEN).count())


def _read() -> list[SyncStream]:
    """The streams that beat reads: those that a person stopped, and systems that only take, are not late."""
    rows: QuerySet[SyncStream] = SyncStream.objects.filter(
        is_paused=False, connection__state=Connection.State.CONNECTED
    ).exclude(direction=SyncStream.Direction.OUT)
    found = [one for one in rows.select_related("connection") if streams.is_synced(one.connection)]
    return [one for one in found if streams.system_of(one.connection).is_readable]
