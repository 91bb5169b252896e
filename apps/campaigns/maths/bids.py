"""What a click is worth to a goal, and the bid that follows. Arrays in, arrays out; money of one currency."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def for_target_cpa(rate: ArrayLike, target_cpa: ArrayLike) -> Floats:
    """Bid per click = rate * target CPA. rate: conversions per click in [0, 1]; target_cpa > 0."""
    return _rate(rate) * _positive(target_cpa, "target CPA")


def for_target_cpa_per_thousand(click_rate: ArrayLike, rate: ArrayLike, target_cpa: ArrayLike) -> Floats:
    """Bid per thousand impressions = 1000 * click rate * rate * target CPA."""
    return 1000 * _rate(click_rate) * for_target_cpa(rate, target_cpa)


def for_target_roas(rate: ArrayLike, value: ArrayLike, target_roas: ArrayLike) -> Floats:
    """Bid per click = rate * value / target ROAS. value: expected revenue of a conversion, >= 0; target_roas:
    revenue per unit of spend, > 0, 4 for 400 %.
    """
    return _rate(rate) * _value(value) / _positive(target_roas, "target ROAS")


def for_profit(rate: ArrayLike, value: ArrayLike, margin: ArrayLike) -> Floats:
    """Bid per click = rate * value * margin, what the click earns: the best bid where a second price is paid.

    margin: profit before advertising per unit of revenue, in (0, 1].
    Source: Vickrey 1961.
    """
    share = _positive(margin, "margin")
    if (share > 1).any():
        raise ValueError(f"a margin is at most 1; got {share.max()}")
    return _rate(rate) * _value(value) * share


def final(base: ArrayLike, modifiers: ArrayLike, *, floor: ArrayLike, cap: ArrayLike) -> Floats:
    """clip(base * product of modifiers, floor, cap). base: (...); modifiers: (..., m), > 0 each. ValueError
    where a floor is above its cap, or for bids or modifiers that are none.
    """
    low, high = _value(floor), _value(cap)
    if (low > high).any():
        raise ValueError(f"a floor of {low.max()} is above the cap")
    product = np.prod(_positive(modifiers, "modifiers"), axis=-1)
    return np.clip(_value(base) * product, low, high)


def _rate(rate: ArrayLike) -> Floats:
    found = np.asarray(rate, dtype=np.float64)
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"a rate is in [0, 1]; got {found}")
    return found


def _positive(amount: ArrayLike, name: str) -> Floats:
    found = np.asarray(amount, dtype=np.float64)
    if not ((found > 0) & np.isfinite(found)).all():
        raise ValueError(f"{name} must be finite and > 0; got {found}")
    return found


def _value(amount: ArrayLike) -> Floats:
    found = np.asarray(amount, dtype=np.float64)
    if not ((found >= 0) & np.isfinite(found)).all():
        raise ValueError(f"an amount of money must be finite and >= 0; got {found}")
    return found
