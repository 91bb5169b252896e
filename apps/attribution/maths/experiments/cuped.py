"""CUPED: take out of an outcome what was already to be seen before the experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .arms import Estimate, Moments
from .means import estimate


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """theta: outcome per unit of covariate. variance_reduction: part of the variance of the differences that
    is gone, in (-inf, 1). covered: part of the units whose covariate is known, in [0, 1]."""

    estimates: tuple[Estimate, ...]
    theta: float
    variance_reduction: float
    covered: float


def adjust(
    arms: Sequence[Moments], without: Sequence[Moments] | None = None, *, theta: float | None = None
) -> Adjusted:
    """Means of all arms with the covariate's chance imbalance taken out.

    arms: x is a value from before the assignment. without: of each arm, the units with no such value (only
    their y counts): they stand at the mean covariate of all the others, which leaves their outcome as it is.
    theta: where it is known from more than these (`slope` of several strata).
    Raises ValueError for lists of different lengths or an arm of fewer than two units.

    mean_k = ybar_k - theta (xbar_k - xbar), theta = cov(y, x) / var(x) over all arms pooled, xbar over all
    arms; 0 where the covariate does not vary.
    Source: Deng, Xu, Kohavi, Walker 2013, "Improving the sensitivity of online controlled experiments".
    """
    missing = list(without) if without is not None else [Moments(units=0, sum_y=0.0, sum_yy=0.0)] * len(arms)
    if len(missing) != len(arms):
        raise ValueError(f"{len(arms)} arms, but {len(missing)} sums of units without a covariate")
    known = sum((arm.units for arm in arms), 0)
    centre = sum(arm.sum_x + arm.units * arm.centre_x for arm in arms) / known if known else 0.0
    filled = [arm + _at(centre, rest) for arm, rest in zip(arms, missing, strict=True)]
    theta = slope([filled]) if theta is None else theta
    plain = [estimate(arm) for arm in filled]
    adjusted = tuple(_without_covariate(arm, theta, centre) for arm in filled)
    before, after = (sum(found.variance for found in several) for several in (plain, adjusted))
    return Adjusted(
        estimates=adjusted,
        theta=theta,
        variance_reduction=1 - after / before if before else 0.0,
        covered=known / sum(arm.units for arm in filled),
    )


def slope(strata: Sequence[Sequence[Moments]]) -> float:
    """theta over strata of arms, each around means of its own; 0 where the covariate does not vary."""
    sums = [sum(arms[1:], arms[0]).centred() for arms in strata]
    spread, together = sum(xx for _, xx, _ in sums), sum(xy for _, _, xy in sums)
    return together / spread if spread else 0.0


def _at(centre: float, moments: Moments) -> Moments:
    return replace(moments, sum_x=0.0, sum_xx=0.0, sum_xy=0.0, centre_x=centre)


def _without_covariate(arm: Moments, theta: float, centre: float) -> Estimate:
    yy, xx, xy = arm.centred()
    plain = estimate(arm)
    spread = max(yy + theta * theta * xx - 2 * theta * xy, 0.0)
    return replace(
        plain,
        mean=plain.mean - theta * (arm.mean_x - centre),
        variance=spread / (arm.units - 1) / arm.units,
    )
