"""Conversion rates of many campaigns: each leans on the others as far as its own clicks are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, betaln, digamma, polygamma

Floats = NDArray[np.float64]
MOST_CLICKS = 1e7  # a + b of rates that do not differ
LEAST_CLICKS = 2.0  # a + b: no rates are likelier at 0 and 1 than between
MOST_STEPS = 200
ROUNDING = 1e-12  # relative, of a likelihood that no longer tells two points apart


@dataclass(frozen=True, eq=False, kw_only=True)
class ShrunkRates:
    """Beliefs Beta(alpha + x, beta + n - x), see `shrunk_rates`. mean, low, high: (m,) of each rate, low and
    high at 95 %.

    alpha, beta: of the campaigns' rates among each other; log_likelihood at these, without binomial
    constants.
    """

    alpha: float
    beta: float
    mean: Floats
    low: Floats
    high: Floats
    log_likelihood: float


def shrunk_rates(conversions: ArrayLike, clicks: ArrayLike) -> ShrunkRates:
    """Empirical-Bayes conversion rates.

    conversions, clicks: (m,), 0 <= conversions <= clicks; a campaign without clicks gets the others' mean.
    Raises ValueError for other counts, or where no campaign has a click.

    p_i = (x_i + a) / (n_i + a + b), (a, b) the maximum of sum_i ln B(x_i + a, n_i - x_i + b) - ln B(a, b),
    found over (ln a, ln b) by Newton's steps, each shortened until it climbs. Campaigns that differ by no
    more than chance have no finite maximum: a + b stops at MOST_CLICKS, and all get the pooled rate. Without
    a single conversion, or without a click that did not convert, the pooled rate is that of Jeffreys' prior.
    Source: Griffiths 1973 (maximum likelihood of the beta-binomial).
    """
    x, n = np.asarray(conversions, dtype=np.float64), np.asarray(clicks, dtype=np.float64)
    _check(x, n)
    a, b = _maximum(x, n)
    lean = np.minimum(1.0, (n.sum() - n + 1) / (a + b))
    successes, failures = x + a * lean, n - x + b * lean
    return ShrunkRates(
        alpha=a,
        beta=b,
        mean=successes / (successes + failures),
        low=np.asarray(betaincinv(successes, failures, 0.025), dtype=np.float64),
        high=np.asarray(betaincinv(successes, failures, 0.975), dtype=np.float64),
        log_likelihood=_likelihood(np.log([a, b]), x, n),
    )


def _check(x: Floats, n: Floats) -> None:
    if x.ndim != 1 or x.shape != n.shape:
        raise ValueError(f"need one count of conversions and of clicks each; got {x.shape} and {n.shape}")
    wrong = ~(np.isfinite(n) & (x >= 0) & (x <= n))
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"campaign {i}: need 0 <= conversions <= clicks; got {x[i]} of {n[i]}")
    if not n.sum() > 0:
        raise ValueError("no campaign has a click: there is no rate to learn")


def _maximum(x: Floats, n: Floats) -> tuple[float, float]:
    pooled = float((x.sum() + 0.5) / (n.sum() + 1))
    if x.sum() in (0, n.sum()):
        size = float(n.sum()) + 1
        return pooled * size, (1 - pooled) * size
    at = np.log(np.array([pooled, 1 - pooled]) * 100.0)
    best = _likelihood(at, x, n)
    for _ in range(MOST_STEPS):
        step = _step(at, x, n)
        part, moved = _climb(at, step, best, x, n)
        if part == 0.0:
            break
        at, best = at + part * step, moved
        if float(np.exp(at).sum()) > MOST_CLICKS or np.abs(part * step).max() < 1e-13:
            break
    a, b = np.exp(at)
    size = float(np.clip(a + b, LEAST_CLICKS, MOST_CLICKS))
    return float(a / (a + b) * size), float(b / (a + b) * size)


def _climb(at: Floats, step: Floats, best: float, x: Floats, n: Floats) -> tuple[float, float]:
    """How much of the step does not lose likelihood; 0 where none of it does."""
    part = min(1.0, 2.0 / float(np.abs(step).max() or 1.0))
    while part > 1e-10:
        moved = _likelihood(at + part * step, x, n)
        if moved >= best - ROUNDING * abs(best):
            return part, moved
        part /= 2
    return 0.0, best


def _likelihood(at: Floats, x: Floats, n: Floats) -> float:
    a, b = np.exp(at)
    return float((betaln(x + a, n - x + b) - betaln(a, b)).sum())


def _step(at: Floats, x: Floats, n: Floats) -> Floats:
    """Newton's step in (ln a, ln b), uphill where the likelihood is not concave."""
    a, b = np.exp(at)
    both = digamma(n + a + b) - digamma(a + b)
    of_x = digamma(x + a) - digamma(a) - both
    of_rest = digamma(n - x + b) - digamma(b) - both
    bend = (polygamma(1, n + a + b) - polygamma(1, a + b)).sum()
    aa = (polygamma(1, x + a) - polygamma(1, a)).sum() - bend
    bb = (polygamma(1, n - x + b) - polygamma(1, b)).sum() - bend
    size = np.array([a, b])
    gradient = np.array([of_x.sum(), of_rest.sum()]) * size
    hessian = np.array([[aa, -bend], [-bend, bb]]) * np.outer(size, size) + np.diag(gradient)
    values, vectors = np.linalg.eigh(hessian)
    return np.asarray(vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-12)))
