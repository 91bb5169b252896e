"""A sketch of a distribution that can be merged: percentiles of an hour come from its minutes, without error
upon error.

Values fall into buckets whose bounds grow by a constant ratio, so that any percentile is known to a relative
error, and two sketches add up to the one of all their values. Averages of percentiles, which this replaces,
mean nothing.

Source: Masson, Rim, Lee: DDSketch, PVLDB 12 (2019), section 2.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

ACCURACY = 0.01
RATIO = (1 + ACCURACY) / (1 - ACCURACY)
LOG_RATIO = math.log(RATIO)
# Below this a value counts as zero; buckets would not end otherwise.
SMALLEST = 1e-9


@dataclass
class Sketch:
    """Counts by bucket. Values are finite; negative ones are mirrored. total: their sum."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    zeros: int = 0
    positive: dict[int, int] = field(default_factory=dict)
    negative: dict[int, int] = field(default_factory=dict)

    def add(self, value: float, times: int = 1) -> None:
        """Count a value. Raises ValueError unless it is finite and times is at least 1."""
        if not math.isfinite(value) or times < 1:
            raise ValueError(f"a finite value, counted at least once; got {value} x {times}")
        self.count += times
        self.total += value * times
        self.least, self.most = min(self.least, value), max(self.most, value)
        if abs(value) < SMALLEST:
            self.zeros += times
            return
        side = self.positive if value > 0 else self.negative
        bucket = math.ceil(math.log(abs(value)) / LOG_RATIO)
        side[bucket] = side.get(bucket, 0) + times

    def merge(self, other: "Sketch") -> None:
        """Add the other's values to this one; exactly as if each had been added here."""
        self.count += other.count
        self.total += other.total
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        self.zeros += other.zeros
        for mine, theirs in ((self.positive, other.positive), (self.negative, other.negative)):
            for bucket, times in theirs.items():
                mine[bucket] = mine.get(bucket, 0) + times

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The value below which the share q of all lies, within 1 % of itself; None when there is none.

        q in [0, 1]. Raises ValueError otherwise.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q must be in [0, 1]; got {q}")
        if not self.count:
            return None
        rank, seen = q * (self.count - 1), 0
        for value, times in self._in_order():
            seen += times
            if seen > rank:
                return min(max(value, self.least), self.most)
        return self.most

    def _in_order(self) -> Iterable[tuple[float, int]]:
        for bucket in sorted(self.negative, reverse=True):
            yield -_middle(bucket), self.negative[bucket]
        if self.zeros:
            yield 0.0, self.zeros
        for bucket in sorted(self.positive):
            yield _middle(bucket), self.positive[bucket]

    def as_json(self) -> dict[str, Any]:
        """The buckets; count, total and bounds are columns beside it."""
        return {
            "z": self.zeros,
            "p": {str(bucket): times for bucket, times in self.positive.items()},
            "n": {str(bucket): times for bucket, times in self.negative.items()},
        }

    @classmethod
    def of(
        cls, document: Mapping[str, Any], *, count: int, total: float, least: float, most: float
    ) -> "Sketch":
        """A sketch from its columns."""
        return cls(
            count=count,
            total=total,
            least=least,
            most=most,
            zeros=document["z"],
            positive={int(bucket): times for bucket, times in document["p"].items()},
            negative={int(bucket): times for bucket, times in document["n"].items()},
        )


def _middle(bucket: int) -> float:
    """The value that is within ACCURACY of every value of the bucket."""
    return 2 * RATIO**bucket / (RATIO + 1)
