"""Did each arm get the units it was meant to get? If not, something is broken and no figure holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .chi_square import upper_tail
from .readings import SampleRatio

FEWEST_EXPECTED = 5.0
THRESHOLD = 0.001


def check(
    units: Sequence[int], expected_shares: Sequence[float], *, threshold: float = THRESHOLD
) -> SampleRatio:
    """Compare the units of each arm with the shares intended.

    units: >= 0 each; expected_shares: > 0 each, on any scale. A mismatch is p < threshold; with fewer than 5
    units expected in some arm there is no p-value. Looked at on n days a sound experiment alarms at most
    n * threshold of the time.
    Raises ValueError for lists of different lengths, negative units or a share that is not positive.
    Source: Pearson 1900; Fabijan et al. 2019, "Diagnosing sample ratio mismatch" for its use.
    """
    seen, shares = np.asarray(units, dtype=np.float64), np.asarray(expected_shares, dtype=np.float64)
    if seen.shape != shares.shape or seen.ndim != 1 or not len(seen):
        raise ValueError(f"units and shares need the same shape (n,); got {seen.shape} and {shares.shape}")
    if (seen < 0).any() or not (np.isfinite(shares) & (shares > 0)).all():
        raise ValueError("units must be >= 0 and shares > 0")
    expected = shares / shares.sum() * seen.sum()
    p_value = None
    if expected.min() >= FEWEST_EXPECTED:
        p_value = upper_tail(float(((seen - expected) ** 2 / expected).sum()), len(seen) - 1)
    return SampleRatio(
        p_value=p_value,
        mismatch=p_value is not None and p_value < threshold,
        units=tuple(int(count) for count in seen),
        expected=tuple(expected.tolist()),
    )


def intended(shares_by_period: ArrayLike, units_by_period: ArrayLike) -> tuple[float, ...]:
    """What part of all units each arm was meant to get where the shares changed between periods.

    shares_by_period: (n_periods, n_arms), > 0, each row on a scale of its own; units_by_period: (n_periods,)
    units assigned under each row, not all 0. Returns n_arms shares that sum to 1.
    """
    shares = np.atleast_2d(np.asarray(shares_by_period, dtype=np.float64))
    units = np.asarray(units_by_period, dtype=np.float64)
    if units.shape != (len(shares),) or (units < 0).any() or not units.sum() > 0 or not (shares > 0).all():
        raise ValueError("shares must be > 0, with units >= 0 for each period and some in all")
    meant = (shares / shares.sum(axis=1, keepdims=True) * units[:, None]).sum(axis=0)
    return tuple((meant / meant.sum()).tolist())
