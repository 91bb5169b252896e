"""What is known of each arm of an experiment: its sums, and its mean with an error."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Sums over the assigned units of one arm; those of two days or two shards add up.

    y: outcome of a unit. x: its value before the experiment (cuped), or a ratio's denominator (clusters).
    All sums are of y - centre_y and x - centre_x: squares of large values near each other would swallow what
    they differ by.
    """

    units: int
    sum_y: float
    sum_yy: float
    sum_x: float = 0.0
    sum_xx: float = 0.0
    sum_xy: float = 0.0
    centre_y: float = 0.0
    centre_x: float = 0.0

    def __post_init__(self) -> None:
        sums = (self.sum_y, self.sum_yy, self.sum_x, self.sum_xx, self.sum_xy, self.centre_y, self.centre_x)
        if self.units < 0 or not all(map(math.isfinite, sums)):
            raise ValueError(f"units must be >= 0 and sums finite; got {self}")

    @classmethod
    def of(cls, y: ArrayLike, x: ArrayLike | None = None) -> Moments:
        """Sum up units around their means. y, x: (n_units,). Raises ValueError for shapes that differ or
        non-finite values.
        """
        outcome = np.asarray(y, dtype=np.float64)
        other = np.zeros_like(outcome) if x is None else np.asarray(x, dtype=np.float64)
        if outcome.ndim != 1 or other.shape != outcome.shape:
            raise ValueError(f"y and x need the same shape (n,); got {outcome.shape} and {other.shape}")
        centre_y, centre_x = (float(of.mean()) if len(of) else 0.0 for of in (outcome, other))
        outcome, other = outcome - centre_y, other - centre_x
        return cls(
            units=len(outcome),
            sum_y=float(outcome.sum()),
            sum_yy=float((outcome * outcome).sum()),
            sum_x=float(other.sum()),
            sum_xx=float((other * other).sum()),
            sum_xy=float((other * outcome).sum()),
            centre_y=centre_y,
            centre_x=centre_x,
        )

    def __add__(self, other: Moments) -> Moments:
        there = other.around(self.centre_y, self.centre_x)
        return replace(
            self,
            units=self.units + there.units,
            sum_y=self.sum_y + there.sum_y,
            sum_yy=self.sum_yy + there.sum_yy,
            sum_x=self.sum_x + there.sum_x,
            sum_xx=self.sum_xx + there.sum_xx,
            sum_xy=self.sum_xy + there.sum_xy,
        )

    def around(self, centre_y: float, centre_x: float) -> Moments:
        """The same units, summed around other centres."""
        n, up, right = self.units, self.centre_y - centre_y, self.centre_x - centre_x
        return Moments(
            units=n,
            sum_y=self.sum_y + n * up,
            sum_yy=self.sum_yy + up * (2 * self.sum_y + n * up),
            sum_x=self.sum_x + n * right,
            sum_xx=self.sum_xx + right * (2 * self.sum_x + n * right),
            sum_xy=self.sum_xy + up * self.sum_x + right * (self.sum_y + n * up),
            centre_y=centre_y,
            centre_x=centre_x,
        )

    @property
    def mean_y(self) -> float:
        return self.centre_y + self.sum_y / self.units

    @property
    def mean_x(self) -> float:
        return self.centre_x + self.sum_x / self.units

    def centred(self) -> tuple[float, float, float]:
        """Sums of squares and products around the means: (yy, xx, xy), the squares >= 0; 0 for no units."""
        if not self.units:
            return 0.0, 0.0, 0.0
        yy = self.sum_yy - self.sum_y * self.sum_y / self.units
        xx = self.sum_xx - self.sum_x * self.sum_x / self.units
        return max(yy, 0.0), max(xx, 0.0), self.sum_xy - self.sum_x * self.sum_y / self.units


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The mean outcome of one arm.

    variance: of the mean, that is its standard error squared; events: successes of a proportion, None for
    anything else; degrees_of_freedom: of the variance. is_stratified: the mean weighs periods, so that a
    proportion's is not events / units.
    """

    units: int
    mean: float
    variance: float
    events: int | None = None
    degrees_of_freedom: float = math.inf
    is_stratified: bool = False

    @property
    def trials(self) -> tuple[float, float]:
        """Successes, and units, of one plain proportion that says as much. Raises ValueError for a mean."""
        if self.events is None:
            raise ValueError("a mean has no successes")
        room = self.mean * (1 - self.mean)
        if not self.is_stratified:
            return float(self.events), float(self.units)
        units = room / self.variance if room > 0 and self.variance > 0 else float(self.units)
        return min(max(self.mean, 0.0), 1.0) * units, units


@dataclass(frozen=True, kw_only=True)
class Arm:
    """share: what part of the units it was meant to get so far, on any scale, > 0."""

    name: str
    estimate: Estimate
    share: float


def check_arms(arms: list[Arm]) -> None:
    """Raises ValueError for fewer than two arms or two of the same name."""
    if len(arms) < 2:
        raise ValueError(f"an experiment needs a control and a variant; got {len(arms)} arm(s)")
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise ValueError(f"two arms share a name: {names}")
