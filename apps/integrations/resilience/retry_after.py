"""When a service says that it wants to be left alone until: in all the forms that services use."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# "1h2m3.5s", "30s", "250ms"
DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)
UNITS = (3600.0, 60.0, 1.0, 0.001)
# Longer than a day is a mistake or an epoch that was read as seconds.
LONGEST_SECONDS = 86_400.0
EPOCH_FROM = 1e9
RESETS = ("x-account-rate-limit-reset", "x-rate-limit-reset", "ratelimit-reset")


def seconds_of(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds to wait as the headers say it (names in lower case), or None. Never negative, at most a day.

    Understands retry-after-ms; Retry-After in seconds, as a date and as a duration; and the resets of rate
    limits in seconds from now or as a time, where nothing remains.
    """
    if (millis := _number(headers.get("retry-after-ms", ""))) is not None:
        return _bounded(millis / 1000)
    if text := headers.get("retry-after", "").strip():
        return parse(text, now=now)
    return next((parse(headers[name], now=now) for name in RESETS if headers.get(name)), None)


def parse(text: str, *, now: datetime) -> float | None:
    """Seconds: a number, a duration such as 1m30s, an HTTP date, or a time in seconds since 1970. None for
    rubbish.
    """
    text = text.strip()
    if (number := _number(text)) is not None:
        return _bounded(number - now.timestamp() if number >= EPOCH_FROM else number)
    if text and (match := DURATION.fullmatch(text)):
        return _bounded(
            sum(float(part or 0) * unit for part, unit in zip(match.groups(), UNITS, strict=True))
        )
    try:
        then = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return _bounded((then - now).total_seconds())


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,15}(\.\d+)?", text.strip()) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_SECONDS)
