"""Segments whose conversions cost more than the money would buy elsewhere, beyond doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betainc, betaincinv, gammaincinv

from apps.attribution.maths.experiments.multiple import holm

ALPHA = 0.01  # chance that any segment of an account is called worse that is not
FALLBACK_RETURN = 0.8
LEAST_EXPECTED = 3.0  # conversions that the segment's money would bring elsewhere
MOST_SHARE = 0.5  # of the money: the rest of more than that cannot take it in


@dataclass(frozen=True, kw_only=True)
class Segment:
    """dimension: device, region, hour, age, placement. spend: money, >= 0; conversions: >= 0."""

    dimension: str
    name: str
    spend: float
    conversions: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """cpa, rest_cpa: infinite without conversions. ratio, low, high: cost of a conversion here over that
    elsewhere, 95 %. p_value: one-sided, by Holm over all segments. gain, gain_low, gain_high: conversions
    over the period that its money would bring elsewhere on top. enough: False where too little was spent to
    tell, or so much that there is no elsewhere.
    """

    segment: Segment
    cpa: float
    rest_cpa: float
    ratio: float
    low: float
    high: float
    p_value: float
    gain: float
    gain_low: float
    gain_high: float
    enough: bool

    @property
    def is_worse(self) -> bool:
        return self.enough and self.p_value <= ALPHA


def judge(
    segments: Sequence[Segment], *, dispersion: float = 1.0, marginal_return: float = FALLBACK_RETURN
) -> tuple[Cost, ...]:
    """Judge all segments of a campaign, each against the others of its dimension.

    dispersion: variance of a day's conversions over their mean, >= 1, which counts are divided by.
    marginal_return: what the next unit of money brings elsewhere, as part of what a unit brings there on
    average, in (0, 1]: the exponent k of the campaign's response curve; .8 where none is known.
    Raises ValueError for others, or negative or infinite figures.

    Given all conversions of the dimension, those of the segment are binomial with the chance s r / (s r + S),
    where a segment that spends s is as good as what its money would bring elsewhere at r = marginal_return,
    and S is spent there; the p-value is the chance of so few. So a segment is called worse only where moving
    its money gains, though the next unit elsewhere brings less than the last. Exact for Poisson counts. The
    interval is that of a ratio of Gammas, a half conversion added to each side.
    Source: Przyborowski, Wilenski 1940 (the conditional test); Holm 1979; Jeffreys 1946 (the half).
    """
    if not (np.isfinite(dispersion) and dispersion >= 1 and 0 < marginal_return <= 1):
        raise ValueError(f"need dispersion >= 1 and a return in (0, 1]; got {dispersion}, {marginal_return}")
    pairs = list(zip(segments, _rests(segments), strict=True))
    raw = [_chance_of_so_few(one, rest, dispersion, marginal_return) for one, rest in pairs]
    found = [place for place, p_value in enumerate(raw) if p_value is not None]
    adjusted = dict(zip(found, holm([raw[place] or 0.0 for place in found]), strict=True)) if found else {}
    return tuple(
        _cost(one, rest, adjusted.get(place), dispersion, marginal_return)
        for place, (one, rest) in enumerate(pairs)
    )


def _rests(segments: Sequence[Segment]) -> list[Segment]:
    """Of each segment, all others of its dimension together."""
    sums: dict[str, list[float]] = {}
    for one in segments:
        if not (np.isfinite([one.spend, one.conversions]).all() and min(one.spend, one.conversions) >= 0):
            raise ValueError(f"{one.dimension} {one.name}: need finite figures >= 0; got {one}")
        total = sums.setdefault(one.dimension, [0.0, 0.0])
        total[0] += one.spend
        total[1] += one.conversions
    return [
        replace(
            one,
            name="",
            spend=max(sums[one.dimension][0] - one.spend, 0.0),
            conversions=max(sums[one.dimension][1] - one.conversions, 0.0),
        )
        for one in segments
    ]


def _chance_of_so_few(one: Segment, rest: Segment, dispersion: float, part: float) -> float | None:
    """None where there is not enough: P(X <= x) = I_(1 - p)(n - x, x + 1), for real counts too."""
    whole = one.spend + rest.spend
    if not one.spend or one.spend > MOST_SHARE * whole:
        return None
    if part * one.spend * rest.conversions / rest.spend / dispersion < LEAST_EXPECTED:
        return None
    chance = part * one.spend / (part * one.spend + rest.spend)
    x, y = one.conversions / dispersion, rest.conversions / dispersion
    return float(betainc(y, x + 1, 1 - chance))


def _cost(one: Segment, rest: Segment, p_value: float | None, dispersion: float, part: float) -> Cost:
    x, y = one.conversions / dispersion + 0.5, rest.conversions / dispersion + 0.5
    nothing = float("nan")
    low = ratio = high = gain = gain_low = gain_high = nothing
    if one.spend and rest.spend:
        per = one.spend / rest.spend
        shares = betaincinv(x, y, [0.975, 0.5, 0.025])  # here / (here + there), a Beta
        low, ratio, high = ((1 - shares) / shares * per).tolist()
        gain, gain_low, gain_high = _difference(y, x, part * per * dispersion, dispersion)
    cpa, rest_cpa = (s.spend / s.conversions if s.conversions else float("inf") for s in (one, rest))
    return Cost(
        segment=one,
        cpa=cpa,
        rest_cpa=rest_cpa,
        ratio=ratio,
        low=low,
        high=high,
        p_value=1.0 if p_value is None else p_value,
        gain=gain,
        gain_low=gain_low,
        gain_high=gain_high,
        enough=p_value is not None,
    )


def _difference(y: float, x: float, of_y: float, of_x: float) -> tuple[float, float, float]:
    """of_y * Gamma(y) - of_x * Gamma(x): its mean, and the ends of its interval from those of the two.

    Source: Zou, Donner 2008 (the method of variance estimates recovery).
    """
    (y_low, y_high), (x_low, x_high) = (gammaincinv(shape, [0.025, 0.975]).tolist() for shape in (y, x))
    mean = of_y * y - of_x * x
    down = np.hypot(of_y * (y - y_low), of_x * (x_high - x))
    up = np.hypot(of_y * (y_high - y), of_x * (x - x_low))
    return mean, float(mean - down), float(mean + up)
