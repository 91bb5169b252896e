"""Shares of units that did something: one share, and two against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import betaincinv, gammaln, ndtr, ndtri

from .arms import Estimate
from .chi_square import upper_tail
from .roots import root

Interval = tuple[float, float]


def estimate(successes: int, units: int) -> Estimate:
    """The share of units that succeeded. Raises ValueError unless 0 <= successes <= units and units >= 1."""
    share = _share(successes, units)
    return Estimate(
        units=units,
        mean=share,
        variance=share * (1 - share) / units,
        events=successes,
        degrees_of_freedom=units - 1,
    )


def wilson(successes: float, units: float, *, level: float = 0.95) -> Interval:
    """Interval of one share that inverts the score test; never leaves [0, 1]. Source: Wilson 1927."""
    share, z = _share(successes, units), _z(level)
    centre = (share + z * z / (2 * units)) / (1 + z * z / units)
    half = z * math.sqrt(share * (1 - share) / units + z * z / (4 * units * units)) / (1 + z * z / units)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == units else centre + half


def agresti_coull(successes: int, units: int, *, level: float = 0.95) -> Interval:
    """Wald interval around Wilson's centre, cut to [0, 1]. Source: Agresti, Coull 1998."""
    _share(successes, units)
    z = _z(level)
    padded = units + z * z
    centre = (successes + z * z / 2) / padded
    half = z * math.sqrt(centre * (1 - centre) / padded)
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(successes: int, units: int, *, level: float = 0.95) -> Interval:
    """Exact interval, coverage at least the level. Source: Clopper, Pearson 1934."""
    _share(successes, units)
    tail, failures = (1 - level) / 2, units - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    return low, float(betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0


def jeffreys(successes: int, units: int, *, level: float = 0.95) -> Interval:
    """Equal-tailed interval of the posterior under Beta(1/2, 1/2). Source: Brown, Cai, DasGupta 2001."""
    _share(successes, units)
    tail, a, b = (1 - level) / 2, successes + 0.5, units - successes + 0.5
    return float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail))


def pooled_z(control: Estimate, variant: Estimate) -> float:
    """Score statistic of no difference; 0 where no unit or every unit succeeded.

    Raises ValueError where an estimate is not a proportion.
    """
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)
    pooled = (x_a + x_b) / (n_a + n_b)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return (x_b / n_b - x_a / n_a) / error if error else 0.0


def two_sided(z: float) -> float:
    """p-value of a normal statistic."""
    return float(2 * ndtr(-abs(z)))


def fisher(control: Estimate, variant: Estimate) -> float:
    """Exact two-sided p-value of no difference given the margins; for small counts. Source: Fisher 1935."""
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)
    total = x_a + x_b
    first = np.arange(max(0, total - n_b), min(n_a, total) + 1)
    logs = _log_choose(n_a, first) + _log_choose(n_b, total - first)
    chances = np.exp(logs - logs.max())
    seen = chances[x_a - first[0]]
    return float(min(1.0, chances[chances <= seen * (1 + 1e-7)].sum() / chances.sum()))


def wald_difference(control: Estimate, variant: Estimate, *, level: float = 0.95) -> Interval:
    """Variant minus control, normal interval with separate variances."""
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)
    return _wald(x_a / n_a, n_a, x_b / n_b, n_b, z=_z(level))


def agresti_caffo(control: Estimate, variant: Estimate, *, level: float = 0.95) -> Interval:
    """Variant minus control with one success and one failure added to each. Source: Agresti, Caffo 2000."""
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)
    return _wald((x_a + 1) / (n_a + 2), n_a + 2, (x_b + 1) / (n_b + 2), n_b + 2, z=_z(level))


def newcombe(control: Estimate, variant: Estimate, *, level: float = 0.95) -> Interval:
    """Variant minus control from the two Wilson intervals. Source: Newcombe 1998, method 10."""
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)
    (low_a, high_a), (low_b, high_b) = wilson(x_a, n_a, level=level), wilson(x_b, n_b, level=level)
    p_a, p_b = x_a / n_a, x_b / n_b
    below, above = math.hypot(p_b - low_b, high_a - p_a), math.hypot(high_b - p_b, p_a - low_a)
    return p_b - p_a - below, p_b - p_a + above


def log_ratio(control: Estimate, variant: Estimate, *, level: float = 0.95, added: float = 0.0) -> Interval:
    """Variant over control, normal on the log scale; `added` = 1/2 keeps it finite with no successes.

    Raises ValueError where a count is 0 and nothing is added. Source: Katz et al. 1978; Walter 1975 (1/2).
    """
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)
    if not (x_a + added and x_b + added):
        raise ValueError("a ratio of proportions needs a success in each arm, or some added")
    k_a, k_b, m_a, m_b = x_a + added, x_b + added, n_a + added, n_b + added
    half = _z(level) * math.sqrt(1 / k_b - 1 / m_b + 1 / k_a - 1 / m_a)
    middle = math.log(k_b / m_b) - math.log(k_a / m_a)
    return math.exp(middle - half), math.exp(middle + half)


def score_difference(control: Estimate, variant: Estimate, *, level: float = 0.95) -> Interval:
    """Variant minus control, inverting the score test. Source: Miettinen, Nurminen 1985."""
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)
    centre = x_b / n_b - x_a / n_a

    def statistic(gap: float) -> float:
        base = _base_of_difference(x_a, n_a, x_b, n_b, gap)
        other = min(1.0, max(0.0, base + gap))
        return _score(centre - gap, base * (1 - base) / n_a + other * (1 - other) / n_b, n_a + n_b)

    return _invert(statistic, lowest=-1.0, centre=centre, highest=1.0, z=_z(level))


def score_ratio(control: Estimate, variant: Estimate, *, level: float = 0.95) -> Interval:
    """Variant over control, inverting the score test; reaches 0 or infinity where an arm has no successes.

    Source: Koopman 1984; Miettinen, Nurminen 1985.
    """
    (x_a, n_a), (x_b, n_b) = _counts(control), _counts(variant)

    def statistic(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        base = _base_of_ratio(x_a, n_a, x_b, n_b, ratio)
        other = min(1.0, base * ratio)
        variance = base * (1 - base) * ratio * ratio / n_a + other * (1 - other) / n_b
        return _score(x_b / n_b - ratio * x_a / n_a, variance, n_a + n_b)

    centre = math.log((x_b + 0.5) / (n_b + 0.5)) - math.log((x_a + 0.5) / (n_a + 0.5))
    low, high = _invert(statistic, lowest=centre - 30, centre=centre, highest=centre + 30, z=_z(level))
    return math.exp(low) if x_b else 0.0, math.exp(high) if x_a else math.inf


def several(successes: Sequence[int], units: Sequence[int]) -> tuple[float, float]:
    """Chi-square statistic and p-value of no difference among all arms. Source: Pearson 1900."""
    x, n = np.asarray(successes, dtype=np.float64), np.asarray(units, dtype=np.float64)
    pooled = x.sum() / n.sum()
    if not 0 < pooled < 1:
        return 0.0, 1.0
    statistic = float((((x - n * pooled) ** 2) / (n * pooled * (1 - pooled))).sum())
    return statistic, upper_tail(statistic, len(x) - 1)


def _share(successes: float, units: float) -> float:
    if not (units >= 1 and 0 <= successes <= units):
        raise ValueError(f"need 0 <= successes <= units, units >= 1; got {successes} of {units}")
    return successes / units


def _counts(estimated: Estimate) -> tuple[int, int]:
    if estimated.events is None:
        raise ValueError("not a proportion: this estimate has no events")
    return estimated.events, estimated.units


def _z(level: float) -> float:
    return float(ndtri(0.5 + level / 2))


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _wald(p_a: float, n_a: float, p_b: float, n_b: float, *, z: float) -> Interval:
    half = z * math.sqrt(p_a * (1 - p_a) / n_a + p_b * (1 - p_b) / n_b)
    return p_b - p_a - half, p_b - p_a + half


def _base_of_difference(x_a: int, n_a: int, x_b: int, n_b: int, gap: float) -> float:
    """The control's most likely share where the variant's is higher by `gap`: the middle root of a cubic."""
    n = n_a + n_b
    quadratic = ((n_b + 2 * n_a) * gap - n - x_a - x_b) / n
    linear = ((n_a * gap - n - 2 * x_a) * gap + x_a + x_b) / n
    constant = x_a * gap * (1 - gap) / n
    third = quadratic / 3
    q = third**3 - quadratic * linear / 6 + constant / 2
    p = math.copysign(math.sqrt(max(0.0, third**2 - linear / 3)), q)
    angle = (math.pi + math.acos(min(1.0, max(-1.0, q / p**3)))) / 3 if p else math.pi / 2
    return min(1.0, max(0.0, 2 * p * math.cos(angle) - third))


def _base_of_ratio(x_a: int, n_a: int, x_b: int, n_b: int, ratio: float) -> float:
    """The control's most likely share where the variant's is `ratio` times as high: a root of a quadratic."""
    a, c = (n_a + n_b) * ratio, float(x_a + x_b)
    b = n_b * ratio + x_b + n_a + x_a * ratio
    return min(1.0, max(0.0, 2 * c / (b + math.sqrt(max(0.0, b * b - 4 * a * c)))))


def _score(distance: float, variance: float, n: int) -> float:
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance * n / (n - 1))


def _invert(
    statistic: Callable[[float], float], *, lowest: float, centre: float, highest: float, z: float
) -> Interval:
    """Where the statistic, which falls as its argument grows, is z below and above the centre."""

    def edge(sign: float, end: float) -> float:
        def away(gap: float) -> float:
            return min(max(statistic(gap), -1e9), 1e9) - sign * z

        return root(away, end, centre, within=1e-15) if away(end) * sign > 0 else end

    return edge(1.0, lowest + 1e-12), edge(-1.0, highest - 1e-12)
