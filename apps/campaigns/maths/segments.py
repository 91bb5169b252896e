"""Segments whose conversions cost more than the money would buy elsewhere, beyond doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, gammaincinv

from apps.attribution.maths.experiments.multiple import holm

Floats = NDArray[np.float64]

ALPHA = 0.01  # chance that any segment of an account is called worse that is not
FALLBACK_RETURN = 0.8
LEAST_EXPECTED = 3.0  # conversions that the segment's money would bring elsewhere
FIGURES = ("cpa", "rest_cpa", "ratio", "low", "high", "p_value", "gain", "gain_low", "gain_high")
MOST_SHARE = 0.5  # of the money: the rest of more than that cannot take it in


@dataclass(frozen=True, kw_only=True)
class Segment:
    """dimension: device, region, hour, age, placement. spend: money, >= 0; conversions: >= 0. campaign:
    segments are compared within their campaign.
    """

    dimension: str
    name: str
    spend: float
    conversions: float
    campaign: str = ""


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
    segments: Sequence[Segment],
    *,
    dispersion: float = 1.0,
    marginal_return: float | Mapping[str, float] = FALLBACK_RETURN,
) -> tuple[Cost, ...]:
    """Judge all segments of an account, each against the others of its campaign and dimension.

    dispersion: variance of a day's conversions over their mean, >= 1, which counts are divided by.
    marginal_return: what the next unit of money brings elsewhere, as part of what a unit brings there on
    average, in (0, 1]: the exponent k of the campaign's response curve, one for all or by campaign; .8 where
    none is known.
    Raises ValueError for others, or negative or infinite figures.

    Given all conversions of the dimension, those of the segment are binomial with the chance s r / (s r + S),
    where a segment that spends s is as good as what its money would bring elsewhere at r = marginal_return,
    and S is spent there; the p-value is the chance of so few. So a segment is called worse only where moving
    its money gains, though the next unit elsewhere brings less than the last. Exact for Poisson counts, Holm
    over all segments given. Intervals are those of Gammas, half a conversion added to each side.
    Source: Przyborowski, Wilenski 1940 (the conditional test); Holm 1979; Jeffreys 1946 (the half).
    """
    if not (np.isfinite(dispersion) and dispersion >= 1):
        raise ValueError(f"need a finite dispersion >= 1; got {dispersion}")
    if not segments:
        return ()
    returns = _returns(segments, marginal_return)
    sides = _Sides.of(segments, dispersion)
    enough = sides.enough(returns)
    p_values = np.ones(len(segments))
    if enough.any():
        p_values[enough] = holm(sides.chance_of_so_few(returns)[enough].tolist())
    figures = np.stack([*sides.costs(), *sides.ratios(), p_values, *sides.gains(returns)], axis=1)
    return tuple(
        Cost(segment=segment, enough=is_enough, **dict(zip(FIGURES, row, strict=True)))
        for segment, is_enough, row in zip(segments, enough.tolist(), figures.tolist(), strict=True)
    )


def _returns(segments: Sequence[Segment], marginal_return: float | Mapping[str, float]) -> Floats:
    if isinstance(marginal_return, Mapping):
        found = np.array([marginal_return.get(one.campaign, FALLBACK_RETURN) for one in segments])
    else:
        found = np.full(len(segments), marginal_return, dtype=np.float64)
    if not ((found > 0) & (found <= 1)).all():
        raise ValueError(f"need a marginal return in (0, 1]; got {marginal_return}")
    return found


@dataclass(frozen=True, eq=False)
class _Sides:
    """(n,) of each segment, and of all others of its dimension together; counts divided by the dispersion."""

    spend: Floats
    rest: Floats
    count: Floats
    rest_count: Floats
    dispersion: float

    @classmethod
    def of(cls, segments: Sequence[Segment], dispersion: float) -> _Sides:
        figures = np.array([(one.spend, one.conversions) for one in segments], dtype=np.float64)
        wrong = ~(np.isfinite(figures) & (figures >= 0)).all(axis=1)
        if wrong.any():
            raise ValueError(f"need finite figures >= 0; got {segments[int(wrong.argmax())]}")
        places: dict[tuple[str, str], int] = {}
        keys = [(one.campaign, one.dimension) for one in segments]
        group = np.array([places.setdefault(key, len(places)) for key in keys])
        spend, count = figures[:, 0], figures[:, 1] / dispersion
        rest, rest_count = (
            np.maximum(np.bincount(group, values)[group] - values, 0.0) for values in (spend, count)
        )
        return cls(spend, rest, count, rest_count, dispersion)

    @property
    def per(self) -> Floats:
        """Money here per money elsewhere; 0 where either is none."""
        return np.divide(self.spend, self.rest, out=np.zeros_like(self.spend), where=self.rest > 0)

    def enough(self, returns: Floats) -> NDArray[np.bool_]:
        expected = returns * self.per * self.rest_count
        has_elsewhere = (self.spend > 0) & (self.spend <= MOST_SHARE * (self.spend + self.rest))
        return np.asarray(has_elsewhere & (expected >= LEAST_EXPECTED))

    def chance_of_so_few(self, returns: Floats) -> Floats:
        """P(X <= x) = I_(1 - p)(n - x, x + 1), for real counts too."""
        moved = returns * self.per
        return np.asarray(betainc(np.maximum(self.rest_count, 1e-300), self.count + 1, 1 / (1 + moved)))

    def costs(self) -> tuple[Floats, Floats]:
        """Cost of a conversion here and elsewhere, infinite without one."""
        here, there = (
            np.divide(money, count * self.dispersion, out=np.full_like(money, np.inf), where=count > 0)
            for money, count in ((self.spend, self.count), (self.rest, self.rest_count))
        )
        return here, there

    def ratios(self) -> tuple[Floats, Floats, Floats]:
        """Median, low and high of the cost here over that elsewhere; nan without spend on both sides."""
        shares = betaincinv(self.count + 0.5, self.rest_count + 0.5, np.array([[0.5], [0.975], [0.025]]))
        per = np.where(self.per > 0, self.per, np.nan)
        median, low, high = (1 - shares) / shares * per
        return median, low, high

    def gains(self, returns: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean, low and high of r s / S * Gamma(elsewhere) - Gamma(here), ends from those of the two.

        Source: Zou, Donner 2008 (the method of variance estimates recovery).
        """
        x, y, ends = self.count + 0.5, self.rest_count + 0.5, np.array([[0.025], [0.975]])
        moved = np.where(self.per > 0, returns * self.per, np.nan)
        (x_low, x_high), (y_low, y_high) = gammaincinv(x, ends), gammaincinv(y, ends)
        mean = moved * y - x
        down = np.hypot(moved * (y - y_low), x_high - x)
        up = np.hypot(moved * (y_high - y), x - x_low)
        return mean * self.dispersion, (mean - down) * self.dispersion, (mean + up) * self.dispersion
