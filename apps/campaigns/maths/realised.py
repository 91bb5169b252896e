"""What a change came to: the days after against those before, and against what happened to the others."""

from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
LEAST_DAYS = 7


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
    by the delta method from the means' own, each widened for autocorrelation of the first order.
    Raises ValueError for fewer than 7 days on a side, nan or negative outcomes, a margin outside 0..1.
    """
    before, after = _days("outcome_before", outcome_before), _days("outcome_after", outcome_after)
    if not 0 < margin <= 1:
        raise ValueError(f"margin must be above 0 and at most 1; got {margin}")
    drift, drift_variance = _drift(others_before, others_after)
    expected = before.mean() * drift
    variance = (
        _variance_of_mean(after) + drift**2 * _variance_of_mean(before) + before.mean() ** 2 * drift_variance
    )
    gain = margin * (after.mean() - expected) - extra_spend
    error = margin * sqrt(variance)
    if error == 0:
        return Realised(gain, gain, gain, float(gain > 0))
    chance = 0.5 * (1 + erf(gain / error / sqrt(2)))
    return Realised(float(gain), float(gain - Z95 * error), float(gain + Z95 * error), float(chance))


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
    factor = second.mean() / first.mean()
    relative = _variance_of_mean(first) / first.mean() ** 2
    relative += _variance_of_mean(second) / second.mean() ** 2 if second.mean() else 0.0
    return float(factor), float(factor**2 * relative)


def _variance_of_mean(days: Floats) -> float:
    """Of daily values whose neighbours resemble each other; never below that of counts."""
    centred = days - days.mean()
    spread = float((centred**2).sum()) / (days.size - 1)
    if spread == 0:
        return 0.0
    rho = float((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
    return spread / days.size * _inflation(min(max(rho, 0.0), 0.8))


def _inflation(rho: float) -> float:
    """Of the variance of a mean, at autocorrelation rho of the first order (long series)."""
    return (1 + rho) / (1 - rho)
