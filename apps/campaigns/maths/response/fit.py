"""From the daily history of an account to its response curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .bias import BY_DEFAULT, OF_FEW_CAMPAIGNS, RandomisedSlopes, SharedBias
from .curves import LEAST_K, MOST_K, Curves
from .doubt import doubt
from .panel import Floats, Panel, Reason, panel
from .regression import FEWEST_FOR_DAYS, regress
from .shrink import MEAN_K, MEAN_K_ERROR, Shrunk, shrink

LEAST_INFORMATION = 1.0  # an account whose slopes together have an error above this tells nothing
FALLBACK_K, FALLBACK_ERROR = 0.8, 0.3  # where there is nothing to learn from


def fit_curves(
    spend: ArrayLike,
    outcome: ArrayLike,
    *,
    bias: SharedBias | None = None,
    tested: RandomisedSlopes | None = None,
) -> Curves:
    """Response curves of all campaigns of an account.

    spend: (n_campaigns, n_days) money; outcome: (n_campaigns, n_days) revenue or value of conversions, of the
    same whole days, oldest first; NaN where nothing is known, see `panel.panel`. bias: by the number of
    campaigns unless given. tested: slopes from
    randomised tests, (n_campaigns,).
    Raises ValueError for a history that cannot be one; DidNotConverge.
    """
    seen = panel(spend, outcome)
    raw = _raw(seen)
    belief, is_fallback = _belief(raw, seen, bias, tested)
    k = np.clip(belief.mean, LEAST_K, MOST_K)
    a = np.where(seen.usable, np.exp(raw.level - k * raw.centre), 0.0)
    reasons = seen.reasons
    if is_fallback:
        reasons = tuple(reason or Reason.NOTHING_TO_LEARN_FROM for reason in reasons)
    return Curves(
        a=a,
        k=k,
        a_error=a * np.hypot(raw.level_error, raw.demand_error),
        k_error=belief.error,
        raw_k=raw.slope,
        raw_k_error=raw.slope_error,
        level=raw.level,
        level_error=raw.level_error,
        demand_error=raw.demand_error,
        demand=raw.demand,
        dispersion=raw.dispersion,
        centre=raw.centre,
        reference=seen.reference,
        days=seen.counted.sum(axis=1).astype(np.float64),
        reasons=reasons,
        belief=belief,
        bias=belief.bias,
        is_fallback=is_fallback,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Raw:
    """Of all campaigns; where there is no level it is 0, and the slope's error infinite."""

    level: Floats
    level_error: Floats
    slope: Floats
    slope_error: Floats
    centre: Floats
    dispersion: Floats
    demand_error: float
    demand: Floats


def _raw(seen: Panel) -> _Raw:
    n, usable = len(seen.spend), seen.usable
    level, slope, centre, level_error = np.zeros(n), np.full(n, MEAN_K), np.zeros(n), np.zeros(n)
    slope_error, demand_error = np.full(n, np.inf), 0.0
    dispersion, demand = np.zeros(n), np.zeros(seen.spend.shape[1])
    if usable.any():
        outcome, counted = seen.outcome[usable], seen.counted[usable]
        fitted = regress(seen.spend[usable], outcome, counted)
        found = doubt(fitted, outcome, counted)
        level[usable], centre[usable], slope[usable] = fitted.level, fitted.centre, fitted.slope
        level_error[usable], slope_error[usable] = found.level_error, found.slope_error
        dispersion[usable] = found.dispersion
        demand_error, demand = found.demand_error, fitted.demand
    constant = [reason in (Reason.CONSTANT_SPEND, Reason.FEW_DAYS) for reason in seen.reasons]
    slope_error[np.array(constant, dtype=np.bool_)] = np.inf
    return _Raw(
        level=level,
        level_error=level_error,
        slope=slope,
        slope_error=slope_error,
        centre=centre,
        dispersion=dispersion,
        demand_error=demand_error,
        demand=demand,
    )


def _belief(
    raw: _Raw, seen: Panel, bias: SharedBias | None, tested: RandomisedSlopes | None
) -> tuple[Shrunk, bool]:
    if bias is None:
        bias = BY_DEFAULT if int(seen.usable.sum()) >= FEWEST_FOR_DAYS else OF_FEW_CAMPAIGNS
    belief = shrink(raw.slope, raw.slope_error, bias=bias, tested=tested)
    known = (raw.slope_error**-2.0).sum() + (0.0 if tested is None else (tested.error**-2.0).sum())
    if known >= LEAST_INFORMATION**-2.0:
        return belief, False
    return _fallback(len(raw.slope)), True


def _fallback(n: int) -> Shrunk:
    """k = FALLBACK_K for all: one belief, and no campaign's own."""
    own = np.sqrt(FALLBACK_ERROR**2 - MEAN_K_ERROR**2)
    return Shrunk(
        chance=np.ones(1),
        means=np.full((1, n), FALLBACK_K),
        errors=np.full((1, n), FALLBACK_ERROR),
        account=np.array([[FALLBACK_K, 0.0]]),
        account_cover=np.array([np.diag([MEAN_K_ERROR**2, 1e-12])]),
        rests=np.zeros((1, n)),
        pulls=np.stack([np.ones((1, n)), np.zeros((1, n))], axis=2),
        own_errors=np.full((1, n), own),
    )
