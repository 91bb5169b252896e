"""Ratios whose denominator is not the assigned unit: errors that allow for what one unit's rows share."""

from __future__ import annotations

from .arms import Estimate, Moments


def estimate(moments: Moments) -> Estimate:
    """Sum of y over sum of x, with x and y summed per assigned unit first.

    Orders per session where people were assigned: y their orders, x their sessions. A region's conversions
    per person: y conversions, x people. Raises ValueError for fewer than two units or a sum of x that is not
    positive.

    R = sum y / sum x; variance = n / (n - 1) * sum (y - R x)^2 / (sum x)^2, which is the delta method of a
    ratio of means and, alike, the cluster-robust error of a mean over rows.
    Source: Deng, Lu, Litz 2017, "Trustworthy analysis of online A/B tests"; Liang, Zeger 1986.
    """
    if moments.units < 2 or not moments.mean_x > 0:
        raise ValueError(f"a ratio needs two units and a positive denominator; got {moments}")
    ratio = moments.mean_y / moments.mean_x
    # Around the means: y - R x is 0 on average.
    yy, xx, xy = moments.centred()
    squares = yy - 2 * ratio * xy + ratio * ratio * xx
    return Estimate(
        units=moments.units,
        mean=ratio,
        variance=max(squares, 0.0)
        * moments.units
        / (moments.units - 1)
        / (moments.units * moments.mean_x) ** 2,
        degrees_of_freedom=moments.units - 1,
    )
