"""What touches that are stored say of where they came from, read in slices, as rules look at them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from apps.accounts import scoping
from apps.attribution import addresses
from apps.attribution.channel_rules import Origin
from apps.attribution.loading import SourceRow
from apps.attribution.models import Touchpoint

SLICE = 20_000
START = datetime(1, 1, 1, tzinfo=UTC)
_HINTS = sorted(addresses.HINTS)
# By time, as the index lies. What the sender sent beside the address is in the properties.
_READ = """
    SELECT id, person_id, source_id, occurred_at, event_type, url, referrer,
        CASE WHEN properties ?| %s THEN properties END, is_channel_named
    FROM attribution_touchpoint
    WHERE workspace_id = (SELECT %s::bigint) AND (occurred_at, id) > (%s, %s)
    ORDER BY occurred_at, id LIMIT %s
"""


class StoredTouch(NamedTuple):
    """is_named: whether the sender named the channel; None where that is not known."""

    id: int
    person: int
    source: int
    occurred_at: datetime
    event_type: str
    url: str
    referrer: str
    properties: str | None
    is_named: bool | None


@dataclass(frozen=True)
class Place:
    """Where reading goes on: after this touch."""

    occurred_at: datetime
    id: int = 0

    def as_plain(self) -> list[Any]:
        return [self.occurred_at.isoformat(), self.id]

    @classmethod
    def of_plain(cls, plain: list[Any]) -> "Place":
        return cls(datetime.fromisoformat(plain[0]), plain[1])


def slices(after: Place, *, rows: int = SLICE) -> Iterator[list[StoredTouch]]:
    """The workspace's touches after a place, oldest first, a slice at a time."""
    while found := _read(after, rows):
        yield found
        after = Place(found[-1].occurred_at, found[-1].id)


def count(since: datetime | None) -> int:
    rows = Touchpoint.objects.all() if since is None else Touchpoint.objects.filter(occurred_at__gt=since)
    return rows.count()


def origin_of(touch: StoredTouch, source: SourceRow) -> Origin:
    """The same that its parsed record said (sources.origin) before it was stored."""
    page = addresses.read(touch.url)
    hints = {name: text for name, text in page.hints.items() if text != addresses.REMOVED}
    if touch.properties is not None:
        hints |= _beside(touch.properties)
    return Origin(
        source.platform,
        touch.event_type,
        source.campaign_id,
        hints.get("utm_source", ""),
        hints.get("utm_medium", ""),
        hints.get("utm_campaign", ""),
        tuple(sorted(addresses.CLICK_IDS.intersection(hints))) if hints else (),
        page.host,
        addresses.host_of(touch.referrer),
    )


def _beside(properties: str) -> dict[str, str]:
    known = json.loads(properties)
    return {name: known[name] for name in _HINTS if isinstance(known.get(name), str) and known[name]}


def _read(after: Place, rows: int) -> list[StoredTouch]:
    with connection.cursor() as cursor:
        cursor.execute(_READ, [_HINTS, scoping.current_id(), after.occurred_at, after.id, rows])
        return [StoredTouch(*row) for row in cursor.fetchall()]
