"""What a change came to: the days after against those before, and against what happened to the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
LEAST_DAYS = 7
MOST_MEMORY = 0.8


@dataclass(frozen=True)
class Realised:
    """Profit a day that the change brought, with its 95 % interval; probability that it brought any."""

    gain: float
    low: float
    high: float
    probability: float


def realised(
    outcome_before: ArrayLike,
    outcome_after: ArrayLike,
    others_before: ArrayLike,
    others_after: ArrayLike,
    *,
    extra_spend: float,
    margin: float,
) -> Realised:
    """Difference in differences of a campaign's daily outcome, less what the change cost.

    outcome_before, outcome_after: shape (days,), revenue of the campaign a day; whole weeks each, or weekdays
    tip the scales. others_before, others_after: the sum over campaigns that were not changed, on the same
    days; empty, or all zero, where there are none, and then the campaign is held against itself alone.
    extra_spend: money a day, negative where the change saved it. margin: share of revenue that is left before
    advertising, 0 to 1.

    gain = margin * (A - B * C_after / C_before) - extra_spend, A and B the campaign's means. Its variance is
    by the delta method from the means' own, widened for autocorrelation of the first order; Student's.
    Raises ValueError for fewer than 7 days on a side, nan or negative outcomes, a margin outside 0..1.
    """
    before, after = _days("outcome_before", outcome_before), _days("outcome_after", outcome_after)
    if not 0 < margin <= 1:
        raise ValueError(f"margin must be above 0 and at most 1; got {margin}")
    drift, drift_variance = _drift(others_before, others_after)
    expected = before.mean() * drift
    known = _Spread.of(before, after)
    variance = known.of_mean(after) + drift**2 * known.of_mean(before) + before.mean() ** 2 * drift_variance
    gain = float(margin * (after.mean() - expected) - extra_spend)
    error = float(margin * np.sqrt(variance))
    if error == 0:
        return Realised(gain, gain, gain, float(gain > 0))
    wide = float(stdtrit(known.freedom, 0.975)) * error
    return Realised(gain, gain - wide, gain + wide, float(stdtr(known.freedom, gain / error)))


def _days(name: str, values: ArrayLike) -> Floats:
    days = np.asarray(values, dtype=np.float64)
    if days.ndim != 1 or days.size < LEAST_DAYS:
        raise ValueError(f"{name} needs shape (days,), at least {LEAST_DAYS}; got {days.shape}")
    if not np.isfinite(days).all() or (days < 0).any():
        raise ValueError(f"{name} must be finite and not negative")
    return days


def _drift(before: ArrayLike, after: ArrayLike) -> tuple[float, float]:
    """How the others moved, as a factor, and its variance; 1 and 0 where there are no others."""
    if np.size(before) == 0 or not np.sum(before):
        return 1.0, 0.0
    first, second = _days("others_before", before), _days("others_after", after)
    known, factor = _Spread.of(first, second), second.mean() / first.mean()
    relative = sum(known.of_mean(one) / one.mean() ** 2 for one in (first, second) if one.mean())
    return float(factor), float(factor**2 * relative)


@dataclass(frozen=True)
class _Spread:
    """Of days around the mean of their side, both sides together: squared, relative to the mean; memory: the
    autocorrelation of neighbours, with what so few days take off it given back (Kendall 1954). freedom: of
    Student's distribution, in days that are worth a day.
    """

    squared: float
    memory: float
    freedom: float

    @classmethod
    def of(cls, before: Floats, after: Floats) -> "_Spread":
        sides = [one / one.mean() - 1 for one in (before, after) if one.mean()]
        days = sum(one.size for one in sides)
        total = sum(float((one**2).sum()) for one in sides)
        if not total:
            return cls(0.0, 0.0, 1.0)
        rho = sum(float((one[1:] * one[:-1]).sum()) for one in sides) / total
        memory = min(max(rho + (1 + 3 * rho) / days, 0.0), MOST_MEMORY)
        worth = days * (1 - memory) / (1 + memory)
        return cls(total / (days - len(sides)), memory, max(2.0, worth - len(sides)))

    def of_mean(self, days: Floats) -> float:
        """Variance of the mean of these days (of a long series with this memory)."""
        inflation = (1 + self.memory) / (1 - self.memory)
        return float(days.mean() ** 2 * self.squared / days.size * inflation)
