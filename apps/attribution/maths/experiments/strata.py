"""Arms over periods in which the shares differed: compared within each period, and only then together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .arms import Estimate, Floats


def estimate(periods: Sequence[Estimate], weights: ArrayLike) -> Estimate:
    """One arm's mean over periods, each period weighing the same in every arm.

    weights: > 0 each, on any scale. One period: as it is.
    Raises ValueError for lists of different lengths or none, or a period of fewer than two units.

    mean = sum w m, variance = sum w^2 v, with w summing to 1. Pooling units instead would hold an arm that
    had more of the good days for the better one (Simpson 1951). A proportion's v is p (1 - p) / (n - 1):
    with divisor n its average over many small periods would be too small. Degrees of freedom:
    Satterthwaite 1946.
    """
    of = np.asarray(weights, dtype=np.float64)
    if not periods or of.shape != (len(periods),):
        raise ValueError(f"{len(periods)} periods need as many weights, at least one; got {of.shape}")
    if len(periods) == 1:
        return periods[0]
    if min(one.units for one in periods) < 2:
        raise ValueError("each period needs two units of the arm")
    parts: list[float] = (of / of.sum()).tolist()
    squares = [part * part * _variance(one) for part, one in zip(parts, periods, strict=True)]
    spread = math.fsum(
        square * square / one.degrees_of_freedom for square, one in zip(squares, periods, strict=True)
    )
    events = [one.events for one in periods if one.events is not None]
    return Estimate(
        units=sum(one.units for one in periods),
        mean=math.fsum(part * one.mean for part, one in zip(parts, periods, strict=True)),
        variance=math.fsum(squares),
        events=sum(events) if len(events) == len(periods) else None,
        degrees_of_freedom=math.fsum(squares) ** 2 / spread if spread > 0 else math.inf,
        is_stratified=True,
    )


def balanced(units: ArrayLike) -> Floats:
    """Weights of (n_periods,) from units (n_periods, n_arms), > 0: what each period tells of differences.

    1 / sum_k (1 / n_k), the harmonic mean of its arms: a period whose small arm has a handful of units weighs
    as little as they tell. By how many came in all, that handful would carry most of the error, and its skew
    false alarms. For two arms: Cochran 1954; Mantel, Haenszel 1959.
    """
    return np.asarray(1 / (1 / np.asarray(units, dtype=np.float64)).sum(axis=-1))


def _variance(one: Estimate) -> float:
    return one.variance if one.events is None else one.variance * one.units / (one.units - 1)
