"""Intervals around credit, from its standard error, that cover as they say also where there is little.

Credit is a sum over journeys that come by chance: what is covered is what the same market would earn a
channel on average over periods like this one. Not covered: whether the model is right
(docs/models/intervals.md).
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv, gammaincinv, stdtrit

from .journeys import Floats

LEVEL = 0.95
LEAST_CONVERSIONS = 5  # fewer say nothing about how sure anything is
COARSEST = 4.0  # units an event may be worth before an amount is no count of events
DOUBT = 0.75  # squared units that a few journeys more might have added to a variance, seen from above
FREEDOM = 12  # of the error of an estimate that is no count, at the least
_TAIL = (1 - LEVEL) / 2


def amount_interval(amount: Floats, error: Floats, *, unit: float) -> tuple[Floats, Floats]:
    """Between which amounts the expected credit lies.

    amount, error: (n,) credit and its standard error, in the same unit. unit: a typical single credit, such
    as 1 conversion or the mean order: what little is known of a channel that earned nothing yet is measured
    in it.

    The amount is taken for a scaled count: n = amount ** 2 / variance events of size variance / amount. Its
    interval is that of a count under Jeffreys' prior, Gamma(n + 1/2): for whole conversions the usual one.
    The variance is itself estimated, from the same journeys: too low where the amount happens to be low, so
    that its upper end would be missed. DOUBT squared units are added to it for the upper end (of less than a
    unit, as much of one). The lower end needs none: where the amount happens to be high, so is the variance.
    With it 5 to 20 conversions are covered in 94 to 97 of 100 cases (benchmarks/interval_coverage.py).
    An error that no count of such events explains (size above COARSEST units), and an amount below 0 (refunds
    outweigh sales), get Student's interval; see _around. None of an amount of 0 or more goes below 0.
    Source: Fay and Feuer 1997 (the scaling); Brown, Cai, DasGupta 2003 (Jeffreys for counts).
    """
    amount, error = np.asarray(amount, dtype=np.float64), np.asarray(error, dtype=np.float64)
    some = (amount > 0) & (error > 0)
    is_count = (some & (error**2 <= COARSEST * unit * amount)) | ((amount == 0) & (error == 0))
    doubt = DOUBT * unit * np.clip(amount, 0.0, unit)

    def end(variance: Floats, quantile: float) -> Floats:
        size = np.divide(variance, amount, out=np.full(amount.shape, float(unit)), where=some)
        events = np.where(is_count, amount / size, 0.0) + 0.5
        found: Floats = size * gammaincinv(events, quantile)
        return found

    below, above = _around(amount, error)
    low = np.where(is_count, end(error**2, _TAIL), below)
    high = np.where(is_count, end(error**2 + doubt, 1 - _TAIL), above)
    return np.minimum(low, amount), np.maximum(high, amount)


def share_interval(share: Floats, error: Floats, *, events: float) -> tuple[Floats, Floats]:
    """Between which shares the expected share lies.

    share, error: (n,). events: how many conversions (or how many equal ones the revenue is worth) the whole
    rests on.

    A share in [0, 1] is taken for n = share * (1 - share) / variance trials and gets their Jeffreys interval,
    Beta(share * n + 1/2, (1 - share) * n + 1/2); n is `events` for nothing, or all. DOUBT as of amounts, of
    which a share's unit is 1 / events. An error that no such trials explain, and a share outside (refunds),
    get Student's interval, cut to [0, 1] where the share is in it.
    Source: Brown, Cai, DasGupta 2001.
    """
    share, error = np.asarray(share, dtype=np.float64), np.asarray(error, dtype=np.float64)
    inside = (share >= 0) & (share <= 1)
    part = np.clip(share, 0.0, 1.0)
    some = inside & (error > 0) & (part > 0) & (part < 1)
    binomial = part * (1 - part)
    is_count = (inside & (error == 0)) | (some & (error**2 * events <= COARSEST * binomial))
    doubt = DOUBT / events**2 * np.minimum(1.0, binomial * events)

    def end(variance: Floats, quantile: float) -> Floats:
        trials = np.divide(binomial, variance, out=np.full(share.shape, float(events)), where=some)
        found: Floats = betaincinv(part * trials + 0.5, (1 - part) * trials + 0.5, quantile)
        return found

    below, above = _around(share, error)
    low = np.where(is_count, end(error**2, _TAIL), below)
    high = np.where(is_count, end(error**2 + doubt, 1 - _TAIL), above)
    low, high = (np.where(inside, np.clip(one, 0.0, 1.0), one) for one in (low, high))
    return np.minimum(low, share), np.maximum(high, share)


def _around(amount: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Student's interval with 2 n + FREEDOM degrees of freedom, n = amount ** 2 / variance; of an amount of 0
    or more one that knows it cannot be less.

    Where that edge is near, too low an estimate is told as 0 and its interval holds whatever is small: all of
    the error may lie on the other side. So the lower end takes the quantile of one side as long as it stays
    below what an estimate of 0 would still allow, and both sides hold 95 % at every distance from the edge.
    Source: Feldman, Cousins 1998, for an estimate that is itself cut at the edge.
    """
    events = np.divide(amount, error, out=np.zeros(amount.shape), where=error > 0) ** 2
    freedom = 2 * np.minimum(events, 1e6) + FREEDOM
    two_sided, one_sided = stdtrit(freedom, 1 - _TAIL), stdtrit(freedom, LEVEL)
    allowed = two_sided * error
    low = np.maximum(amount - allowed, np.minimum(amount - one_sided * error, allowed))
    return np.where(amount >= 0, np.maximum(low, 0.0), amount - allowed), amount + allowed
