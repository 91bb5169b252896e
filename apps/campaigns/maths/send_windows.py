"""When messages may leave: between two hours of the day where the recipient is."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def opens_at(now: datetime, zone: ZoneInfo, *, from_hour: int, until_hour: int) -> datetime:
    """The first moment from now on within the window.

    now: aware. from_hour, until_hour: of the local clock, 0 <= from < until <= 24.
    Returns now where the window is open, else its next opening, in UTC.
    Raises ValueError for hours that are no window.

    Across a change of the clocks the local clock counts: an hour that is skipped opens when the clock has
    jumped over it, one that comes twice opens the first time.
    """
    if not 0 <= from_hour < until_hour <= 24:
        raise ValueError(f"hours need 0 <= from < until <= 24; got {from_hour} and {until_hour}")
    local = now.astimezone(zone)
    if from_hour <= local.hour < until_hour:
        return now
    day = local.date() if local.hour < from_hour else local.date() + timedelta(days=1)
    return datetime.combine(day, time(from_hour), tzinfo=zone).astimezone(UTC)
