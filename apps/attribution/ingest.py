"""Keep what was tracked, each event once. Batches of any size; the single event is a batch of one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from apps.accounts import events, scoping
from apps.accounts.permissions import Actor
from apps.attribution import orders, sources, touch_rows, visitors
from apps.attribution.events import TouchpointsStored
from apps.attribution.order_items import ConversionVerdict
from apps.attribution.orders import StoredConversions
from apps.attribution.records import ConversionIn, Touch


@dataclass(frozen=True, kw_only=True)
class TouchVerdict:
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

    def deed() -> tuple[list[TouchVerdict], list[ConversionVerdict]]:
        people = visitors.resolve([*touches, *conversions])
        touched = _write(touches, people[: len(touches)])
        return touched, orders.write(conversions, people[len(touches) :], now=now)

    return orders.settled(deed)


def store(
    actor: Actor, touches: Sequence[Touch], conversions: Sequence[ConversionIn], *, now: datetime
) -> tuple[Stored, StoredConversions]:
    """The bulk door: the same for tens of thousands at a time, counted. One transaction."""
    if not touches and not conversions:
        return Stored(0, 0), StoredConversions(0, 0, [])

    def deed() -> tuple[Stored, StoredConversions]:
        _plan_anew()
        people = visitors.resolve([*touches, *conversions])
        stored = _load(touches, people[: len(touches)])
        return stored, orders.summed(orders.write(conversions, people[len(touches) :], now=now))

    return orders.settled(deed)


def store_touchpoints(actor: Actor, touches: Sequence[Touch], *, now: datetime) -> Stored:
    """The bulk door for touches alone."""
    return store(actor, touches, [], now=now)[0]


def _plan_anew() -> None:
    """PostgreSQL keeps the plans of its foreign key checks. One made while a table was all but empty reads
    the whole workspace for each row, until the next ANALYZE: the longer an import, the slower (measured:
    220 million index entries for 21,000 orders).
    """
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


def _write(touches: Sequence[Touch], people: Sequence[int]) -> list[TouchVerdict]:
    if not touches:
        return []
    keys = sources.of_touches(touches)
    new = touch_rows.insert(touch_rows.rows_of(touches, people, keys))
    known = touch_rows.known([touch.event_id for touch in touches if touch.event_id not in new])
    if new:
        ids = [one.id for one in new.values()]
        _publish(len(ids), min(ids), max(ids))
    verdicts: dict[str, TouchVerdict] = {}
    return [
        _verdict(touch.event_id, key.channel, new, known, verdicts)
        for touch, key in zip(touches, keys, strict=True)
    ]


def _verdict(
    event_id: str,
    channel: str,
    new: dict[str, touch_rows.New],
    known: dict[str, touch_rows.Known],
    verdicts: dict[str, TouchVerdict],
) -> TouchVerdict:
    """The second time that a batch holds an event id, it is a duplicate of the first."""
    if first := verdicts.get(event_id):
        return replace(first, is_duplicate=True)
    if stored := new.get(event_id):
        person_id = stored.person_id
    else:
        person_id, channel = known[event_id]
    verdict = verdicts[event_id] = TouchVerdict(
        event_id=event_id, person_id=person_id, channel=channel, is_duplicate=stored is None
    )
    return verdict


def _load(touches: Sequence[Touch], people: Sequence[int]) -> Stored:
    if not touches:
        return Stored(0, 0)
    loaded = touch_rows.load(touch_rows.rows_of(touches, people, sources.of_touches(touches)))
    if loaded.first_id is not None and loaded.last_id is not None:
        _publish(loaded.total, loaded.first_id, loaded.last_id)
    return Stored(loaded.total, len(touches) - loaded.total)


def _publish(count: int, first_id: int, last_id: int) -> None:
    events.publish(
        TouchpointsStored(workspace_id=scoping.current_id(), first_id=first_id, last_id=last_id, count=count)
    )
