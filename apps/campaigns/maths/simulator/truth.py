"""What is true of an account's campaigns, and what a change of budget would really bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .worlds import World

Floats = NDArray[np.float64]
WEEKDAYS = np.array([0.6, 0.9, 1.0, 0.5, -0.2, -1.5, -1.3])  # Monday first; of a quiet weekend
MOST_ON_A_DAY = 2.0  # times its budget that a campaign may spend, as on the large platforms
_NODES = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """(n_campaigns,) each. Expected revenue a day at middling demand: a * spend ** k, or where `half` is
    given the S-shaped a * spend ** k / (half ** k + spend ** k). budgets: money a day that the advertiser
    set.

    order_value: mean revenue of a conversion; order_evenness: 1 / its squared coefficient of variation.
    """

    a: Floats
    k: Floats
    budgets: Floats
    order_value: Floats
    margin: float = 0.4
    half: Floats | None = None
    order_evenness: float = 2.0

    def revenue(self, spend: Floats) -> Floats:
        """spend: (n,) or (..., n)."""
        power = spend**self.k
        return self.a * power if self.half is None else self.a * power / (self.half**self.k + power)

    def mean_revenue(self, budgets: ArrayLike, world: World) -> Floats:
        """Expected revenue a day in the long run under these budgets, (n,), by quadrature over demand.

        Spend and demand move together where spend follows demand; what is carried over from days before is
        taken for today's, which is off by less than a percent.
        """
        days = _days(world)
        level = np.asarray(budgets, dtype=np.float64)
        return np.asarray((days.chance * days.demand) @ self.revenue(days.delivery[:, None] * level))

    def mean_spend(self, budgets: ArrayLike, world: World) -> Floats:
        """Expected spend a day: the budgets, less what the cap of a day cuts off."""
        days = _days(world)
        return np.asarray(budgets, dtype=np.float64) * float(days.chance @ days.delivery)

    def profit(self, budgets: ArrayLike, world: World) -> Floats:
        """(n,) a day in the long run: margin times revenue less spend."""
        return self.margin * self.mean_revenue(budgets, world) - self.mean_spend(budgets, world)

    def gain(self, factor: float, world: World) -> Floats:
        """(n,) profit a day that each budget times `factor` would add."""
        return self.profit(self.budgets * factor, world) - self.profit(self.budgets, world)


@dataclass(frozen=True, eq=False)
class _Days:
    """Kinds of days: how likely, what demand multiplies revenue by, what part of its budget is spent."""

    chance: Floats
    demand: Floats
    delivery: Floats


def _days(world: World) -> _Days:
    x, w = np.polynomial.hermite_e.hermegauss(_NODES)
    w = w / w.sum()
    weekday, account, campaign, own = (
        grid.ravel() for grid in np.meshgrid(world.weekday * WEEKDAYS, x, x, x, indexing="ij")
    )
    chance = np.multiply.outer(np.full(7, 1 / 7), np.multiply.outer(w, np.multiply.outer(w, w))).ravel()
    shared, alone = world.account_sd * account + weekday, world.campaign_sd * campaign
    delivery = delivered(world, shared, alone, world.own_sd * own)
    return _Days(chance, np.exp(shared + alone), delivery)


def delivered(world: World, shared: Floats, alone: Floats, own: Floats) -> Floats:
    """The part of its budget that a campaign spends on such a day: 1 on average, but for the cap."""
    variance = (
        world.own_sd**2
        + world.spend_on_account**2 * (world.account_sd**2 + world.weekday**2 * float((WEEKDAYS**2).mean()))
        + (world.spend_on_campaign * world.campaign_sd) ** 2
    )
    drift = own + world.spend_on_account * shared + world.spend_on_campaign * alone
    return np.minimum(np.exp(drift - variance / 2), MOST_ON_A_DAY)


def draw(
    campaigns: int,
    rng: np.random.Generator,
    *,
    mean_k: float = 0.6,
    account_spread: float = 0.1,
    spread: float = 0.12,
    return_spread: float = 0.35,
    margin: float = 0.4,
) -> Truth:
    """An account of power-law campaigns: k around the account's own mean; what a pound of spend earns after
    margin, around 1.7, does not know k. Raises ValueError for no campaign.
    """
    if campaigns < 1:
        raise ValueError(f"campaigns must be >= 1; got {campaigns}")
    own_mean = rng.normal(mean_k, account_spread)
    k = np.clip(rng.normal(own_mean, spread, campaigns), 0.1, 0.97)
    budgets = np.exp(rng.normal(np.log(150), 0.7, campaigns))
    roas = np.exp(rng.normal(np.log(1.7), return_spread, campaigns)) / margin
    return Truth(
        a=roas * budgets ** (1 - k),
        k=k,
        budgets=budgets,
        order_value=np.exp(rng.normal(np.log(60), 0.4, campaigns)),
        margin=margin,
    )
