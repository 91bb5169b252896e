"""Bids through the day: one multiplier keeps the budget, one keeps the return, and the lower one holds.

Source: Balseiro et al. 2023, "A field guide for pacing budget and ROS constraints", arXiv 2302.08530: the two
controllers run apart, and the minimum of their multipliers is what is bid with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

LEAST, MOST = 0.1, 1.0
ETA = 0.5


@dataclass(frozen=True, kw_only=True)
class Pace:
    """budget, roas: multipliers within [LEAST, MOST], 1 at the start of a day."""

    budget: float = 1.0
    roas: float = 1.0

    @property
    def multiplier(self) -> float:
        """What bids are multiplied by."""
        return min(self.budget, self.roas)


def after_spend(pace: Pace, *, spent: float, planned: float, eta: float = ETA) -> Pace:
    """Slow down where more was spent than planned until now, speed up where less.

    spent: money since the start, >= 0. planned: by now, > 0. eta: > 0, how hard to steer.
    Raises ValueError for others.

    budget <- clip(budget * exp(-eta * (spent / planned - 1)), LEAST, MOST).
    """
    _check(spent, planned, eta)
    return replace(pace, budget=_steered(pace.budget, spent / planned - 1, eta))


def after_return(pace: Pace, *, spent: float, value: float, target_roas: float, eta: float = ETA) -> Pace:
    """Bid less where less came back than the target asks, more where more did.

    spent, value: money since the start, >= 0; before anything is spent nothing changes. target_roas: > 0.

    roas <- clip(roas * exp(-eta * (1 - value / (target * spent))), LEAST, MOST): linear in what came back, so
    that an hour without any conversion is a finite step.
    """
    _check(value, target_roas, eta)
    if not (math.isfinite(spent) and spent >= 0):
        raise ValueError(f"spent must be finite and >= 0; got {spent}")
    if spent == 0:
        return pace
    return replace(pace, roas=_steered(pace.roas, 1 - value / (target_roas * spent), eta))


def _steered(multiplier: float, excess: float, eta: float) -> float:
    return min(MOST, max(LEAST, multiplier * math.exp(-min(max(eta * excess, -50.0), 50.0))))


def _check(amount: float, target: float, eta: float) -> None:
    if not (math.isfinite(amount) and amount >= 0 and math.isfinite(target) and target > 0 and eta > 0):
        raise ValueError(f"need an amount >= 0, a target > 0 and eta > 0; got {amount}, {target}, {eta}")
