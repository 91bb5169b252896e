"""The next weeks of a daily series, with intervals; yields to last week repeated where that is better."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

HORIZON = 28
LEAST_DAYS = 7
FULL_DAYS = 28  # from which the level may move and methods are compared
MOST_MISSING = 0.25
MOST_TRIALS = 20  # past forecasts that methods are compared by
SMOOTHING = np.array([0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.45])
EVEN_WEEKS = 0.5  # that the season of a weekday is mixed with
LAGS = 14
FREEDOM, FIRST_FREEDOM = 8.0, 3.0  # of the interval; of what residuals say, against what past forecasts say
LEVEL = 0.95
FIRST_MEMORY, FIRST_DAYS = 0.7, 21.0  # correlation of neighbouring days, and how many days that counts for


class Method(StrEnum):
    WEEKDAY_SMOOTHING = "weekday_smoothing"
    SEASONAL_NAIVE = "seasonal_naive"
    WEEKDAY_MEAN = "weekday_mean"


class Lack(StrEnum):
    FEW_DAYS = "few_days"
    MISSING_DAYS = "missing_days"
    ONLY_ZEROS = "only_zeros"


@dataclass(frozen=True, eq=False, kw_only=True)
class Forecast:
    """expected, low, high: (horizon,) of each day at 95 %; total, total_low, total_high of all together.

    total_error: relative standard error of the total. days: of history used. error, naive_error: mean
    absolute error of the method and of last week repeated, on past forecasts, over the mean weekly step
    (MASE); None where there was too little to try.
    """

    expected: Floats
    low: Floats
    high: Floats
    total: float
    total_low: float
    total_high: float
    total_error: float
    method: Method
    days: int
    error: float | None
    naive_error: float | None


@dataclass(frozen=True, kw_only=True)
class NoForecast:
    """days: that there were. because: what was lacking."""

    because: Lack
    days: int


def forecast(series: ArrayLike, *, horizon: int = HORIZON) -> Forecast | NoForecast:
    """Forecast a daily series.

    series: (days,) >= 0, oldest first, whole days; NaN where unknown, filled by its season if few.
    Raises ValueError for a negative or infinite figure, another shape, or a horizon < 1.

    Season of the weekday * level. From FULL_DAYS days on the level is exponential smoothing, its constant the
    one whose levels would have been nearest to the mean of the days that followed; with fewer it is the mean.
    Both it and last week repeated forecast the past, from every seventh day on; the better one is used.
    The interval: the mean of H days errs by the residuals' long-run variance / H, plus that of the level;
    mixed with how far past forecasts were off, on the log scale, with Student's tails.
    Source: Brown 1959 (smoothing); Hyndman, Koehler 2006 (MASE); Newey, West 1987 (long-run variance).
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or horizon < 1:
        raise ValueError(f"need one figure of each day and a horizon >= 1; got {values.shape}, {horizon}")
    if np.isinf(values).any() or (values < 0).any():
        raise ValueError("figures must be finite and >= 0, or NaN where unknown")
    if (lack := _lack(values)) is not None:
        return NoForecast(because=lack, days=len(values))
    return _forecast(_filled(values), horizon)


def _lack(values: Floats) -> Lack | None:
    known = np.isfinite(values)
    if known.sum() < LEAST_DAYS:
        return Lack.FEW_DAYS
    if 1 - known.mean() > MOST_MISSING:
        return Lack.MISSING_DAYS
    return Lack.ONLY_ZEROS if not np.nansum(values) > 0 else None


def _filled(values: Floats) -> Floats:
    known = np.isfinite(values)
    if known.all():
        return values
    season = _season(values)
    days = np.arange(len(values))
    level = np.interp(days, days[known], (values / season[days % 7])[known])
    return np.where(known, values, level * season[days % 7])


def _season(values: Floats) -> Floats:
    """(7,) by weekday, the first day's first; 1 on average, even weeks mixed in."""
    usual = float(np.nanmean(values))
    known = np.isfinite(values)
    days = np.arange(len(values)) % 7
    sums = np.bincount(days, np.where(known, values, 0.0), 7) / usual
    counts = np.bincount(days, known, 7)
    season = (sums + EVEN_WEEKS) / (counts + EVEN_WEEKS)
    return np.asarray(season / season.mean())


@dataclass(frozen=True, eq=False)
class _Plan:
    """A way to forecast. shape: (7,) expected by weekday, the first day to come first; lean: variance of the
    level per long-run variance of a day; own: of a day per variance of a day."""

    method: Method
    shape: Floats
    lean: float
    own: float

    def days(self, horizon: int) -> Floats:
        return self.shape[np.arange(horizon) % 7]


def _forecast(values: Floats, horizon: int) -> Forecast:
    plan, errors = _chosen(values, horizon)
    expected = plan.days(horizon)
    day_variance, lasting = _residual_variance(values)
    variance = lasting * (1 / horizon + plan.lean)
    if len(errors.misses):
        independent = max(1.0, (len(values) - FULL_DAYS) / errors.ahead)
        seen = float((errors.misses**2).mean()) * (1 / horizon + plan.lean) / (1 / errors.ahead + plan.lean)
        variance = (independent * seen + FIRST_FREEDOM * variance) / (independent + FIRST_FREEDOM)
    quantile = float(stdtrit(FREEDOM, 0.5 + LEVEL / 2))
    of_day = np.exp(quantile * np.sqrt(day_variance * plan.own + lasting * plan.lean))
    of_total = float(np.exp(quantile * np.sqrt(variance)))
    total = float(expected.sum())
    return Forecast(
        expected=expected,
        low=expected / of_day,
        high=expected * of_day,
        total=total,
        total_low=total / of_total,
        total_high=total * of_total,
        total_error=float(np.sqrt(variance)),
        method=plan.method,
        days=len(values),
        error=errors.ours if plan.method != Method.SEASONAL_NAIVE else errors.naive,
        naive_error=errors.naive,
    )


@dataclass(frozen=True, eq=False)
class _Errors:
    """misses: log of what came over what was told, of the sums of `ahead` days, by the method chosen."""

    misses: Floats
    ahead: int
    ours: float | None
    naive: float | None


def _chosen(values: Floats, horizon: int) -> tuple[_Plan, _Errors]:
    if len(values) < FULL_DAYS:
        return _by_mean(values), _Errors(np.zeros(0), 1, None, None)
    ahead = min(horizon, len(values) // 3)
    origins = range(FULL_DAYS, len(values) - ahead + 1, 7)[-MOST_TRIALS:]
    ours, naive = _by_smoothing(values), _by_last_week(values)
    tried = [(_by_smoothing(values[:o]), _by_last_week(values[:o]), values[o : o + ahead]) for o in origins]
    if not tried:
        return ours, _Errors(np.zeros(0), 1, None, None)
    step = float(np.abs(values[7:] - values[:-7]).mean()) or 1.0
    scores = [
        float(np.mean([np.abs(plans[i].days(ahead) - came).mean() for *plans, came in tried])) / step
        for i in (0, 1)
    ]
    best = int(scores[1] < scores[0])
    misses = [_miss(plans[best].days(ahead), came) for *plans, came in tried]
    return (ours, naive)[best], _Errors(np.array(misses), ahead, scores[0], scores[1])


def _miss(told: Floats, came: Floats) -> float:
    """Log ratio of the sums; a thousandth of the larger is added, for sums of nothing."""
    little = 1e-3 * max(float(told.sum()), float(came.sum()), 1e-300)
    return float(np.log((came.sum() + little) / (told.sum() + little)))


def _by_mean(values: Floats) -> _Plan:
    season = _season(values)
    level = values.mean() / season[np.arange(len(values)) % 7].mean()
    return _plan(Method.WEEKDAY_MEAN, level * season, len(values), 1 / len(values), 1.0)


def _by_last_week(values: Floats) -> _Plan:
    return _Plan(Method.SEASONAL_NAIVE, values[-7:], 1 / 7, 2.0)


def _by_smoothing(values: Floats) -> _Plan:
    season = _season(values)
    even = values / season[np.arange(len(values)) % 7]
    levels = _levels(even)
    ahead = min(HORIZON, len(values) // 3)
    came = sliding_window_view(even, ahead).mean(axis=1)[8:]
    misses = levels[:, 7 : 7 + len(came)] - came
    best = int((misses**2).mean(axis=1).argmin())
    lean = _lean(SMOOTHING[best], len(values))
    return _plan(Method.WEEKDAY_SMOOTHING, levels[best, -1] * season, len(values), lean, 1.0)


def _levels(even: Floats) -> Floats:
    """(constants, days): the level after each day, a running mean until the constant is larger than that."""
    levels = np.empty((len(SMOOTHING), len(even)))
    level = np.zeros(len(SMOOTHING))
    for day, value in enumerate(even.tolist()):
        level = level + np.maximum(SMOOTHING, 1 / (day + 1)) * (value - level)
        levels[:, day] = level
    return levels


def _lean(smoothing: float, days: int) -> float:
    return max(float(smoothing / (2 - smoothing)), 1 / days)


def _plan(method: Method, by_weekday: Floats, days: int, lean: float, own: float) -> _Plan:
    return _Plan(method, np.roll(by_weekday, -(days % 7)), lean, own)


def _residual_variance(values: Floats) -> tuple[float, float]:
    """Of the relative residuals around season and mean: variance of a day, and long-run variance of a day."""
    season = _season(values)
    even = values / season[np.arange(len(values)) % 7]
    residual = even / even.mean() - 1
    variance = float((residual**2).sum() / max(len(values) - 7, len(values) / 2))
    lags = range(1, min(LAGS, len(values) // 3) + 1)
    weights = [1 - lag / (len(lags) + 1) for lag in lags]
    together = [float((residual[lag:] * residual[:-lag]).sum() / len(values)) for lag in lags]
    lasting = variance + 2 * sum(w * c for w, c in zip(weights, together, strict=True))
    return variance, max(
        lasting, variance * _lasting(together[0] / variance if variance else 0.0, len(values))
    )


def _lasting(memory: float, days: int) -> float:
    """Long-run variance over variance of days that resemble the day before; see FIRST_MEMORY.

    A mean taken out of few days makes them seem to alternate, and hides waves longer than the history.
    """
    seen = memory + (1 + 3 * max(memory, 0.0)) / days
    mixed = float(np.clip((days * seen + FIRST_DAYS * FIRST_MEMORY) / (days + FIRST_DAYS), 0.0, 0.9))
    lasting = (1 + mixed) / (1 - mixed)
    return lasting / (1 - min(lasting / days, 0.5))
