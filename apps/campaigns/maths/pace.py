"""How many may leave now: a rate that never bursts, and the daily allowance of a sender that is new."""

import math
from datetime import datetime, timedelta


def grant(
    full_at: datetime | None, *, now: datetime, wanted: int, per_hour: float, burst_seconds: float
) -> tuple[int, datetime, datetime | None]:
    """Let some through at a rate (the generic cell rate algorithm, ITU-T I.371 annex A).

    full_at: when all that was let through before is paid for; None: nothing was. wanted: >= 1. per_hour: > 0.
    burst_seconds: how far ahead of its rate it may be, >= 0; one is always let through when all is paid for.
    Returns (granted, the new full_at, when one more may come or None when all were granted).
    Raises ValueError for a rate or a number that is not positive.

    The theoretical arrival time of the algorithm is full_at: each one moves it by 3600 / per_hour seconds,
    and one may come while it lies no further ahead than the burst.
    """
    if wanted < 1 or not per_hour > 0:
        raise ValueError(f"wanted and per_hour must be positive; got {wanted} and {per_hour}")
    seconds = 3600.0 / per_hour
    ahead = max((full_at - now).total_seconds(), 0.0) if full_at is not None else 0.0
    room = math.floor((burst_seconds - ahead) / seconds) + 1 if ahead <= burst_seconds else 0
    granted = min(wanted, max(room, 0))
    until = now + timedelta(seconds=ahead + granted * seconds)
    if granted == wanted:
        return granted, until, None
    return granted, until, until - timedelta(seconds=burst_seconds)


def warm_up_limit(days_since_first: int, *, first: int, growth: float) -> int:
    """How many a new sender may send on a day: `first` on the first, `growth` times as many each day after.

    days_since_first: >= 0, days since it first sent. Returns messages for that day.
    Raises ValueError for negative days, first < 1 or growth < 1.
    """
    if days_since_first < 0 or first < 1 or growth < 1:
        raise ValueError(f"not a ramp: day {days_since_first}, first {first}, growth {growth}")
    return math.floor(first * growth ** min(days_since_first, 60) + 1e-9)
