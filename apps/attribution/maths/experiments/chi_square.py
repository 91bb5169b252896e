"""The tail of the chi-square distribution."""

from __future__ import annotations

from scipy.special import gammaincc


def upper_tail(statistic: float, degrees_of_freedom: int) -> float:
    """Probability of at least this statistic."""
    return float(gammaincc(degrees_of_freedom / 2, statistic / 2))
