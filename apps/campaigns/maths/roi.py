"""What planned budgets will cost and bring: demand to come times the response curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .forecast import FREEDOM, HORIZON, NoForecast, forecast
from .response.curves import Curves
from .response.panel import RECENT_DAYS, Floats

DRAWS = 2000
TAIL = 0.025


@dataclass(frozen=True, kw_only=True)
class Range:
    """A median with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, kw_only=True)
class RoiForecast:
    """Over all campaigns and days together. roi: (margin * revenue - spend) / spend; None without spend.

    revenue_by_day, low_by_day, high_by_day: (days,) expected revenue of each day, its noise left out.
    held: places of campaigns without a curve, whose revenue is not in these figures though their spend is.
    """

    days: int
    spend: float
    revenue: Range
    profit: Range
    roi: Range | None
    revenue_by_day: Floats
    low_by_day: Floats
    high_by_day: Floats
    held: tuple[int, ...]


def forecast_roi(
    curves: Curves,
    budgets: ArrayLike,
    *,
    margin: float,
    rng: np.random.Generator,
    days: int = HORIZON,
    draws: int = DRAWS,
) -> RoiForecast | NoForecast:
    """Forecast an account under planned budgets.

    budgets: (n,) money a day, >= 0, taken for spent as planned. margin: profit before advertising of a unit
    of revenue, > 0. NoForecast where the history of demand is too short.
    Raises ValueError for others.

    revenue = sum over days of demand_t * sum_i a_i * budget_i ** k_i: (a, k) drawn from the curves' beliefs
    at the demand of the last weeks, demand_t the forecast of the account's own demand over that, its total
    drawn with Student's tails on the log scale, and a day's noise with the campaigns' dispersion on top.
    """
    money = np.asarray(budgets, dtype=np.float64)
    if money.shape != curves.k.shape or not (np.isfinite(money) & (money >= 0)).all():
        raise ValueError(f"need one budget >= 0 of each of {len(curves.k)} campaigns; got {money}")
    if not (np.isfinite(margin) and margin > 0 and days >= 1 and draws >= 1):
        raise ValueError(f"margin, days and draws must be > 0; got {margin}, {days}, {draws}")
    demand = np.exp(curves.demand)
    coming = forecast(demand / demand[-RECENT_DAYS:].mean(), horizon=days)
    if isinstance(coming, NoForecast):
        return coming
    a, k = curves.draws(rng, draws, with_demand=False)
    usual = (a * money**k).sum(axis=1)
    level = np.exp(coming.total_error * rng.standard_t(FREEDOM, size=draws))
    noise = float((curves.dispersion * curves.outcome(money)).sum()) * coming.total
    revenue = np.maximum(usual * level * coming.total + np.sqrt(noise) * rng.normal(size=draws), 0.0)
    spend = float(money.sum()) * days
    each = np.multiply.outer(usual * level, coming.expected)
    return RoiForecast(
        days=days,
        spend=spend,
        revenue=_range(revenue),
        profit=_range(margin * revenue - spend),
        roi=_range((margin * revenue - spend) / spend) if spend else None,
        revenue_by_day=np.median(each, axis=0),
        low_by_day=np.quantile(each, TAIL, axis=0),
        high_by_day=np.quantile(each, 1 - TAIL, axis=0),
        held=tuple(np.flatnonzero(~curves.has_level & (money > 0)).tolist()),
    )


def _range(drawn: Floats) -> Range:
    low, value, high = np.quantile(drawn, [TAIL, 0.5, 1 - TAIL]).tolist()
    return Range(value=value, low=low, high=high)
