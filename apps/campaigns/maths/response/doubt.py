"""How wrong a regression may be: dispersion of each campaign, and days that resemble the days before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .panel import RECENT_DAYS, Flags, Floats
from .regression import Regression

LONGEST_LAG = 10
LEAST_ERROR = 0.01  # of a slope: no history is exact
FIRST_DAYS = 10.0  # days' worth of the account's dispersion that a campaign's is mixed with


@dataclass(frozen=True, eq=False, kw_only=True)
class Doubt:
    """slope_error, level_error: (n,) standard errors; infinite where spend told nothing of the slope.
    demand_error: of the log of recent demand, shared by all campaigns. dispersion: (n,) variance over mean.
    memory: (lags,) autocorrelation of residuals, pooled.
    """

    slope_error: Floats
    level_error: Floats
    demand_error: float
    dispersion: Floats
    memory: Floats


def doubt(fitted: Regression, outcome: Floats, counted: Flags) -> Doubt:
    """Errors of a regression that allow for dispersion and autocorrelation.

    Var(slope) = (own_share * dispersion_i + day_share * dispersion) * inflation_i with inflation_i = 1 +
    2 sum_l r_l s_il: r the autocorrelation of Pearson residuals pooled over the account, s that of the
    campaign's regressor. Where both move slowly, T days know less than T days' worth.
    Source: Bartlett 1935 (correlated series); Newey, West 1987 (the sum over lags).
    """
    expected = fitted.expected
    residual = np.divide(outcome - expected, np.sqrt(expected), out=np.zeros_like(expected), where=counted)
    dispersion = _dispersion(fitted, residual, counted)
    scaled = residual / np.sqrt(np.maximum(dispersion, 1e-300))[:, None]
    memory = _memory(scaled, counted)
    account = float((dispersion * expected.sum(axis=1)).sum() / expected.sum())
    inflation = _inflation(fitted, counted, memory)
    own = np.where(np.isfinite(fitted.own_share), fitted.own_share * dispersion, np.inf)
    slope_variance = (own + fitted.day_share * account) * inflation
    lasting = 1 + 2 * float(np.maximum(memory, 0).sum())
    return Doubt(
        slope_error=np.maximum(np.sqrt(slope_variance), LEAST_ERROR),
        level_error=np.sqrt(dispersion * lasting / expected.sum(axis=1)),
        demand_error=_demand_error(fitted.demand),
        dispersion=dispersion,
        memory=memory,
    )


def _dispersion(fitted: Regression, residual: Floats, counted: Flags) -> Floats:
    """Pearson's; a day counts as far as its effect of time is not the campaign's own; see FIRST_DAYS."""
    expected = fitted.expected
    whole = np.broadcast_to(fitted.over_time(expected), expected.shape)
    part = np.divide(expected, whole, out=np.zeros_like(expected), where=counted)
    freedom = np.maximum((counted * (1 - part)).sum(axis=1) - 2 * (1 - part.max(axis=1)), 1.0)
    squares = (residual**2).sum(axis=1)
    pooled = float(squares.sum() / freedom.sum())
    return np.asarray((squares + FIRST_DAYS * pooled) / (freedom + FIRST_DAYS))


def _memory(scaled: Floats, counted: Flags) -> Floats:
    """(lags,) a campaign's level and slope are taken out of so few days that residuals seem to alternate; one
    over the days is given back."""
    days = scaled.shape[1]
    lags = range(1, min(LONGEST_LAG, days // 4) + 1)
    variance = (scaled**2).sum() / max(counted.sum(), 1)
    found = [
        (scaled[:, lag:] * scaled[:, :-lag]).sum()
        / max((counted[:, lag:] & counted[:, :-lag]).sum(), 1)
        / max(variance, 1e-300)
        for lag in lags
    ]
    raw = np.array(found, dtype=np.float64)
    lasting = 1 + 2 * np.maximum(raw, 0).sum()
    return np.clip(raw + lasting / max(counted.sum(axis=1).mean(), 1), -1.0, 1.0)


def _inflation(fitted: Regression, counted: Flags, memory: Floats) -> Floats:
    weight = fitted.expected
    total = fitted.over_time(weight)
    moved = fitted.over_time(weight * fitted.x)
    shared = np.divide(moved, total, out=np.zeros_like(total), where=total > 0)
    score = np.where(counted, (fitted.x - shared) * np.sqrt(weight), 0.0)
    square = np.maximum((score**2).sum(axis=1), 1e-300)
    inflation = np.ones(len(weight))
    for lag, r in enumerate(memory.tolist(), start=1):
        inflation += 2 * r * (score[:, lag:] * score[:, :-lag]).sum(axis=1) / square
    return np.maximum(inflation, 1.0)


def _demand_error(demand: Floats) -> float:
    """Of the mean of the last days, as a sign of the mean of days to come: days resemble each other."""
    if len(demand) < 3:
        return 0.0
    steps = demand - demand.mean()
    variance = float((steps**2).mean())
    if variance <= 1e-12:
        return 0.0
    memory = float(np.clip((steps[1:] * steps[:-1]).mean() / variance + 4 / len(demand), 0.0, 0.95))
    return float(np.sqrt(variance * (1 + memory) / (1 - memory) / min(len(demand), RECENT_DAYS)))
