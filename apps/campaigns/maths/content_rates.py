"""The rate that a message may reach, learnt from a workspace's own past ones: a partially pooled logit.

logit(rate of variant v in campaign c) = base + x_v . weights + campaign_c + variant_v, all of them Gaussian:
base ~ N(centre, spread^2), weights ~ N(0, weight_spread^2), campaign_c ~ N(0, tau^2),
variant_v ~ N(0, omega^2). What was counted enters as an empirical logit with its variance, so the posterior
is exact under that approximation; tau and omega are not known and are averaged over a grid, each pair
weighted by its prior times the marginal likelihood of the past. With much of the past the prior is forgotten.

Sources: Gelman, Hill 2007, chapters 12 and 14 (partial pooling of logits); empirical logit with half a count
added, Haldane 1956, Anscombe 1956, its variance Gart, Zweifel 1967; conditional Gaussian, Rasmussen, Williams
2006, equations 2.22 to 2.24 and 2.30.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, ndtr

Floats = NDArray[np.float64]
QUANTILES = (0.1, 0.5, 0.9)
# Below so many past campaigns nothing is learnt from them: one of them may be anything.
LEAST_CAMPAIGNS = 3
_HALVINGS = 60


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is held of a rate before anything was seen. centre: of the base, a logit; tau, omega: the grid."""

    centre: float
    spread: float
    weight_spread: float = 0.12
    tau: tuple[float, ...] = (0.08, 0.16, 0.28, 0.45, 0.7)
    omega: tuple[float, ...] = (0.03, 0.08, 0.16, 0.3)
    # Half-normal scales of the two.
    tau_scale: float = 0.35
    omega_scale: float = 0.12


# Of people that were sent a message. Assumptions of ours: 80 % of workspaces have a base between about 19 and
# 44 % opened, and between about 1.1 and 5.6 % clicked.
OPENED = Prior(centre=float(np.log(0.30 / 0.70)), spread=0.48)
CLICKED = Prior(centre=float(np.log(0.025 / 0.975)), spread=0.65)


@dataclass(frozen=True)
class Past:
    """One row per variant that was sent. hits, people: shape (n,); campaign: shape (n,), any integers that
    tell campaigns apart; features: shape (n, p).
    """

    hits: ArrayLike
    people: ArrayLike
    campaign: ArrayLike
    features: ArrayLike


@dataclass(frozen=True)
class Predicted:
    """Quantiles of the rates, shape (m,) each; campaigns: learnt from; is_prior_only: from none."""

    low: Floats
    middle: Floats
    high: Floats
    campaigns: int

    @property
    def is_prior_only(self) -> bool:
        return self.campaigns == 0


def empirical_logit(hits: ArrayLike, people: ArrayLike) -> tuple[Floats, Floats]:
    """log((k + 1/2) / (n - k + 1/2)) and its variance 1/(k + 1/2) + 1/(n - k + 1/2).

    hits, people: shape (n,), 0 <= hits <= people, people >= 1. Raises ValueError otherwise.
    """
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(people, dtype=np.float64)
    if k.shape != n.shape or k.ndim != 1:
        raise ValueError(f"hits and people need one shape (n,); got {k.shape}, {n.shape}")
    if not (np.isfinite(k) & np.isfinite(n) & (k >= 0) & (k <= n) & (n >= 1)).all():
        raise ValueError("hits must lie between 0 and people, and people be 1 or more")
    yes, no = k + 0.5, n - k + 0.5
    return np.log(yes / no), 1 / yes + 1 / no


def predict(features: ArrayLike, past: Past, prior: Prior, *, people: float | None = None) -> Predicted:
    """The 10, 50 and 90 % quantiles of the rates that variants of a new campaign will show.

    features: shape (m, p), m >= 1. people: how many will get each; few of them add their own chance.
    Raises ValueError for shapes that do not fit or values that are not finite.
    """
    new = _matrix(features, "features")
    y, noise = empirical_logit(past.hits, past.people)
    old = _matrix(past.features, "past.features") if y.size else np.empty((0, new.shape[1]))
    groups = np.asarray(past.campaign)
    if old.shape != (y.size, new.shape[1]) or groups.shape != y.shape:
        raise ValueError(f"past features {old.shape} and campaigns {groups.shape} do not fit {new.shape}")
    campaigns = int(np.unique(groups).size)
    if campaigns < LEAST_CAMPAIGNS:
        y, noise, old, groups, campaigns = y[:0], noise[:0], old[:0], groups[:0], 0
    weights, means, variances = _mixture(new, y, noise, old, groups, prior)
    if people is not None:
        variances = variances + _chance(means, people)
    low, middle, high = (_quantile(weights, means, variances, share) for share in QUANTILES)
    return Predicted(expit(low), expit(middle), expit(high), campaigns)


def _mixture(
    new: Floats, y: Floats, noise: Floats, old: Floats, groups: NDArray, prior: Prior
) -> tuple[Floats, Floats, Floats]:
    """Per pair of the grid: its weight, shape (g,), and mean and variance of each new logit, shape (g, m)."""
    same = (groups[:, None] == groups[None, :]).astype(np.float64)
    shared = prior.spread**2 + prior.weight_spread**2 * old @ old.T
    cross = prior.spread**2 + prior.weight_spread**2 * new @ old.T
    alone = prior.spread**2 + prior.weight_spread**2 * (new**2).sum(axis=1)
    logs, means, variances = [], [], []
    for tau in prior.tau:
        for omega in prior.omega:
            whole = shared + tau**2 * same + np.diag(noise + omega**2)
            log, mean, less = _conditional(whole, cross, y - prior.centre)
            logs.append(log - 0.5 * (tau / prior.tau_scale) ** 2 - 0.5 * (omega / prior.omega_scale) ** 2)
            means.append(prior.centre + mean)
            variances.append(alone + tau**2 + omega**2 - less)
    weights = np.exp(np.array(logs) - max(logs))
    widths = np.outer(_widths(prior.tau), _widths(prior.omega)).ravel()
    weights = weights * widths / (weights * widths).sum()
    return weights, np.array(means), np.array(variances)


def _conditional(whole: Floats, cross: Floats, residual: Floats) -> tuple[float, Floats, Floats]:
    """log marginal likelihood without its constant; what the past adds to the mean of the new and takes from
    its variance.
    """
    if not residual.size:
        return 0.0, np.zeros(cross.shape[0]), np.zeros(cross.shape[0])
    factor = cho_factor(whole, lower=True)
    solved = cho_solve(factor, residual)
    log = -0.5 * residual @ solved - np.log(np.diag(factor[0])).sum()
    return float(log), cross @ solved, np.einsum("ij,ji->i", cross, cho_solve(factor, cross.T))


def _widths(grid: tuple[float, ...]) -> Floats:
    """How much of the line each point of an uneven grid stands for."""
    edges = np.concatenate([[0.0], (np.array(grid)[1:] + np.array(grid)[:-1]) / 2, [1.5 * grid[-1]]])
    return np.diff(edges)


def _chance(means: Floats, people: float) -> Floats:
    """Variance of the logit of a share that is counted among so many: 1 / (n p (1 - p))."""
    if not people >= 1:
        raise ValueError(f"people must be 1 or more; got {people}")
    rate = expit(means)
    return 1 / (people * rate * (1 - rate))


def _quantile(weights: Floats, means: Floats, variances: Floats, share: float) -> Floats:
    """Of the mixture of Gaussians, for each of m, by halving: its distribution function only rises."""
    spread = np.sqrt(variances)
    low, high = (means - 12 * spread).min(axis=0), (means + 12 * spread).max(axis=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_below = (weights[:, None] * ndtr((middle - means) / spread)).sum(axis=0) < share
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2


def _matrix(values: ArrayLike, name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2 or not found.shape[0] or not np.isfinite(found).all():
        raise ValueError(
            f"{name} must be finite and of shape (rows, features), with a row; got {found.shape}"
        )
    return found
