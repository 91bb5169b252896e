"""Credit down to the sources of touches, in whole minor units that add up at every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .apportion import round_to_total
from .journeys import Floats, Ints, Journeys
from .models import NONE, credit, touch_credit


@dataclass(frozen=True, eq=False, kw_only=True)
class Ledger:
    """What one model gives to each source; the last entry is what no touchpoint explains.

    conversions: (n_sources + 1,). minor: (n_sources + 1,) whole minor units, adding up to the journeys'
    total.
    """

    model: str
    conversions: Floats
    minor: Ints


def ledger(
    journeys: Journeys,
    model: str,
    *,
    source: Ints,
    levels: Sequence[Ints],
    half_life_days: float,
    direct_channel: str = "direct",
) -> Ledger:
    """Credit the sources of touches so that each source group adds up to its channel's row.

    journeys: value in minor units. source: (n_touches,) where each touch came from, 0 to n_sources - 1.
    levels: (n_sources,) each, group numbers from channel to source, rising by at most one from source to
    source. Raises ValueError and NoConversions as credit() does.
    """
    settings = {"half_life_days": half_life_days, "direct_channel": direct_channel}
    earned = credit(journeys, model, **settings)  # type: ignore[arg-type]
    touched = touch_credit(journeys, earned, **settings)  # type: ignore[arg-type]
    lost = earned.channels[len(journeys.channels) :] == (NONE,)
    size = len(levels[0])

    def per_source(per_touch: Floats, per_channel: Floats) -> Floats:
        found = np.bincount(source, weights=per_touch, minlength=size)
        return np.append(found, per_channel[-1] if lost else 0.0)

    return Ledger(
        model=earned.model,
        conversions=per_source(touched.conversions, earned.conversions),
        minor=round_by_levels(
            per_source(touched.value, earned.value),
            total=round(float(journeys.value.sum())),
            levels=[np.append(level, level[-1] + 1 if size else 0) for level in levels],
        ),
    )


def round_by_levels(amounts: Floats, *, total: int, levels: Sequence[Ints]) -> Ints:
    """Round amounts so that they add up to the total, and at each level to the rounded amount of the level
    above.

    amounts: (n,) minor units of any sign, adding up to total but for rounding errors. levels: (n,) each, from
    coarse to fine: group numbers 0, 0, 1, … that never fall; a finer group lies in one coarser group. The
    finest level has one group for each amount. Returns (n,) int. Each group's rounded amount is that of its
    share in its parent's rounded amount, within 1.

    Rounding from the top down, every table of any level shows whole pennies that add up to the table above
    it.
    """
    settled, parent = np.array([total], dtype=np.int64), np.zeros(len(amounts), dtype=np.int64)
    for level in levels:
        first = np.flatnonzero(np.diff(level, prepend=-1))
        offsets = np.searchsorted(parent[first], np.arange(len(settled) + 1))
        wanted = np.bincount(level, weights=amounts).astype(np.float64)
        settled = round_to_total(_fit(wanted, settled, parent[first]), settled, offsets)
        parent = level
    return settled


def _fit(amounts: Floats, totals: Ints, parent: Ints) -> Floats:
    """Stretch or shrink amounts, each in proportion to its size, so that they meet their parents' whole
    totals.
    """
    off = totals - np.bincount(parent, weights=amounts, minlength=len(totals))
    size = np.bincount(parent, weights=np.abs(amounts), minlength=len(totals))
    return amounts + np.abs(amounts) * np.divide(off, size, out=np.zeros(len(totals)), where=size > 0)[parent]
