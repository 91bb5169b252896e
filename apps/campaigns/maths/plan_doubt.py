"""How sure the extra revenue of a plan is, by the doubt about each curve's power alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Extra:
    """(n,) revenue a day beyond today's, with the 95 % intervals; and their sum with its own."""

    each: Floats
    lows: Floats
    highs: Floats
    total: float
    low: float
    high: float


def extra(revenue_now: ArrayLike, ratio: ArrayLike, exponents: ArrayLike, errors: ArrayLike) -> Extra:
    """What budgets times `ratio` bring beyond `revenue_now`, where revenue grows with spend to the power k.

    revenue_now: (n,) money a day, >= 0. ratio: (n,) planned over present budget, >= 0. exponents, errors:
    (n,) k > 0 and its standard error, >= 0. Raises ValueError for others.

    Extra_i = R_i (ratio_i ** k_i - 1) rises or falls with k_i throughout, so each interval is that of k_i,
    carried over. For the sum, errors of curves may be independent (squares add up) or shared (they add up as
    they are): the wider of the two holds.
    """
    revenue, m = np.asarray(revenue_now, dtype=np.float64), np.asarray(ratio, dtype=np.float64)
    k, error = np.asarray(exponents, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    _check(revenue, m, k, error)
    each = revenue * (m**k - 1)
    ends = revenue * (m ** np.maximum(k - Z95 * error, 0.0) - 1), revenue * (m ** (k + Z95 * error) - 1)
    lows, highs = np.minimum(*ends), np.maximum(*ends)
    total = float(each.sum())
    return Extra(
        each=each,
        lows=lows,
        highs=highs,
        total=total,
        low=min(total - _length(each - lows), total + float((ends[0] - each).sum())),
        high=max(total + _length(highs - each), total + float((ends[1] - each).sum())),
    )


def _length(distances: Floats) -> float:
    return float(np.sqrt((distances**2).sum()))


def _check(revenue: Floats, ratio: Floats, exponents: Floats, errors: Floats) -> None:
    if len({one.shape for one in (revenue, ratio, exponents, errors)}) != 1 or revenue.ndim != 1:
        raise ValueError("revenue_now, ratio, exponents and errors need one shape (n,)")
    for name, values, is_positive in (
        ("revenue_now", revenue, False),
        ("ratio", ratio, False),
        ("exponents", exponents, True),
        ("errors", errors, False),
    ):
        if not np.isfinite(values).all() or (values < 0).any() or (is_positive and (values == 0).any()):
            raise ValueError(f"{name} must be finite and {'above' if is_positive else 'at least'} 0")
