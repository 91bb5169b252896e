"""When messages may leave: between two hours of the day where the recipient is."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def opens_at(now: datetime, zone: ZoneInfo, *, from_hour: int, until_hour: int) -> datetime:
    """The first moment from now on within the window.

    now: aware. from_hour, until_hour: of the local clock, 0 <= from < until <= 24.
    Returns now where the window is open, else its next opening, in UTC.
    Raises ValueError for hours that are no window.

    Across a change of the clocks the local clock counts: an hour that is skipped opens when the clock has
    jumped over it, one that comes twice opens the first time. A window that is skipped as a whole is open
    right after the jump, for as long as it would have been.
    """
    if not 0 <= from_hour < until_hour <= 24:
        raise ValueError(f"hours need 0 <= from < until <= 24; got {from_hour} and {until_hour}")
    local = now.astimezone(zone)
    if from_hour <= local.hour < until_hour:
        return now
    first = local.date() - timedelta(days=1)  # its last hour may be the one that was skipped
    windows = (_window(first + timedelta(days), zone, from_hour, until_hour) for days in range(4))
    return max(now, next(opens for opens, closes in windows if now < closes))


def _window(day: date, zone: ZoneInfo, from_hour: int, until_hour: int) -> tuple[datetime, datetime]:
    """Of that day, in UTC. A time that is skipped is read by the offset before the jump (PEP 495)."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    opens = (midnight + timedelta(hours=from_hour)).astimezone(UTC)
    closes = (midnight + timedelta(hours=until_hour)).astimezone(UTC)
    return opens, closes if closes > opens else opens + timedelta(hours=until_hour - from_hour)
