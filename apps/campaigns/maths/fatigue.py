"""Does a creative lose its clicks as the same people see it again, more than chance and season explain?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from apps.attribution.maths.experiments.multiple import holm

from .response.doubt import doubt
from .response.panel import Flags, Floats
from .response.regression import FEWEST_FOR_DAYS, regress

ALPHA = 0.05  # chance that any creative of an account that wears nobody out is called tired
WORTH = 0.1  # part of its clicks that a creative must have lost to be worth replacing
LEAST_DAYS = 14
LEAST_CLICKS = 100
LEAST_GROWTH = 1.3  # of frequency, over the days
FRESH_DAYS, RECENT_DAYS = 3, 7
DAY_SPREAD = (
    1.0  # of the season, on the log scale, a priori: what all creatives share is rather fatigue than more
)
FREEDOM = 0.5  # degrees of freedom of the error per day


class Lack(StrEnum):
    FEW_DAYS = "few_days"
    FEW_CLICKS = "few_clicks"
    STEADY_FREQUENCY = "steady_frequency"
    FEW_CREATIVES = "few_creatives"


@dataclass(frozen=True, kw_only=True)
class Wear:
    """slope: of log click rate on log frequency, with its error; nan where `lack` says why. p_value:
    one-sided, by Holm over the account's creatives. lost, lost_low, lost_high: part of its clicks that it has
    lost since it was fresh, 95 %. gain, low, high: clicks a day that a creative as good as this one was would
    bring on top.
    frequency_then, frequency_now: of its first days and of the last week.
    """

    slope: float
    error: float
    p_value: float
    lost: float
    lost_low: float
    lost_high: float
    gain: float
    low: float
    high: float
    frequency_then: float
    frequency_now: float
    lack: Lack | None

    @property
    def is_tired(self) -> bool:
        return self.lack is None and self.p_value <= ALPHA and self.lost >= WORTH


def read(impressions: ArrayLike, clicks: ArrayLike, frequency: ArrayLike) -> tuple[Wear, ...]:
    """Judge every creative of an account.

    impressions, clicks: (n_creatives, n_days) >= 0, clicks <= impressions. frequency: (n, days), how often
    those reached had seen it by then, > 0 on days with impressions. NaN, or no impression: a day that it did
    not run.
    Raises ValueError for others.

    log E[clicks] = log impressions + level_i + slope_i * log frequency + day_t, quasi-Poisson, errors
    allowing for autocorrelation; one-sided by Student. The days' effects are those of all creatives together,
    so that a season is nobody's fatigue; creatives that all started together and tire alike cannot be told
    from a season, and are not called tired. With fewer than
    three nothing can be told from a season.
    Source: Naik, Mantrala, Sawyer 1998 (wear-out); Holm 1979.
    """
    shown, clicked, seen = (np.asarray(one, dtype=np.float64) for one in (impressions, clicks, frequency))
    counted = _counted(shown, clicked, seen)
    shown, clicked = np.where(counted, shown, 0.0), np.where(counted, clicked, 0.0)
    lacks = _lacks(clicked, seen, counted)
    judged = np.array([lack is None for lack in lacks], dtype=np.bool_)
    slope, error, days = _slopes(shown, clicked, seen, counted, judged)
    p_values = np.ones(len(shown))
    if judged.any():
        p_values[judged] = holm(stdtr(FREEDOM * days[judged], slope[judged] / error[judged]).tolist())
    return tuple(
        _wear(float(slope[i]), float(error[i]), float(p_values[i]), clicked[i], seen[i], counted[i], lacks[i])
        for i in range(len(shown))
    )


def _counted(shown: Floats, clicked: Floats, seen: Floats) -> Flags:
    if shown.ndim != 2 or not shown.shape == clicked.shape == seen.shape:
        raise ValueError(
            f"need (creatives, days) thrice alike; got {shown.shape}, {clicked.shape}, {seen.shape}"
        )
    counted = np.isfinite(shown) & np.isfinite(clicked) & (np.nan_to_num(shown) > 0)
    wrong = counted & ~((clicked >= 0) & (clicked <= shown) & (seen > 0) & np.isfinite(seen))
    if wrong.any():
        creative, day = (int(place[0]) for place in np.nonzero(wrong))
        raise ValueError(
            f"creative {creative}, day {day}: need 0 <= clicks <= impressions and a frequency > 0"
        )
    return np.asarray(counted)


def _lacks(clicked: Floats, seen: Floats, counted: Flags) -> list[Lack | None]:
    if int((clicked.sum(axis=1) > 0).sum()) < FEWEST_FOR_DAYS:
        return [Lack.FEW_CREATIVES] * len(clicked)
    lacks: list[Lack | None] = []
    for clicks, frequency, runs in zip(clicked, seen, counted, strict=True):
        known = frequency[runs]
        if len(known) < LEAST_DAYS:
            lacks.append(Lack.FEW_DAYS)
        elif clicks.sum() < LEAST_CLICKS:
            lacks.append(Lack.FEW_CLICKS)
        else:
            lacks.append(Lack.STEADY_FREQUENCY if known.max() < LEAST_GROWTH * known.min() else None)
    return lacks


def _slopes(
    shown: Floats, clicked: Floats, seen: Floats, counted: Flags, judged: Flags
) -> tuple[Floats, Floats, Floats]:
    """Of those judged; all creatives with a click tell of the days."""
    slope, error = np.full(len(shown), np.nan), np.full(len(shown), np.nan)
    told = clicked.sum(axis=1) > 0
    if judged.any():
        fitted = regress(
            np.where(counted, seen, 1.0)[told],
            clicked[told],
            counted[told],
            exposure=shown[told],
            centre=0.0,
            day_spread=DAY_SPREAD,
        )
        found = doubt(fitted, clicked[told], counted[told])
        slope[told], error[told] = fitted.slope, found.slope_error
    return slope, error, counted.sum(axis=1).astype(np.float64)


def _wear(
    slope: float, error: float, p_value: float, clicks: Floats, seen: Floats, runs: Flags, lack: Lack | None
) -> Wear:
    frequency, clicked = seen[runs], clicks[runs]
    then = float(frequency[:FRESH_DAYS].mean()) if len(frequency) else float("nan")
    now = float(frequency[-RECENT_DAYS:].mean()) if len(frequency) else float("nan")
    rate = float(clicked[-RECENT_DAYS:].mean()) if len(clicked) else 0.0
    if lack is not None:
        slope = error = float("nan")
    wide = float(stdtrit(FREEDOM * max(len(frequency), 2), 0.975)) * error
    kept = [float(np.exp(min(at * np.log(now / then), 50.0))) for at in (slope, slope - wide, slope + wide)]
    lost, most, least = (1 - part for part in kept)
    gain, high, low = (rate * (1 / max(part, 1e-12) - 1) for part in kept)
    return Wear(
        slope=slope,
        error=error,
        p_value=p_value,
        lost=lost,
        lost_low=least,
        lost_high=most,
        gain=gain,
        low=low,
        high=high,
        frequency_then=then,
        frequency_now=now,
        lack=lack,
    )
