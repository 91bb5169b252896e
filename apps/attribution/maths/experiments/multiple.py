"""Several hypotheses at once: p-values that hold for all of them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arms import Floats


def bonferroni(p_values: Sequence[float]) -> tuple[float, ...]:
    """Each p-value times their number, at most 1."""
    return tuple(min(1.0, p * len(p_values)) for p in p_values)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Step down from the smallest: never larger than Bonferroni's, with the same promise.

    p_values: each in [0, 1]; dependent ones too. Raises ValueError for others.
    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted: list[float] = holm_of_each(np.asarray(p_values, dtype=np.float64)).tolist()
    return tuple(adjusted)


def holm_of_each(p_values: Floats) -> Floats:
    """Holm along the last axis: (..., m) from (..., m)."""
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"p-values must be in [0, 1]; got {p_values}")
    order = np.argsort(p_values, axis=-1, kind="stable")
    times = np.arange(p_values.shape[-1], 0, -1)
    stepped = np.maximum.accumulate(np.take_along_axis(p_values, order, axis=-1) * times, axis=-1)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return adjusted
