"""What is believed of each arm after the data, and the odds that each is the best, by quadrature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from scipy.special import betaincc, betainccinv, betaincinv, betaln, ndtr, ndtri

from .arms import Floats
from .panels import legendre, running_integral

TAIL = 1e-15
SPREAD = np.array([-30.0, -12.0, -6.0, -2.5, 0.0, 2.5, 6.0, 12.0, 30.0])


class Posterior(Protocol):
    """Beliefs about K arms, or about many experiments of K arms at once: every array is (..., K).

    log_density takes points (..., N) and answers (..., K, N).
    """

    def mean(self) -> Floats: ...
    def deviation(self) -> Floats: ...
    def quantile(self, tail: float) -> Floats: ...
    def upper_quantile(self, tail: float) -> Floats: ...
    def above(self, point: Floats) -> Floats: ...
    def log_density(self, points: Floats) -> Floats: ...
    def reversed(self) -> Self: ...


@dataclass(frozen=True, eq=False)
class BetaPosterior:
    """a, b: (..., K), >= 1 each: successes and failures, with those of the prior.

    Raises ValueError for others.
    """

    a: Floats
    b: Floats

    def __post_init__(self) -> None:
        if not ((self.a >= 1) & (self.b >= 1) & np.isfinite(self.a) & np.isfinite(self.b)).all():
            raise ValueError(f"a and b must be finite and >= 1; got {self.a}, {self.b}")

    def mean(self) -> Floats:
        return self.a / (self.a + self.b)

    def deviation(self) -> Floats:
        total = self.a + self.b
        return np.sqrt(self.a * self.b / (total + 1)) / total

    def quantile(self, tail: float) -> Floats:
        return np.asarray(betaincinv(self.a, self.b, tail))

    def upper_quantile(self, tail: float) -> Floats:
        return np.asarray(betainccinv(self.a, self.b, tail))

    def above(self, point: Floats) -> Floats:
        return np.asarray(betaincc(self.a, self.b, point))

    def log_density(self, points: Floats) -> Floats:
        x = np.clip(points, 1e-300, 1 - 1e-16)[..., None, :]
        a, b = self.a[..., None], self.b[..., None]
        return (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - betaln(a, b)

    def reversed(self) -> BetaPosterior:
        """Beliefs about failures: the best of these is the worst of those."""
        return BetaPosterior(self.b, self.a)


@dataclass(frozen=True, eq=False)
class NormalPosterior:
    """centre, error: (..., K), error > 0. Under a flat prior: the arm's mean and its standard error.

    Raises ValueError for others.
    """

    centre: Floats
    error: Floats

    def __post_init__(self) -> None:
        if not (np.isfinite(self.centre) & np.isfinite(self.error) & (self.error > 0)).all():
            raise ValueError(f"need finite centres and errors > 0; got {self.centre}, {self.error}")

    def mean(self) -> Floats:
        return self.centre

    def deviation(self) -> Floats:
        return self.error

    def quantile(self, tail: float) -> Floats:
        return self.centre + self.error * ndtri(tail)

    def upper_quantile(self, tail: float) -> Floats:
        return self.centre - self.error * ndtri(tail)

    def above(self, point: Floats) -> Floats:
        return np.asarray(ndtr((self.centre - point) / self.error))

    def log_density(self, points: Floats) -> Floats:
        error = self.error[..., None]
        steps = (points[..., None, :] - self.centre[..., None]) / error
        return -0.5 * steps * steps - np.log(error) - 0.5 * np.log(2 * np.pi)

    def reversed(self) -> NormalPosterior:
        return NormalPosterior(-self.centre, self.error)


@dataclass(frozen=True, eq=False, kw_only=True)
class Odds:
    """p_best: (..., K) sums to 1. expected_loss: (..., K) >= 0, in units of the outcome: what choosing this
    arm costs on average against choosing the best. expected_best: (...)."""

    p_best: Floats
    expected_loss: Floats
    expected_best: Floats


def odds(posterior: Posterior) -> Odds:
    """Who is the best, larger being better, and what a wrong choice costs. To about 1e-12.

    P(best = i) = integral of f_i prod_(j != i) F_j; E max = high - integral of prod F; loss_i = E max - E_i.
    Below the largest of the arms' 1e-15 quantiles nothing can be the best, so the integral starts there; its
    panels break at every arm's mean and multiples of its deviation, where the integrand bends. F is the
    running integral of f, scaled to its exact mass in the range.
    Source: Miller 2015, "Formulas for Bayesian A/B testing"; Stucchio 2015, "Bayesian A/B testing at VWO".
    """
    low = posterior.quantile(TAIL).max(axis=-1, keepdims=True)
    high = np.maximum(posterior.upper_quantile(TAIL).max(axis=-1, keepdims=True), low)
    edges = _edges(posterior, low, high)
    points, weights = legendre(edges)
    density = np.exp(posterior.log_density(points))
    reached, to_come = posterior.above(low)[..., None], posterior.above(high)[..., None]
    running = running_integral(density, edges[..., None, :])
    whole = (density * weights[..., None, :]).sum(axis=-1, keepdims=True)
    scale = np.divide(reached - to_come, whole, out=np.zeros_like(whole), where=whole > 0)
    below = np.clip(1 - reached + running * scale, 0.0, 1.0)
    p_best = (density * scale * _product_of_others(below) * weights[..., None, :]).sum(axis=-1)
    expected_best = high[..., 0] - (below.prod(axis=-2) * weights).sum(axis=-1)
    return Odds(
        p_best=p_best / p_best.sum(axis=-1, keepdims=True),
        expected_loss=np.maximum(expected_best[..., None] - posterior.mean(), 0.0),
        expected_best=expected_best,
    )


def _edges(posterior: Posterior, low: Floats, high: Floats) -> Floats:
    bends = posterior.mean()[..., None] + posterior.deviation()[..., None] * SPREAD
    inside = np.clip(bends.reshape((*bends.shape[:-2], -1)), low, high)
    return np.sort(np.concatenate([low, inside, high], axis=-1), axis=-1)


def _product_of_others(below: Floats) -> Floats:
    """(..., K, N): of each arm, the product over all the others, without dividing by what may be 0."""
    before, after = np.ones_like(below), np.ones_like(below)
    np.cumprod(below[..., :-1, :], axis=-2, out=before[..., 1:, :])
    after[..., :-1, :] = np.cumprod(below[..., :0:-1, :], axis=-2)[..., ::-1, :]
    return before * after
