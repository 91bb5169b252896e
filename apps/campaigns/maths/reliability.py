"""Whether what was claimed with a confidence came true as often as it was claimed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from apps.attribution.maths.experiments.proportions import wilson

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Bin:
    """Claims of a range of confidence. claimed: their mean; rate: of hits, with its 95 % interval."""

    low: float
    high: float
    count: int
    hits: int
    claimed: float
    rate: float
    rate_low: float
    rate_high: float


def curve(confidence: ArrayLike, came_true: ArrayLike, *, edges: Sequence[float] = EDGES) -> list[Bin]:
    """The bins that hold a claim. confidence: shape (n,), 0 to 1; came_true: shape (n,), booleans.

    A bin holds its lower edge, the last both. Interval: Wilson (1927). Raises ValueError for shapes that
    differ or a confidence outside 0..1.
    """
    claims, hits = np.asarray(confidence, dtype=np.float64), np.asarray(came_true, dtype=bool)
    if claims.shape != hits.shape or claims.ndim != 1:
        raise ValueError(f"confidence and came_true need one shape (n,); got {claims.shape}, {hits.shape}")
    if claims.size and not ((claims >= 0) & (claims <= 1)).all():
        raise ValueError("confidence must lie between 0 and 1")
    places = np.clip(np.searchsorted(np.asarray(edges), claims, side="right") - 1, 0, len(edges) - 2)
    return [
        _bin(edges[place], edges[place + 1], claims[places == place], hits[places == place])
        for place in range(len(edges) - 1)
        if (places == place).any()
    ]


def _bin(low: float, high: float, claims: np.ndarray, hits: np.ndarray) -> Bin:
    count, true = int(claims.size), int(hits.sum())
    rate_low, rate_high = rate_interval(true, count)
    return Bin(low, high, count, true, float(claims.mean()), true / count, rate_low, rate_high)


def expected_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean distance between claimed and realised, weighted by count."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.claimed - one.rate) for one in bins) / total if total else 0.0


def rate_interval(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927); the whole range where nothing was counted."""
    if not count:
        return 0.0, 1.0
    low, high = wilson(hits, count)
    return float(low), float(high)
