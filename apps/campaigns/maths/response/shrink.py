"""Empirical Bayes over an account: what a campaign's own history leaves open, the others tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bias import BY_DEFAULT, RandomisedSlopes, SharedBias
from .panel import Floats

MEAN_K, MEAN_K_ERROR = 0.6, 0.2  # of an account's mean slope, before anything is seen
SPREAD_SCALE = 0.2  # half-normal, of the spread of slopes within an account
SPREADS = np.array([0.02, 0.04, 0.06, 0.08, 0.10, 0.125, 0.15, 0.18, 0.22, 0.27, 0.33, 0.40, 0.50])
LEAST_CHANCE = 1e-4  # of a part of the mixture that is kept


@dataclass(frozen=True, eq=False, kw_only=True)
class Shrunk:
    """Beliefs about k: a mixture of S Gaussian parts, over the spread of slopes and the kind of bias.

    chance: (S,). means, errors: (S, n) of k in each part. account, account_cover: (S, 2), (S, 2, 2) of (mean
    k, bias) of the account; k given these is rests + pulls @ (mean k, bias), with own_errors: (S, n), (S, n,
    2), (S, n).
    """

    chance: Floats
    means: Floats
    errors: Floats
    account: Floats
    account_cover: Floats
    rests: Floats
    pulls: Floats
    own_errors: Floats

    @property
    def mean(self) -> Floats:
        return np.asarray(self.chance @ self.means)

    @property
    def error(self) -> Floats:
        return np.sqrt(self.chance @ (self.errors**2 + (self.means - self.mean) ** 2))

    @property
    def bias(self) -> float:
        """What slopes from history are believed to be too high by."""
        return float((self.chance * self.account[:, 1]).sum())

    def draws(self, rng: np.random.Generator, count: int) -> Floats:
        """(count, n) of k, with what the campaigns share drawn once a row."""
        part = rng.choice(len(self.chance), size=count, p=self.chance)
        roots = np.linalg.cholesky(self.account_cover)
        shared = self.account[part] + (roots[part] @ rng.normal(size=(count, 2, 1)))[:, :, 0]
        pulled = self.pulls[part, :, 0] * shared[:, :1] + self.pulls[part, :, 1] * shared[:, 1:]
        noise = rng.normal(size=(count, self.rests.shape[1]))
        return np.asarray(self.rests[part] + pulled + self.own_errors[part] * noise)


def shrink(
    slope: Floats,
    error: Floats,
    *,
    bias: SharedBias = BY_DEFAULT,
    tested: RandomisedSlopes | None = None,
) -> Shrunk:
    """Beliefs about each campaign's k.

    slope, error: (n,) from history, error > 0, infinite where it told nothing. tested: from a randomised
    test.
    Raises ValueError for other errors, or shapes that do not fit.

    slope_i ~ N(k_i + b, error_i ** 2), tested_i ~ N(k_i, ...), k_i ~ N(m, s ** 2), m ~ N(.6, .2 ** 2), b of
    one of the kinds of bias, s half-normal(.2) on a grid. Given s and the kind all is Gaussian: k_i is
    integrated out by hand, which leaves (m, b); each part is weighed by its evidence.
    Source: Efron, Morris 1975 (empirical Bayes); Gelman et al. 2013, "Bayesian data analysis", 5.4.
    """
    (history, slope), (trial, trusted) = _told(slope, error, tested)
    prior, base, kinds = _grid(bias)
    h = history * slope + trial * trusted
    total = prior[:, None] + history + trial
    to_mean, to_bias = prior[:, None] / total, history / total
    precision, pull = _account(prior, history, h, slope, to_mean, to_bias, kinds)
    cover = np.linalg.inv(precision)
    account = (cover @ pull[:, :, None])[:, :, 0]
    evidence = (
        base
        + 0.5 * (np.log(to_mean) + h * h / total).sum(axis=1)
        + 0.5 * (pull * account).sum(axis=1)
        - 0.5 * np.linalg.slogdet(precision)[1]
    )
    chance = np.exp(evidence - evidence.max())
    kept = chance >= LEAST_CHANCE * chance.sum()
    rests, pulls = (h / total)[kept], np.stack([to_mean, -to_bias], axis=2)[kept]
    account, cover, total = account[kept], cover[kept], total[kept]
    return Shrunk(
        chance=chance[kept] / chance[kept].sum(),
        means=rests + (pulls @ account[:, :, None])[:, :, 0],
        errors=np.sqrt(1 / total + ((pulls @ cover) * pulls).sum(axis=2)),
        account=account,
        account_cover=cover,
        rests=rests,
        pulls=pulls,
        own_errors=1 / np.sqrt(total),
    )


def _grid(bias: SharedBias) -> tuple[Floats, Floats, Floats]:
    """Of each part: precision of k around m, log prior chance, (2,) mean and precision of the bias."""
    kinds = np.array([[kind.mean, kind.spread**-2.0] for kind in bias.kinds])
    of_kind = np.log([kind.chance for kind in bias.kinds]) - 0.5 * kinds[:, 0] ** 2 * kinds[:, 1]
    of_kind += 0.5 * np.log(kinds[:, 1])
    of_spread = np.log(np.gradient(SPREADS)) - 0.5 * (SPREADS / SPREAD_SCALE) ** 2
    base = np.add.outer(of_kind, of_spread).ravel()
    return np.tile(SPREADS**-2.0, len(kinds)), base, np.repeat(kinds, len(SPREADS), axis=0)


def _account(
    prior: Floats,
    history: Floats,
    h: Floats,
    slope: Floats,
    to_mean: Floats,
    to_bias: Floats,
    kinds: Floats,
) -> tuple[Floats, Floats]:
    """Precision (S, 2, 2) and pull (S, 2) of (m, b), the campaigns' own k integrated out."""
    mm = MEAN_K_ERROR**-2.0 + prior * (1 - to_mean).sum(axis=1)
    bb = kinds[:, 1] + (history * (1 - to_bias)).sum(axis=1)
    mb = (prior[:, None] * to_bias).sum(axis=1)
    pull_m = MEAN_K_ERROR**-2.0 * MEAN_K + (to_mean * h).sum(axis=1)
    pull_b = kinds[:, 0] * kinds[:, 1] + (history * slope - to_bias * h).sum(axis=1)
    precision = np.stack([np.stack([mm, mb], axis=1), np.stack([mb, bb], axis=1)], axis=1)
    return precision, np.stack([pull_m, pull_b], axis=1)


def _told(
    slope: Floats, error: Floats, tested: RandomisedSlopes | None
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """(precision, slope) from history and from a test; 0 where nothing is told."""
    nothing = (np.full(slope.shape, np.inf), np.zeros(slope.shape))
    second = nothing if tested is None else (tested.error, tested.slope)
    pairs = []
    for errors, slopes in ((error, slope), second):
        if errors.shape != slope.shape or slopes.shape != slope.shape or not (errors > 0).all():
            raise ValueError(f"each of {slope.shape} slopes needs an error > 0; got {errors}")
        pairs.append((errors**-2.0, np.where(np.isfinite(errors), slopes, 0.0)))
    return pairs[0], pairs[1]
