"""Who goes first, and what a wedding day may and may not do.

A message is of a wedding day when its event is near in the venue's own time and its template is on the list;
a Saturday alone makes nothing urgent, or each newsletter of a Saturday would be.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

AHEAD = timedelta(hours=36)
BEHIND = timedelta(hours=12)


class Lane(IntEnum):
    """The order in which calls are taken; lower goes first."""

    CRITICAL = 0
    TRANSACTIONAL = 1
    MARKETING = 2
    BACKFILL = 3


# Of each limit, the share that only the critical lane may use.
RESERVED_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class WeddingDay:
    """The event that a message is about. zone: the venue's."""

    event_on: date
    zone: ZoneInfo
    template: str


def is_wedding_day(day: WeddingDay, *, now: datetime, allowed_templates: frozenset[str]) -> bool:
    """Whether some of the event's day at the venue lies within the next 36 hours or the last 12."""
    begins = datetime.combine(day.event_on, time(), tzinfo=day.zone).astimezone(UTC)
    ends = datetime.combine(day.event_on + timedelta(days=1), time(), tzinfo=day.zone).astimezone(UTC)
    return day.template in allowed_templates and begins - AHEAD <= now < ends + BEHIND


def lane_of(lane: Lane, day: WeddingDay | None, *, now: datetime, allowed_templates: frozenset[str]) -> Lane:
    """The lane of a message: critical on a wedding day, else its own."""
    is_near = day is not None and is_wedding_day(day, now=now, allowed_templates=allowed_templates)
    return Lane.CRITICAL if is_near else lane
