"""How many units it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtr, ndtri

from .arms import Estimate
from .boundaries import inflation
from .roots import root
from .spending import Spending


def units_per_arm(baseline: float, relative_lift: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Units in each of two arms to find a lift of a proportion, looked at once, two-sided.

    baseline: in (0, 1); relative_lift: part of it, not 0, with baseline * (1 + lift) in (0, 1).
    Raises ValueError outside these. Source: Fleiss, Levin, Paik 2003, chapter 4 (without the continuity
    correction): (z_a sqrt(2 p q) + z_b sqrt(p1 q1 + p2 q2))^2 / (p2 - p1)^2.
    """
    other = _lifted(baseline, relative_lift)
    mean = (baseline + other) / 2
    alone = math.sqrt(baseline * (1 - baseline) + other * (1 - other))
    together = math.sqrt(2 * mean * (1 - mean))
    return ((_z(1 - alpha / 2) * together + _z(power) * alone) / (other - baseline)) ** 2


def units_per_arm_arcsine(
    baseline: float, relative_lift: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The same by Cohen's h = 2 asin sqrt p2 - 2 asin sqrt p1; a difference of either sign counts as found.

    2 (x / h)^2 for the x with Phi(x - z_a) + Phi(-x - z_a) = power. Source: Cohen 1988.
    """
    other, z = _lifted(baseline, relative_lift), _z(1 - alpha / 2)
    h = 2 * (math.asin(math.sqrt(other)) - math.asin(math.sqrt(baseline)))

    def short(steps: float) -> float:
        return float(ndtr(steps - z) + ndtr(-steps - z)) - power

    return 2 * (root(short, 0.0, z + 10.0, within=1e-13) / h) ** 2


def units_per_arm_mean(
    standard_deviation: float, difference: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Units in each of two arms to find a difference of means: 2 ((z_a + z_b) sd / difference)^2.

    Raises ValueError for a difference of 0 or a standard deviation that is not positive.
    """
    if not standard_deviation > 0 or not difference:
        raise ValueError(f"need sd > 0 and a difference; got {standard_deviation}, {difference}")
    return 2 * ((_z(1 - alpha / 2) + _z(power)) * standard_deviation / difference) ** 2


def planned_units(
    baseline: float,
    relative_lift: float,
    *,
    variants: int,
    looks: int,
    alpha: float = 0.05,
    power: float = 0.8,
    spending: Spending = Spending.OBRIEN_FLEMING,
) -> int:
    """Units over a control and this many variants of equal shares, looked at this often at even distances.

    power is that of one variant to be found at alpha / variants. Raises ValueError for no variant or look.
    """
    if variants < 1 or looks < 1:
        raise ValueError(f"need a variant and a look; got {variants}, {looks}")
    each = units_per_arm(baseline, relative_lift, alpha=alpha / variants, power=power)
    more = inflation(looks, alpha=alpha / variants, power=power, spending=spending)
    return math.ceil(each * more) * (variants + 1)


def units_to_find(
    estimates: Sequence[Estimate], relative_lift: float, *, alpha: float, power: float
) -> int | None:
    """Units over all arms, at their shares and spread so far, to find a lift over the control of any variant.

    estimates: the control first. None where the control's mean is 0 or nothing varies.
    """
    control, units = estimates[0], sum(found.units for found in estimates)
    gap = abs(control.mean * relative_lift)
    worst = max(found.variance for found in estimates[1:]) + control.variance
    if not gap or not worst:
        return None
    z = _z(1 - alpha / (2 * (len(estimates) - 1))) + _z(power)
    return math.ceil(units * worst * (z / gap) ** 2)


def _lifted(baseline: float, relative_lift: float) -> float:
    other = baseline * (1 + relative_lift)
    if not (0 < baseline < 1 and 0 < other < 1 and relative_lift):
        raise ValueError(f"both shares must be in (0, 1) and differ; got {baseline} and {other}")
    return other


def _z(probability: float) -> float:
    return float(ndtri(probability))
