"""Sums that do not depend on the order of their parts, and from which a part can be taken away again to the
last bit.

A number is held as (high + low / 2 ** 40) * unit in two whole numbers, 0 <= low < 2 ** 40. A part is rounded
to the nearest unit / 2 ** 40 by itself, before it is added: the sum is then whole-number arithmetic.
Source: fixed-point accumulation as in Kulisch, "Computer Arithmetic and Validity" (2013), in two limbs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .journeys import Floats, Ints

LOW_BITS = 40
MOST_PARTS = 1 << (62 - LOW_BITS)  # whose low halves fit a whole number together
_ROOM = float(1 << LOW_BITS)


@dataclass(frozen=True, eq=False)
class Exact:
    """high, low: (n,) each."""

    high: Ints
    low: Ints

    @classmethod
    def of(cls, amounts: Floats, *, unit: float) -> Exact:
        """Round each amount. unit: a power of two; |amount / unit| < 2 ** 63."""
        scaled = amounts / unit
        high = np.floor(scaled)
        return cls(high.astype(np.int64), np.rint((scaled - high) * _ROOM).astype(np.int64))

    def floats(self, *, unit: float) -> Floats:
        amounts: Floats = (self.high + self.low / _ROOM) * unit
        return amounts

    def signed(self, signs: Ints) -> Exact:
        return Exact(self.high * signs, self.low * signs)

    def carried(self) -> Exact:
        return Exact(self.high + (self.low >> LOW_BITS), self.low & ((1 << LOW_BITS) - 1))

    def at(self, wanted: Ints) -> Exact:
        return Exact(self.high[wanted], self.low[wanted])

    def sums(self, place: Ints, size: int) -> Exact:
        """(size,) added up by place."""
        total = Exact(np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64))
        for start in range(0, len(place), MOST_PARTS):
            part = slice(start, start + MOST_PARTS)
            np.add.at(total.high, place[part], self.high[part])
            np.add.at(total.low, place[part], self.low[part])
            total = total.carried()
        return total


def whole_sums(place: Ints, amounts: Ints, size: int) -> Ints:
    """(size,) whole numbers added up by place."""
    sums = np.zeros(size, dtype=np.int64)
    np.add.at(sums, place, amounts)
    return sums
