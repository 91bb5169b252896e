"""Do claims come true? Decisions in simulated accounts, claimed against actual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from apps.campaigns.maths import budget_test
from apps.campaigns.maths.response.bias import SharedBias
from apps.campaigns.maths.response.confidence import pays
from apps.campaigns.maths.response.fit import fit_curves
from apps.campaigns.maths.simulator.account import Account, Day, live
from apps.campaigns.maths.simulator.account import history as daily
from apps.campaigns.maths.simulator.truth import Truth, draw
from apps.campaigns.maths.simulator.worlds import World

FACTORS = (1.2, 0.8)
SURE = 0.9
Claims = Callable[[Day, Truth, Account, np.random.Generator], np.ndarray]


@dataclass(frozen=True, eq=False)
class Record:
    """(decisions,): the probability claimed, and whether the change would have paid."""

    claimed: np.ndarray
    paid: np.ndarray

    @property
    def sure(self) -> np.ndarray:
        return self.claimed >= SURE

    @property
    def hit_rate(self) -> float:
        return float(self.paid[self.sure].mean())

    @property
    def mean_claim(self) -> float:
        return float(self.claimed[self.sure].mean())

    def calibration_error(self, bins: int = 10) -> float:
        """ECE: mean distance of claimed and actual over bins of equal width, weighed by their decisions."""
        of = np.minimum((self.claimed * bins).astype(int), bins - 1)
        each = [(of == b) for b in range(bins) if (of == b).any()]
        return float(sum(b.mean() * abs(self.claimed[b].mean() - self.paid[b].mean()) for b in each))


def judge(
    world: World, claims: dict[str, Claims], *, accounts: int, campaigns: int, seed: int, mean_k: float = 0.6
) -> dict[str, Record]:
    """Let each way of claiming judge the same accounts. claims: answers (len(FACTORS), n) probabilities."""
    told: dict[str, list[np.ndarray]] = {name: [] for name in claims}
    paid = []
    for rng in np.random.default_rng(seed).spawn(accounts):
        real = draw(campaigns, rng, mean_k=mean_k)
        account = Account(real, world, rng)
        history = live(account, real.budgets, world.days)
        paid.append(np.stack([real.gain(factor, world) > 0 for factor in FACTORS]).ravel())
        for name, claim in claims.items():
            told[name].append(claim(history, real, account, rng).ravel())
    return {name: Record(np.concatenate(told[name]), np.concatenate(paid)) for name in claims}


def engine(*, bias: SharedBias | None = None) -> Claims:
    def claim(history: Day, truth: Truth, _account: Account, _rng: np.random.Generator) -> np.ndarray:
        curves = fit_curves(history.spend, history.revenue, bias=bias)
        return np.stack([pays(curves, f, margin=truth.margin).probability for f in FACTORS])

    return claim


def after_a_test(history: Day, truth: Truth, account: Account, rng: np.random.Generator) -> np.ndarray:
    """Claims after a randomised budget test of 32 days has followed the history."""
    test = budget_test.design(truth.budgets, rng=rng)
    days = daily([account.step(test.budgets[:, day]) for day in range(test.days)])
    found = budget_test.read(test, days.spend, days.revenue)
    spend, revenue = (
        np.concatenate([getattr(history, name), getattr(days, name)], axis=1) for name in ("spend", "revenue")
    )
    curves = fit_curves(spend, revenue, tested=found.slopes)
    return np.stack([pays(curves, f, margin=truth.margin).probability for f in FACTORS])


def log_log(history: Day, truth: Truth, _account: Account, _rng: np.random.Generator) -> np.ndarray:
    """What is usually done: a line through log revenue over log spend, campaign by campaign."""
    x, y = np.log(history.spend), np.log(np.maximum(history.revenue, 1.0))
    x = x - x.mean(axis=1, keepdims=True)
    square = (x * x).sum(axis=1)
    k = (x * y).sum(axis=1) / square
    left = y - y.mean(axis=1, keepdims=True) - k[:, None] * x
    error = np.sqrt((left**2).sum(axis=1) / (x.shape[1] - 2) / square)
    roas = truth.margin * history.revenue.sum(axis=1) / history.spend.sum(axis=1)
    claims = []
    for m in FACTORS:
        inside = np.maximum(1 + (m - 1) / roas, 1e-9)
        z = (k - np.log(inside) / np.log(m)) / error
        claims.append(ndtr(z if m > 1 else -z))
    return np.stack(claims)
