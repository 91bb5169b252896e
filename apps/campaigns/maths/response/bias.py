"""What all slopes of an account may be wrong by together, and what a randomised test knows about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .panel import Floats


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of history: how likely it is a priori, and bias ~ N(mean, spread ** 2) in it."""

    chance: float
    mean: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class SharedBias:
    """slope from history = true slope + bias + noise, one bias for the whole account, of one of these kinds.

    Spend that follows the demand of single campaigns raises every slope, carry-over lowers it, and no history
    can tell by itself. Raises ValueError for no kind, chances that do not sum to 1, or a spread <= 0.
    """

    kinds: tuple[Kind, ...]

    def __post_init__(self) -> None:
        if not self.kinds or not math.isclose(sum(kind.chance for kind in self.kinds), 1.0):
            raise ValueError(f"the chances of the kinds must sum to 1; got {self.kinds}")
        if not all(math.isfinite(kind.mean) and 0 < kind.spread < math.inf for kind in self.kinds):
            raise ValueError(f"each kind needs a finite mean and a spread > 0; got {self.kinds}")


BY_DEFAULT = SharedBias(
    kinds=(
        Kind(chance=0.5, mean=0.0, spread=0.1),  # next to clean
        Kind(chance=0.5, mean=0.35, spread=0.15),  # spend followed each campaign's own demand
    )
)
OF_FEW_CAMPAIGNS = SharedBias(
    kinds=(Kind(chance=1.0, mean=0.3, spread=0.35),)
)  # whose days' demand is unknown
NONE = SharedBias(kinds=(Kind(chance=1.0, mean=0.0, spread=1e-6),))


@dataclass(frozen=True, eq=False, kw_only=True)
class RandomisedSlopes:
    """Slopes from a randomised test, free of bias. slope, error: (n,), error infinite where not tested."""

    slope: Floats
    error: Floats
