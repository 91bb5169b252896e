"""Days unlike the days before: which metric of a campaign, in which direction, and how far outside what was
due.

A day is judged only by days before it. Of all days on which nothing happened, at most FALSE_ALARMS are told
as anomalies of any metric (docs/models/forecasts.md, by simulation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, nbdtrik, ndtr, ndtri, stdtr, stdtrit

Floats = NDArray[np.float64]

FALSE_ALARMS = 0.01  # of a campaign's days, over all its metrics together
WINDOW = 14  # days that say what is usual
TRIMMED = 2  # of them left out at each end
LEAST_DAYS = 28
SEASON_WEEKS = 4.0  # of an even week that the season of a weekday is mixed with
LEAST_EXPECTED = 5.0  # conversions due, below which a day of few of them says nothing
FREEDOM = 0.5  # degrees of freedom of the spread per day that it is known from, days being alike


class Metric(StrEnum):
    SPEND = "spend"
    CLICKS = "clicks"
    CONVERSIONS = "conversions"
    CPA = "cpa"
    ROAS = "roas"


class Direction(StrEnum):
    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, eq=False, kw_only=True)
class Daily:
    """(days,) each, oldest first, whole days, >= 0; NaN where a day is unknown."""

    spend: ArrayLike
    clicks: ArrayLike
    conversions: ArrayLike
    revenue: ArrayLike


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One metric of one day. day: column; low, high: what was due, at 1 - FALSE_ALARMS / 5; p_value:
    two-sided, for all metrics of the day together, 1 without enough data. direction: of CPA and ROAS
    themselves, None where nothing is amiss.
    """

    day: int
    metric: Metric
    value: float
    expected: float
    low: float
    high: float
    p_value: float
    direction: Direction | None
    enough: bool

    @property
    def is_anomaly(self) -> bool:
        return self.direction is not None


def judge(daily: Daily, *, days: int = 1) -> tuple[Judged, ...]:
    """Judge the last `days` days, all metrics of each, oldest day first.

    Raises ValueError for series of different lengths, negative or infinite figures, or no days.

    Spend, clicks and conversions are compared with level * season of the weekday: level is the trimmed mean
    of the last WINDOW days without their season. CPA is judged as conversions against spend / usual CPA, and
    ROAS as revenue against spend * usual ROAS, so that a day of little spend is a day of little evidence.
    Misses of the days before, trimmed, say how wide a day spreads; around the expectation lies a negative
    binomial (in units of an order for money), which is skewed as counts are, and its tails are Student's
    because the spread is itself an estimate. FALSE_ALARMS is shared
    by the five (Bonferroni).
    Source: Tukey 1962 (trimming); Hyndman, Athanasopoulos 2021, "Forecasting", 13.9.
    """
    series = _checked(daily)
    length = len(series["spend"])
    if not 1 <= days <= length:
        raise ValueError(f"days must be in [1, {length}]; got {days}")
    charts = _charts(series)
    return tuple(
        chart.judged(day, metric) for day in range(length - days, length) for metric, chart in charts.items()
    )


def _checked(daily: Daily) -> Mapping[str, Floats]:
    series = {name: np.asarray(values, dtype=np.float64) for name, values in vars(daily).items()}
    if len({values.shape for values in series.values()}) > 1 or series["spend"].ndim != 1:
        raise ValueError("all series need one figure of each day")
    for name, values in series.items():
        if np.isinf(values).any() or (values < 0).any():
            raise ValueError(f"{name} must be finite and >= 0, or NaN where unknown")
    return series


def _charts(series: Mapping[str, Floats]) -> dict[Metric, _Chart]:
    spend, conversions, revenue = series["spend"], series["conversions"], series["revenue"]
    sold = np.nansum(conversions)
    order = float(np.nansum(revenue) / sold) if sold else 1.0
    penny = float(np.nanmean(spend) / 1000) if np.nansum(spend) else 1.0
    one = np.ones_like(spend)
    return {
        Metric.SPEND: _Chart.of(spend, one, unit=penny),
        Metric.CLICKS: _Chart.of(series["clicks"], one, unit=1.0),
        Metric.CONVERSIONS: _Chart.of(conversions, one, unit=1.0),
        Metric.CPA: _Chart.of(conversions, spend, unit=1.0, inverse=True),
        Metric.ROAS: _Chart.of(revenue, spend, unit=order),
    }


@dataclass(frozen=True, eq=False)
class _Chart:
    """values: (days,) counted; per: what they are measured by, 1 or spend; expected: what was due."""

    values: Floats
    per: Floats
    expected: Floats
    unit: float
    inverse: bool

    @classmethod
    def of(cls, values: Floats, per: Floats, *, unit: float, inverse: bool = False) -> _Chart:
        known = np.isfinite(values) & np.isfinite(per) & (per > 0)
        rate = np.where(known, values / np.where(known, per, 1.0), np.nan)
        season = _season(rate) if (per == 1).all() else np.ones_like(rate)
        level = _level(rate / season, per if not (per == 1).all() else None)
        return cls(values, per, level * season * per, unit, inverse)

    def judged(self, day: int, metric: Metric) -> Judged:
        value, due = float(self.values[day]), float(self.expected[day])
        spread, freedom = self._spread(day)
        if not (
            np.isfinite(value) and np.isfinite(due) and freedom > 0 and due / self.unit >= LEAST_EXPECTED
        ):
            return self._unknown(day, metric)
        alpha = FALSE_ALARMS / len(Metric)
        tails = _Tails(due / self.unit, 1 + spread * due / self.unit, freedom)
        below, above = tails.at(value / self.unit)
        p_value = min(1.0, 2 * min(below, above) * len(Metric))
        low, high = (tails.quantile(q) * self.unit for q in (alpha / 2, 1 - alpha / 2))
        is_high = None if p_value > FALSE_ALARMS else above < below
        return self._told(day, metric, value, due, low, high, p_value, is_high)

    def _spread(self, day: int) -> tuple[float, float]:
        """Squared coefficient of variation of the days before beyond that of counts, and how well it is
        known.

        The variance of a day is unit * due + spread * due ** 2; misses are cut where a normal day would not
        lie, and what the cut takes away on average is given back.
        """
        due, values = self.expected[:day], self.values[:day]
        known = np.isfinite(due) & np.isfinite(values) & (due > 0)
        if known.sum() < LEAST_DAYS - WINDOW:
            return 0.0, 0.0
        due, miss = due[known][-90:], (values[known] - due[known])[-90:]
        size = np.sqrt(self.unit * due + due**2 * 0.01)
        scaled = miss / size
        cut = 2.5 * 1.4826 * float(np.median(np.abs(scaled))) or 1.0
        squares = np.clip(scaled, -cut, cut) ** 2 * 1.06 * size**2
        beyond = float((squares - self.unit * due).sum() / (due**2).sum())
        return max(beyond, 0.0), FREEDOM * float(known.sum())

    def _unknown(self, day: int, metric: Metric) -> Judged:
        nothing = float("nan")
        value = self._ratio(float(self.values[day]), float(self.per[day]))
        return Judged(
            day=day,
            metric=metric,
            value=value,
            expected=nothing,
            low=nothing,
            high=nothing,
            p_value=1.0,
            direction=None,
            enough=False,
        )

    def _told(
        self,
        day: int,
        metric: Metric,
        value: float,
        due: float,
        low: float,
        high: float,
        p_value: float,
        is_high: bool | None,
    ) -> Judged:
        per = float(self.per[day])
        ends = sorted((self._ratio(low, per), self._ratio(high, per)))
        direction = None
        if is_high is not None:
            direction = Direction.HIGH if is_high != self.inverse else Direction.LOW
        return Judged(
            day=day,
            metric=metric,
            value=self._ratio(value, per),
            expected=self._ratio(due, per),
            low=ends[0],
            high=ends[1],
            p_value=p_value,
            direction=direction,
            enough=True,
        )

    def _ratio(self, amount: float, per: float) -> float:
        """The metric itself: amount, amount / spend, or spend / amount, infinite without conversions."""
        if self.inverse:
            return per / amount if amount else float("inf")
        return amount / per if per else float("nan")


@dataclass(frozen=True)
class _Tails:
    """Of a count with this mean and variance / mean > 1, real counts too; Student's where it is normal."""

    mean: float
    dispersion: float
    freedom: float

    def at(self, count: float) -> tuple[float, float]:
        """P(X <= count), P(X >= count)."""
        below = self._wide(self._below(count))
        above = self._wide(1 - self._below(count - 1)) if count >= 1 else 1.0
        return below, above

    def quantile(self, chance: float) -> float:
        """The real count below which this chance lies; 0 where already none would be rarer."""
        wanted = float(ndtr(stdtrit(self.freedom, chance)))
        if wanted <= self._below(0.0):
            return 0.0
        return float(nbdtrik(wanted, self._size, self._share))

    def _below(self, count: float) -> float:
        """Negative binomial of size r = mean / (dispersion - 1): I_(1 / dispersion)(r, count + 1)."""
        if count < 0:
            return 0.0
        return float(betainc(self._size, count + 1, self._share))

    @property
    def _size(self) -> float:
        return self.mean / max(self.dispersion - 1, 1e-6)

    @property
    def _share(self) -> float:
        return 1 / max(self.dispersion, 1 + 1e-6)

    def _wide(self, chance: float) -> float:
        if not 0 < chance < 1:
            return min(max(chance, 0.0), 1.0)
        return float(stdtr(self.freedom, float(ndtri(chance))))


def _season(rate: Floats) -> Floats:
    """(days,) by weekday around 1, even weeks mixed in; 1 for less than LEAST_DAYS days."""
    length = len(rate)
    if length < LEAST_DAYS:
        return np.ones(length)
    weeks = sliding_window_view(rate, 7)
    middle = np.full(length, np.nan)
    middle[3 : length - 3] = np.where(np.isfinite(weeks).all(axis=1), weeks.sum(axis=1), np.nan) / 7
    share = np.divide(rate, middle, out=np.full(length, np.nan), where=middle > 0)
    weekdays = np.append(share, np.full(-length % 7, np.nan)).reshape(-1, 7)
    counts = np.isfinite(weekdays).sum(axis=0)
    ranked = np.sort(weekdays, axis=0)  # what is not known comes last
    ends = (ranked[np.maximum(at, 0), np.arange(7)] for at in ((counts - 1) // 2, counts // 2))
    medians = np.where(counts > 0, sum(ends) / 2, 1.0)
    season = (medians * counts + SEASON_WEEKS) / (counts + SEASON_WEEKS)
    return np.asarray((season / season.mean())[np.arange(length) % 7])


def _level(rate: Floats, weight: Floats | None) -> Floats:
    """(days,) trimmed mean of the WINDOW known days before each, NaN where there are fewer."""
    known = np.flatnonzero(np.isfinite(rate))
    level = np.full(len(rate), np.nan)
    if len(known) < WINDOW:
        return level
    weights = np.ones(len(known)) if weight is None else weight[known]
    windows, sizes = sliding_window_view(rate[known], WINDOW), sliding_window_view(weights, WINDOW)
    order = np.argsort(windows, axis=1)[:, TRIMMED:-TRIMMED]
    kept, size = np.take_along_axis(windows, order, 1), np.take_along_axis(sizes, order, 1)
    means = (kept * size).sum(axis=1) / size.sum(axis=1)
    before = np.searchsorted(known, np.arange(len(rate))) - WINDOW
    return np.where(before >= 0, means[np.maximum(before, 0)], np.nan)
