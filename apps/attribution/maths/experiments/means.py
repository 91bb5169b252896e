"""Mean outcome per unit, such as revenue per person."""

from __future__ import annotations

from .arms import Estimate, Moments


def estimate(moments: Moments) -> Estimate:
    """The mean of an arm. Raises ValueError for fewer than two units.

    variance = sum (y - mean)^2 / (n - 1) / n.
    """
    if moments.units < 2:
        raise ValueError(f"a mean with an error needs two units; got {moments.units}")
    spread, _, _ = moments.centred()
    return Estimate(
        units=moments.units,
        mean=moments.mean_y,
        variance=spread / (moments.units - 1) / moments.units,
        degrees_of_freedom=moments.units - 1,
    )
