"""At which hour of the day somebody is likeliest to click: their own past, leaning on everybody's."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

HOURS = 24


def best_hours(clicks: ArrayLike, *, strength: float, from_hour: int, until_hour: int) -> NDArray[np.int64]:
    """The hour for each person.

    clicks: shape (n, 24), people's clicks by hour of their own clock; zeros for who never clicked.
    strength: how many clicks of their own weigh as much as everybody's pattern, > 0.
    from_hour, until_hour: hours that may be chosen, 0 <= from < until <= 24.
    Returns shape (n,): hours in [from_hour, until_hour).
    Raises ValueError for other shapes, negative or non-finite clicks, a strength <= 0, hours that are none.

    A Dirichlet prior of weight `strength` and the pooled shape, smoothed by half a click an hour: the
    posterior mean of hour h is (own_h + strength * pooled_h) / (own + strength), and the largest wins, the
    earlier of equals. With no clicks at all everybody gets from_hour.
    """
    own = np.asarray(clicks, dtype=np.float64)
    if own.ndim != 2 or own.shape[1] != HOURS:
        raise ValueError(f"clicks needs shape (n, {HOURS}); got {own.shape}")
    if not np.isfinite(own).all() or (own < 0).any():
        raise ValueError("clicks must be finite and >= 0")
    if not strength > 0 or not 0 <= from_hour < until_hour <= HOURS:
        raise ValueError(f"not usable: strength {strength}, hours {from_hour} to {until_hour}")
    pooled = own.sum(axis=0) + 0.5
    score = own + strength * pooled / pooled.sum()
    return from_hour + np.argmax(score[:, from_hour:until_hour], axis=1).astype(np.int64)
