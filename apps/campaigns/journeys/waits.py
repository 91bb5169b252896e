"""When a wait ends: pure questions of the clock and the calendar.

Hours and days are those of the person's zone. An hour that the clocks skip in spring is the moment to which
they were put forward; one that comes twice in autumn is the first of the two.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

LENGTHS = ("days", "hours", "minutes")


def length_of(step: Mapping[str, Any]) -> timedelta:
    """How long a step waits at most. Days are 24 hours."""
    return timedelta(**{name: step.get(name) or 0 for name in LENGTHS})


def at_hour(on: date, hour: int, zone: ZoneInfo) -> datetime:
    """The moment of a day's hour in the zone."""
    return datetime.combine(on, time(hour), tzinfo=zone).astimezone(UTC)


def next_hour(after: datetime, hour: int, weekday: int | None, zone: ZoneInfo) -> datetime:
    """The first moment from `after` on at which it is that hour (of that day of the week) there."""
    today = after.astimezone(zone).date()
    for days in range(9):
        on = today + timedelta(days=days)
        found = at_hour(on, hour, zone)
        if found >= after and weekday in (None, on.weekday()):
            return found
    raise ValueError(f"no weekday {weekday}")


def of_date(value: Any, days: int, hour: int, zone: ZoneInfo) -> datetime | None:
    """So many days after (below 0: before) a date that a trait holds; None where it holds none."""
    try:
        on = date.fromisoformat(str(value)[:10])
        return at_hour(on + timedelta(days=days), hour, zone)
    except (ValueError, OverflowError):
        return None
