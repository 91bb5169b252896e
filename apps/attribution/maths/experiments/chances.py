"""One variant against the control by Bayes, on the effect itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from .differences import Difference


@dataclass(frozen=True, kw_only=True)
class Chance:
    """to_win: probability that the variant is better. risk_of_control, risk_of_variant: what choosing either
    costs on average, in units of the difference."""

    to_win: float
    effect: float
    low: float
    high: float
    risk_of_control: float
    risk_of_variant: float


def chance(
    difference: Difference, *, prior_mean: float = 0.0, prior_deviation: float = math.inf, level: float = 0.95
) -> Chance:
    """Posterior of a difference with a normal error under a normal prior (flat when its deviation is inf).

    Prior and difference are on the same scale, absolute or relative. Where nothing varies it says nothing:
    even odds, no effect. Raises ValueError for a prior deviation that is not positive.
    E max(d, 0) = m Phi(m / s) + s phi(m / s) for the posterior N(m, s^2).
    """
    if not prior_deviation > 0:
        raise ValueError(f"prior_deviation must be > 0; got {prior_deviation}")
    if not difference.standard_error:
        return Chance(to_win=0.5, effect=0.0, low=0.0, high=0.0, risk_of_control=0.0, risk_of_variant=0.0)
    told, believed = difference.standard_error**-2, prior_deviation**-2
    mean = (told * difference.value + believed * prior_mean) / (told + believed)
    error = (told + believed) ** -0.5
    z, half = mean / error, float(ndtri(0.5 + level / 2)) * error
    peak = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return Chance(
        to_win=float(ndtr(z)),
        effect=mean,
        low=mean - half,
        high=mean + half,
        risk_of_control=mean * float(ndtr(z)) + error * peak,
        risk_of_variant=-mean * float(ndtr(-z)) + error * peak,
    )
