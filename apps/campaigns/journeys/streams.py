"""Reading tables that only grow for news, without missing a row that is committed late.

Ids are handed out before their rows can be seen. So the last id is noted first (`seen_to`), then who writes
to the table at that moment (`writers`), and it is read only once those are over: no row up to there can
appear any more. A source that nobody listens to is not read, and begins anew where the table ends.
"""

import json
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from apps.accounts import scoping
from apps.campaigns.journeys import hearing, sources
from apps.campaigns.journeys.sources import Happening, Source
from apps.campaigns.models import JourneyReading

ROWS = 5_000
# Nobody listened for so long: what came meanwhile is not news.
FORGOTTEN = timedelta(hours=1)
LAST = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_id_seq"
# A transaction takes this lock before the first id, and keeps it until its end.
WRITERS = """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND relation = %s::regclass
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def read_all(*, now: datetime) -> None:
    """Each source that somebody listens to, in transactions of its own."""
    listened = hearing.listening()
    for source in sources.streams():
        if source.key in listened:
            while read(source, now=now):
                continue


def begin(listened: Collection[str], *, now: datetime) -> None:
    """Read these from where their tables end now, but for those that somebody listened to of late."""
    for source in sources.streams():
        if source.key in listened:
            _place(source, *_ends(source), now=now)


@transaction.atomic
def read(source: Source, *, now: datetime) -> bool:
    """The next rows, and the place in one transaction with what follows. True when there may be more."""
    last, writers = _ends(source)
    place, begins = _place(source, last, writers, now=now)
    if begins:
        return False
    is_settled = set(place.writers).isdisjoint(writers)
    found = list(_rows(source, place)) if is_settled and place.read_to < place.seen_to else []
    if has_more := len(found) == ROWS:
        found = _whole(found)
    if found:
        hearing.take(source, [happening for _, happening in found], now=now)
    if is_settled:
        place.read_to = found[-1][0] if has_more else place.seen_to
        if not has_more:
            place.seen_to, place.writers = last, writers
    place.read_at = now
    place.save()
    return has_more


def _whole(found: list[tuple[int, Happening]]) -> list[tuple[int, Happening]]:
    """Without the last row of a full page, of which not all people may be on it: it is read with the next."""
    last = found[-1][0]
    return [one for one in found if one[0] != last] or found


def _place(source: Source, last: int, writers: list[str], *, now: datetime) -> tuple[JourneyReading, bool]:
    """Where it was read to, locked until the end of the transaction, and whether it begins only now."""
    place, is_new = JourneyReading.objects.get_or_create(
        source=source.key,
        workspace_id=scoping.current_id(),
        defaults={"read_to": last, "seen_to": last, "writers": writers, "read_at": now},
    )
    place = JourneyReading.objects.select_for_update().get(pk=place.pk)
    if begins := is_new or now - place.read_at > FORGOTTEN:
        place.read_to = place.seen_to = last
        place.writers, place.read_at = writers, now
        place.save()
    return place, begins


def _ends(source: Source) -> tuple[int, list[str]]:
    """The last id, and then who writes: whoever got an id up to there and writes no more is over."""
    table = _table(source)
    with connection.cursor() as cursor:
        cursor.execute(LAST.format(table=table))
        last = int(cursor.fetchone()[0])
        cursor.execute(WRITERS, [table])
        return last, [name for (name,) in cursor.fetchall()]


def _table(source: Source) -> str:
    return source.table.split("FROM ", 1)[1].split()[0]


def _rows(source: Source, place: JourneyReading) -> Iterator[tuple[int, Happening]]:
    given: dict[str, Any] = {
        "workspace": scoping.current_id(),
        "after": place.read_to,
        "upto": place.seen_to,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"{source.table} ORDER BY 1 LIMIT {ROWS}", given)
        for pk, person, cause, occurred_at, facts in cursor.fetchall():
            told = {key: value for key, value in json.loads(facts).items() if value is not None}
            yield pk, Happening(person_id=person, cause=cause, occurred_at=occurred_at, facts=told)
