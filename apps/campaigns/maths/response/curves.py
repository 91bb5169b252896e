"""Response curves of an account, with their doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .panel import Flags, Floats, Reason
from .shrink import Shrunk

LEAST_K, MOST_K = 0.05, 0.95  # a curve to plan with bends, and rises


@dataclass(frozen=True, eq=False, kw_only=True)
class Curves:
    """outcome a day = a * spend ** k at the demand of the last four weeks; (n,) each.

    a, k: best guesses, k in [LEAST_K, MOST_K]; a is 0 without spend or without outcome: hold such a campaign
    where it is. k_error: standard error of k, with all doubt; a_error: of a at the k given. raw_k,
    raw_k_error: from the campaign's own history alone, infinite error where it tells nothing. level, centre:
    log outcome at log spend `centre`, which is where it is known best; level_error: the campaign's own,
    demand_error: shared by all. demand: (days,) log demand of each day. dispersion: variance over mean of a
    day's outcome, 0 without a level. reference: mean spend of the campaign's last four weeks. reasons: why a
    campaign is not to be acted on, None where it has enough data; days: of its history that count.
    bias: what slopes from history are believed to be too high by. is_fallback: nothing to learn from, k is
    .8.
    """

    a: Floats
    k: Floats
    a_error: Floats
    k_error: Floats
    raw_k: Floats
    raw_k_error: Floats
    level: Floats
    level_error: Floats
    demand_error: float
    centre: Floats
    reference: Floats
    days: Floats
    demand: Floats
    dispersion: Floats
    reasons: tuple[Reason | None, ...]
    belief: Shrunk
    bias: float
    is_fallback: bool

    @property
    def enough(self) -> Flags:
        """(n,) campaigns whose curve may be acted on."""
        return np.array([reason is None for reason in self.reasons], dtype=np.bool_)

    @property
    def has_level(self) -> Flags:
        return np.asarray(self.a > 0)

    def outcome(self, spend: ArrayLike) -> Floats:
        """Expected outcome a day. spend: (n,) >= 0."""
        return np.asarray(self.a * np.asarray(spend, dtype=np.float64) ** self.k)

    def draws(
        self, rng: np.random.Generator, count: int, *, with_demand: bool = True
    ) -> tuple[Floats, Floats]:
        """(a, k), (count, n) each: curves as they may be, what campaigns share drawn once a row. with_demand:
        whether demand may differ from that of the last weeks. Raises ValueError for count < 1.
        """
        if count < 1:
            raise ValueError(f"count must be >= 1; got {count}")
        k = np.clip(self.belief.draws(rng, count), LEAST_K, MOST_K)
        shared = self.demand_error * with_demand * rng.normal(size=(count, 1))
        level = self.level + shared + self.level_error * rng.normal(size=k.shape)
        return np.where(self.has_level, np.exp(level - k * self.centre), 0.0), k
