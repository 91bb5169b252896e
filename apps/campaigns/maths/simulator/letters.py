"""A workspace that writes campaigns, whose true rates are known: for tests of what is foretold.

Its effects are not those that the model holds true: heavy-tailed campaigns, few features that matter at all,
and a slow drift.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class World:
    """Variants in order of time. hits, people, campaign: shape (n,); features: shape (n, p)."""

    hits: NDArray[np.int64]
    people: NDArray[np.int64]
    campaign: NDArray[np.int64]
    features: NDArray[np.float64]


def letters(
    rng: np.random.Generator,
    *,
    campaigns: int,
    variants: int = 3,
    features: int = 7,
    typical: float = 0.30,
    spread: float = 0.48,
    restlessness: float = 0.3,
) -> World:
    """One workspace. typical: the rate of the middle one; spread: of workspaces, in logits; restlessness: the
    standard deviation of campaigns in it.
    """
    base = np.log(typical / (1 - typical)) + rng.normal(0, spread)
    effects = rng.normal(0, 0.25, features) * (rng.random(features) < 0.3)
    moods = restlessness * rng.standard_t(5, campaigns) / np.sqrt(5 / 3) * rng.uniform(0.7, 1.3)
    moods = moods + rng.normal(0, 0.08) * np.linspace(-0.5, 0.5, campaigns)
    total = campaigns * variants
    campaign = np.repeat(np.arange(campaigns), variants)
    seen = np.clip(rng.normal(0, 0.6, (total, features)), -2, 2)
    logits = base + moods[campaign] + seen @ effects + rng.normal(0, 0.07, total)
    people = rng.integers(800, 20_000, total)
    return World(rng.binomial(people, 1 / (1 + np.exp(-logits))), people, campaign, seen)
