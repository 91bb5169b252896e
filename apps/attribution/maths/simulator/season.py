"""When wedding suppliers have time to look at software: a clock that runs faster in season."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOUR_SECONDS = 3600.0
DAY_SECONDS = 86_400.0

# Marriages by month, percent of the year: US 2000-09, CDC (public domain).
MARRIAGES = np.array([5.6, 6.4, 7.0, 7.7, 9.1, 10.4, 10.5, 10.3, 9.6, 9.4, 7.1, 6.8])
# Weddings by weekday, Monday first, percent: England and Wales 1995-2013, press on ONS figures.
WEDDINGS = np.array([4.0, 3.3, 4.0, 5.0, 17.0, 62.0, 4.4])
# Assumed: couples get engaged from December to February and write to suppliers at once.
ENQUIRIES = np.array([1.6, 1.4, 1.1, 1.0, 0.9, 0.85, 0.85, 0.85, 0.95, 1.0, 1.05, 1.3])
# Assumed: office hours, and an evening of paperwork.
HOURS = np.array(
    [2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 9, 10, 11, 11, 10, 9, 8, 10, 12, 11, 8, 4], dtype=float
)


def _unit_mean(weights: Floats) -> Floats:
    unit: Floats = weights / weights.mean()
    return unit


def _activity(hours: NDArray[np.datetime64]) -> Floats:
    """Enquiries bring suppliers to the market; weddings keep them away from their desks."""
    days = hours.astype("datetime64[D]").astype(np.int64)
    month = hours.astype("datetime64[M]").astype(np.int64) % 12
    hour = hours.astype("datetime64[h]").astype(np.int64) % 24
    by_month = _unit_mean(ENQUIRIES * (1 - 0.35 * MARRIAGES / MARRIAGES.max()))
    by_weekday = _unit_mean(1 - 0.9 * WEDDINGS / 100)
    return by_month[month] * by_weekday[(days + 3) % 7] * _unit_mean(HOURS)[hour]


@dataclass(frozen=True)
class Clock:
    """Two-way map between calendar time and busy days.

    seconds, busy: shape (hours + 1,), increasing; epoch seconds, and typical days of market activity
    since the start. Whatever is uniform in busy days is seasonal in calendar time, order preserved.
    """

    seconds: Floats
    busy: Floats

    @property
    def total(self) -> float:
        return float(self.busy[-1])

    def calendar(self, busy: Floats) -> Floats:
        """Epoch seconds to the millisecond; inf stays inf."""
        inside = np.round(np.interp(busy, self.busy, self.seconds), 3)
        return np.where(np.isfinite(busy), inside, np.inf)

    def busy_at(self, seconds: float) -> float:
        return float(np.interp(seconds, self.seconds, self.busy))


def clock(*, end: datetime, days: int) -> Clock:
    """Run from `days` before `end` to `end`.

    Raises ValueError for a naive `end` or days < 1.
    """
    if end.tzinfo is None:
        raise ValueError("end needs a time zone")
    if days < 1:
        raise ValueError(f"days must be >= 1; got {days}")
    hours = np.arange(days * 24 + 1, dtype=np.float64)
    seconds = end.timestamp() - days * DAY_SECONDS + hours * HOUR_SECONDS
    activity = _activity(seconds[:-1].astype("datetime64[s]"))
    return Clock(seconds=seconds, busy=np.concatenate([[0.0], np.cumsum(activity) / 24]))
