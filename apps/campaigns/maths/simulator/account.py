"""An ad account that lives day by day under whatever budgets it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .truth import WEEKDAYS, Floats, Truth, delivered
from .worlds import World

CLICK_RATE = 0.02
COST_PER_CLICK = 0.8


@dataclass(frozen=True, eq=False, kw_only=True)
class Day:
    """What a day cost and brought: (n_campaigns,) each, or (n_campaigns, n_days) of a history."""

    spend: Floats
    impressions: Floats
    clicks: Floats
    conversions: Floats
    revenue: Floats


class Account:
    """Campaigns in a world; `step` moves them one day on, the first day being a Monday.

    Demand and delivery start where they stand in the long run. The same truth, world, rng and budgets give
    the same days; demand does not depend on the budgets, so that two policies under one seed meet the same
    demand.
    """

    def __init__(self, truth: Truth, world: World, rng: np.random.Generator) -> None:
        self.truth, self.world, self.today = truth, world, 0
        self._moves, self._luck = rng.spawn(2)
        # row 0 demand of the account, row 1 of each campaign, row 2 delivery of each campaign
        self._memory = np.array([[world.account_memory], [world.campaign_memory], [world.own_memory]])
        self._size = np.array([[world.account_sd], [world.campaign_sd], [world.own_sd]])
        self._state = self._size * self._shocks()
        self._lasting: Floats | None = None

    def step(self, budgets: ArrayLike) -> Day:
        """One day under these budgets. budgets: (n,) money a day, finite and >= 0; 0 pauses a campaign.

        Raises ValueError for others.
        """
        wanted = np.asarray(budgets, dtype=np.float64)
        if wanted.shape != self.truth.k.shape or not (np.isfinite(wanted) & (wanted >= 0)).all():
            raise ValueError(f"need one budget >= 0 for each of {len(self.truth.k)} campaigns; got {wanted}")
        account, alone, own = self._state
        shared = account + self.world.weekday * WEEKDAYS[self.today % 7]
        spend = wanted * delivered(self.world, shared, alone, own)
        day = self._outcome(spend, self.truth.revenue(self._carry(spend)) * np.exp(shared + alone))
        self._state = self._memory * self._state + np.sqrt(1 - self._memory**2) * self._size * self._shocks()
        self.today += 1
        return day

    def _shocks(self) -> Floats:
        shocks = self._moves.normal(size=(3, len(self.truth.k)))
        shocks[0] = shocks[0, 0]
        return shocks

    def _carry(self, spend: Floats) -> Floats:
        kept = self.world.carry_over
        self._lasting = spend if self._lasting is None else (1 - kept) * spend + kept * self._lasting
        return self._lasting

    def _outcome(self, spend: Floats, expected: Floats) -> Day:
        rng, value, evenness = self._luck, self.truth.order_value, self.truth.order_evenness
        conversions = rng.poisson(expected / value).astype(np.float64)
        clicks = np.maximum(rng.poisson(spend / COST_PER_CLICK), conversions)
        return Day(
            spend=spend,
            impressions=clicks + rng.poisson(clicks / CLICK_RATE),
            clicks=clicks,
            conversions=conversions,
            revenue=rng.standard_gamma(conversions * evenness) * value / evenness,
        )


def live(account: Account, budgets: ArrayLike, days: int) -> Day:
    """The history, (n_campaigns, n_days) each, of days under the same budgets. ValueError for no days."""
    return history([account.step(budgets) for _ in range(days)])


def history(days: Sequence[Day]) -> Day:
    """Days side by side. Raises ValueError where there are none."""
    if not days:
        raise ValueError("a history needs a day at least")
    return Day(**{name: np.stack([getattr(day, name) for day in days], axis=1) for name in vars(days[0])})
