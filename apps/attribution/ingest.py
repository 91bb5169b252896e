"""Keep what was tracked, each event once. Batches of any size; the single event is a batch of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import connection, transaction

from apps.accounts import events, people, scoping
from apps.accounts.permissions import Actor
from apps.attribution import intake, known_people, orders, sources, touch_rows, visitors
from apps.attribution.events import TouchpointsStored
from apps.attribution.models import Door
from apps.attribution.order_items import ConversionVerdict
from apps.attribution.orders import StoredConversions
from apps.attribution.records import ConversionIn, Touch
from apps.attribution.sources import SourceKey
from apps.attribution.touch_columns import Ints, TouchColumns


class TouchVerdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one event. A duplicate answers with what was stored first."""

    event_id: str
    person_id: str
    channel: str
    is_duplicate: bool

    @property
    def id(self) -> str:
        """The handle under which the touch is known outside: its event id."""
        return self.event_id


@dataclass(frozen=True)
class Stored:
    """What became of many touches."""

    stored: int
    duplicates: int


def track_event(actor: Actor, touch: Touch, *, now: datetime) -> TouchVerdict:
    return track_events(actor, [touch], now=now)[0]


def track_events(actor: Actor, touches: Sequence[Touch], *, now: datetime) -> list[TouchVerdict]:
    """Store a batch in one transaction; verdicts are aligned with it. Publishes TouchpointsStored."""
    return track(actor, touches, [], now=now)[0]


def track(
    actor: Actor, touches: Sequence[Touch], conversions: Sequence[ConversionIn], *, now: datetime
) -> tuple[list[TouchVerdict], list[ConversionVerdict]]:
    """Store touches and conversions in one transaction; verdicts are aligned with each.

    Locks the people concerned, then the orders. Publishes TouchpointsStored, ConversionsRecorded and
    ConversionsChanged.
    """
    if not touches and not conversions:
        return [], []
    keys = sources.of_touches(touches)
    if not conversions and (stored := known_people.store(touches, keys, door=Door.API, at=now)):
        return _verdicts(touches, keys, stored.people, touch_rows.known(stored.known)), []

    def deed() -> tuple[list[TouchVerdict], list[ConversionVerdict]]:
        people = visitors.resolve([*touches, *conversions])
        touched = _write(touches, people[: len(touches)], keys, now=now)
        sold = orders.write(conversions, people[len(touches) :], now=now)
        _enter(Door.API, [one for one in sold if not one.errors], at=now)
        return touched, sold

    return orders.settled(deed)


def store(
    actor: Actor,
    touches: Sequence[Touch] | TouchColumns,
    conversions: Sequence[ConversionIn],
    *,
    now: datetime,
    met: dict[str, int] | None = None,
) -> tuple[Stored, StoredConversions]:
    """The bulk door: the same for tens of thousands at a time, counted. One transaction.

    met: user ids of earlier batches and their people, for who has many (people.resolve_batch).
    """
    if not len(touches) and not conversions:
        return Stored(0, 0), StoredConversions(0, 0, [])
    columns = touches if isinstance(touches, TouchColumns) else TouchColumns.of(touches)

    def deed() -> tuple[Stored, StoredConversions]:
        _plan_anew()
        people = visitors.resolve_columns(columns, conversions, met=met)
        stored = _load(columns, people[: len(columns)])
        sold = orders.summed(orders.write(conversions, people[len(columns) :].tolist(), now=now))
        intake.count(
            Door.IMPORT,
            at=now,
            accepted=len(touches) + len(conversions) - len(sold.refused),
            stored=stored.stored + sold.stored,
            duplicates=stored.duplicates + sold.duplicates,
        )
        return stored, sold

    return orders.settled(deed)


@transaction.atomic
def track_known(
    actor: Actor, touches: Sequence[Touch], person_ids: Sequence[int], *, now: datetime
) -> Stored:
    """Store touches of people who are known by their keys, such as those whom we wrote to.

    Who was merged is met as their survivor; touches of the erased are left out. Locks the people. Publishes
    TouchpointsStored.
    """
    roots = people.meet(person_ids, [touch.occurred_at for touch in touches])
    known = [
        (touch, roots[person]) for touch, person in zip(touches, person_ids, strict=True) if person in roots
    ]
    kept = [touch for touch, _ in known]
    verdicts = _write(kept, [person for _, person in known], sources.of_touches(kept), now=now)
    duplicates = sum(verdict.is_duplicate for verdict in verdicts)
    return Stored(len(kept) - duplicates, duplicates)


def store_touchpoints(actor: Actor, touches: Sequence[Touch], *, now: datetime) -> Stored:
    """The bulk door for touches alone."""
    return store(actor, touches, [], now=now)[0]


def _enter(door: str, verdicts: Sequence[ConversionVerdict], *, at: datetime) -> None:
    """Enter in the books the conversions that were not refused."""
    duplicates = sum(one.is_duplicate for one in verdicts)
    new = len(verdicts) - duplicates
    intake.count(door, at=at, accepted=len(verdicts), stored=new, duplicates=duplicates)


def _plan_anew() -> None:
    """PostgreSQL keeps the plans of its foreign key checks. One made while a table was all but empty reads
    the whole workspace for each row, until the next ANALYZE: the longer an import, the slower (measured:
    220 million index entries for 21,000 orders).
    """
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


def _write(
    touches: Sequence[Touch], people: Sequence[int], keys: Sequence[SourceKey], *, now: datetime
) -> list[TouchVerdict]:
    """Store touches and enter them in the books."""
    if not touches:
        return []
    places = sources.ids(set(keys), labels=sources.labels_of(touches))
    new, first_id, last_id = touch_rows.insert(
        touch_rows.rows_of(touches, people, keys, places), door=Door.API, at=now
    )
    known = touch_rows.known([touch.event_id for touch in touches if touch.event_id not in new])
    if first_id is not None and last_id is not None:
        _publish(len(new), first_id, last_id)
    public_ids = visitors.public_ids(people)
    return _verdicts(touches, keys, [public_ids[person] for person in people], known)


def _verdicts(
    touches: Sequence[Touch],
    keys: Sequence[SourceKey],
    people: Sequence[str],
    known: dict[str, touch_rows.Known],
) -> list[TouchVerdict]:
    """The second time that a batch holds an event id, it is a duplicate of the first."""
    verdicts: dict[str, TouchVerdict] = {}
    return [
        _verdict(touch.event_id, touch_rows.Known(person, key.channel), known, verdicts)
        for touch, person, key in zip(touches, people, keys, strict=True)
    ]


def _verdict(
    event_id: str,
    said: touch_rows.Known,
    known: dict[str, touch_rows.Known],
    verdicts: dict[str, TouchVerdict],
) -> TouchVerdict:
    if first := verdicts.get(event_id):
        return msgspec.structs.replace(first, is_duplicate=True)
    person_id, channel = known.get(event_id, said)
    verdict = verdicts[event_id] = TouchVerdict(
        event_id=event_id, person_id=person_id, channel=channel, is_duplicate=event_id in known
    )
    return verdict


def _load(touches: TouchColumns, people: Ints) -> Stored:
    if not len(touches):
        return Stored(0, 0)
    loaded = touch_rows.load(touches, people)
    if loaded.total:
        _publish(loaded.total, loaded.first_id, loaded.last_id)
    return Stored(loaded.total, len(touches) - loaded.total)


def _publish(count: int, first_id: int, last_id: int) -> None:
    events.publish(
        TouchpointsStored(workspace_id=scoping.current_id(), first_id=first_id, last_id=last_id, count=count)
    )
