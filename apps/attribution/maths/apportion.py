"""Float shares into whole pennies that add up exactly."""

from __future__ import annotations

import numpy as np

from .journeys import Flags, Floats, Ints, sums_by

MOST_MINOR = 10**15  # beyond it a float no longer tells the pennies of a share apart


def apportion(totals: Ints, weights: Floats, offsets: Ints) -> Ints:
    """Divide whole totals in proportion to weights, by largest remainder.

    totals: (n_groups,) int minor units (pence, cents), |total| <= 10 ** 15; a refund total is negative.
    weights: (n_items,) finite, >= 0.
    offsets: (n_groups + 1,) group g owns items offsets[g] up to offsets[g + 1].
    Returns (n_items,) int minor units; each group sums to its total, an item of weight 0 gets 0, and
    apportion(-totals) == -apportion(totals).
    Raises ValueError naming the group whose total is not 0 though its weights are (or it has no items), and
    for a negative or non-finite weight.

    Each item gets the floor of its quota; the pennies left over go to the largest fractions, on equal
    fractions to the item that comes first.
    Source: Hare/Hamilton method; Balinski, Young 1982, "Fair Representation".
    """
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise ValueError(f"weights[{int(wrong.argmax())}] must be finite and >= 0")
    _check(totals, weights, offsets)
    lengths, group = _groups(offsets)
    sums = sums_by(group, weights, groups=len(lengths))
    if not np.isfinite(sums).all():
        raise ValueError(f"the weights of group {int((~np.isfinite(sums)).argmax())} add up to infinity")
    stuck = (sums == 0) & (totals != 0)
    if stuck.any():
        raise ValueError(
            f"group {int(stuck.argmax())} has {int(totals[stuck.argmax()])} to divide and no weight"
        )
    shares = weights / np.repeat(np.where(sums > 0, sums, 1.0), lengths)
    quotas = shares * np.repeat(np.abs(totals), lengths)
    parts = _settle(quotas, np.abs(totals), offsets, takes_part=weights > 0)
    parts *= np.repeat(np.sign(totals), lengths)
    return parts


def round_to_total(amounts: Floats, totals: Ints, offsets: Ints) -> Ints:
    """Round amounts of any sign to whole numbers that add up to each group's whole total.

    amounts: (n_items,) minor units, finite, which in each group already add up to the total within half a
    unit per item; totals, offsets: as for apportion.
    Returns (n_items,) int, each within 1 of its amount where the amounts add up exactly; an amount of 0 stays
    0 where another item can take the difference.
    Raises ValueError for a group that does not add up to its total.
    """
    if not np.isfinite(amounts).all():
        raise ValueError(f"amounts[{int((~np.isfinite(amounts)).argmax())}] is not finite")
    _check(totals, amounts, offsets)
    lengths, group = _groups(offsets)
    off = np.abs(sums_by(group, amounts, groups=len(lengths)) - totals)
    adrift = off > 0.5 * lengths
    if adrift.any():
        raise ValueError(f"group {int(adrift.argmax())} misses its total by {float(off[adrift.argmax()]):g}")
    return _settle(amounts, totals, offsets, takes_part=amounts != 0)


def _check(totals: Ints, items: Floats, offsets: Ints) -> None:
    if offsets.shape != (len(totals) + 1,) or offsets[0] != 0 or offsets[-1] != len(items):
        raise ValueError(
            f"offsets must run from 0 to {len(items)} over {len(totals)} groups; got {offsets.shape}"
        )
    if totals.dtype.kind not in "iu" or (np.abs(totals) > MOST_MINOR).any():
        raise ValueError(f"totals must be whole numbers up to {MOST_MINOR:,}; got {totals.dtype}")


def _groups(offsets: Ints) -> tuple[Ints, Ints]:
    lengths = np.diff(offsets)
    return lengths, np.repeat(np.arange(len(lengths)), lengths)


def _settle(quotas: Floats, totals: Ints, offsets: Ints, *, takes_part: Flags) -> Ints:
    """Floor, then hand out what is missing, to all groups of the same size together.

    There are at most sqrt(2 n) different sizes among n items, so the loop stays short for any groups.
    """
    floors = np.floor(quotas)
    given, remainders = floors.astype(np.int64), quotas - floors
    lengths = np.diff(offsets)
    for length in np.unique(lengths[lengths > 0]):
        starts = offsets[:-1][lengths == length]
        items = starts[:, None] + np.arange(length)
        missing = totals[lengths == length] - given[items].sum(axis=1)
        given[items] += _hand_out(missing, remainders[items], takes_part[items])
    return given


def _hand_out(missing: Ints, remainders: Floats, takes_part: Flags) -> Ints:
    """(groups, items) whole numbers to add: one to each of the largest remainders.

    Rounding of the quotas can leave more units than items, or fewer than none: then everyone who takes part
    moves by the same whole number first, so that the sum is exact in every case.
    """
    takers = takes_part | ~takes_part.any(axis=1, keepdims=True)
    everyone, rest = np.divmod(missing, takers.sum(axis=1))
    order = np.argsort(np.where(takers, -remainders, 2.0), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    return np.where(takers, everyone[:, None] + (rank < rest[:, None]), 0)
