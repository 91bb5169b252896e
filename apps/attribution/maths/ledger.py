"""Credit down to the sources of touches, in whole minor units that add up at every level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .apportion import round_to_total
from .counts import JourneyCounts
from .journeys import Floats, Ints, NoConversions, sums_by
from .models import credit, resolve


@dataclass(frozen=True, eq=False, kw_only=True)
class Ledger:
    """What one model gives to each source; the last entry is what no touchpoint explains.

    conversions: (n_sources + 1,). minor: (n_sources + 1,) whole minor units, adding up to the journeys'
    total.
    """

    model: str
    conversions: Floats
    minor: Ints


def ledger(counts: JourneyCounts, model: str, *, levels: Sequence[Ints]) -> Ledger:
    """Credit the sources of touches so that each source group adds up to its channel's row.

    levels: (n_sources,) each, group numbers from channel to source, rising by at most one from source to
    source. Raises ValueError for an unknown model; NoConversions where there is nothing to credit.
    """
    chosen = resolve(model)
    if not counts.conversions:
        raise NoConversions("there are no conversions to credit")
    untouched = counts.paths.lengths == 0
    lost = float(counts.paths.conversions[untouched].sum()), float(counts.paths.value[untouched].sum())
    given = counts.credit.get(chosen.name)
    conversions, value = (
        (given.conversions, given.value) if given else _shared(counts, chosen.name, channel_of=levels[0])
    )
    size = len(levels[0])
    return Ledger(
        model=chosen.name,
        conversions=np.append(conversions, lost[0]),
        minor=round_by_levels(
            np.append(value, lost[1]),
            total=counts.minor,
            levels=[np.append(level, level[-1] + 1 if size else 0) for level in levels],
        ),
    )


def nothing(model: str, *, levels: Sequence[Ints]) -> Ledger:
    """The ledger where there is nothing to credit."""
    zeros = np.zeros(len(levels[0]) + 1)
    return Ledger(model=resolve(model).name, conversions=zeros, minor=zeros.astype(np.int64))


def _shared(counts: JourneyCounts, model: str, *, channel_of: Ints) -> tuple[Floats, Floats]:
    """A model of all journeys together credits channels: each row is divided over its sources in proportion
    to their linear credit, or over all its touches where no converting journey touched the channel.
    """
    earned = credit(counts.paths, model, merged=counts.paths)
    size, told = len(counts.channels), len(counts.paths.channels)
    linear = counts.credit["linear"].conversions
    conversions = sums_by(counts.channel_of, earned.conversions[:told], groups=size)
    value = sums_by(counts.channel_of, earned.value[:told], groups=size)
    return (
        _share_rows(conversions, channel_of, (linear, counts.touches)),
        _share_rows(value, channel_of, (counts.gains, linear, counts.touches)),
    )


def _share_rows(rows: Floats, channel_of: Ints, bases: Iterable[Floats]) -> Floats:
    """Divide each channel's row over its sources by the first basis with any weight on that channel."""
    left, shared = rows.copy(), np.zeros(len(channel_of))
    for basis in bases:
        weight = sums_by(channel_of, basis, groups=len(left))
        ready = weight > 0
        shared += basis * np.divide(left, weight, out=np.zeros(len(left)), where=ready)[channel_of]
        left[ready] = 0.0
    return shared


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
