"""Geo tests: whole regions are treated, and regions that were not show what would have happened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from .arms import Flags, Floats
from .readings import Verdict

MOST_PLACEBOS = 20_000
POWER = 0.8


@dataclass(frozen=True, kw_only=True)
class GeoReading:
    """ratio: growth of the treated over growth of the others, 1 = no effect; low, high: None where the
    regions are too few for the level. incremental: outcome caused in the treated regions since the start.
    placebos: how many ways to choose the treated regions were tried. detectable: the smallest relative lift
    that a test of these regions finds 4 times in 5."""

    verdict: Verdict
    because: str
    ratio: float
    p_value: float
    placebos: int
    detectable: float
    incremental: float
    low: float | None = None
    high: float | None = None
    incremental_low: float | None = None
    incremental_high: float | None = None


class NothingBefore(ValueError):
    """A region without any outcome before or since the start has no growth to compare."""


def read(
    outcomes: ArrayLike,
    *,
    treated: ArrayLike,
    first_treated_day: int,
    rng: np.random.Generator,
    alpha: float = 0.05,
) -> GeoReading:
    """Difference in differences of logs, judged by what other choices of regions would have shown.

    outcomes: (n_regions, n_days) >= 0. treated: (n_regions,) some true, some false, drawn at random. first_
    treated_day: column of the first day of the test, with days before it. rng: draws 20,000 placebos where
    there are more choices than that.
    Raises NothingBefore naming the region; ValueError for shapes that do not fit.

    g_r = log(mean since the start / mean before), each with half an outcome more, see _unit; effect = mean g
    of treated - mean g of others, weighing regions alike. p-value: the part of all choices of as many regions
    whose effect is at least as large. The interval holds every effect that, taken out of the treated regions,
    leaves them unremarkable at alpha / 2 a side; exact for any number of regions if the effect multiplies
    alike.
    Source: Fisher 1935; Anscombe 1956 (the half); Rosenbaum 2002, "Observational studies", 2.6; Vaver,
    Koehler 2011, "Measuring ad effectiveness using geo experiments".
    """
    values, chosen = np.asarray(outcomes, dtype=np.float64), np.asarray(treated, dtype=np.bool_)
    _check(values, chosen, first_treated_day)
    growth = _growth(values, first_treated_day)
    sets = _placebo_sets(chosen, rng)
    effect = _contrast(growth, chosen[None, :])[0]
    placebo, overlap = _contrast(growth, sets), _contrast(chosen.astype(np.float64), sets)
    null = _contrast(growth - effect * chosen, sets)
    p_value = float((1 + (np.abs(placebo) >= abs(effect) * (1 - 1e-12)).sum()) / (1 + len(sets)))
    low, high = _interval(effect, placebo, overlap, alpha=alpha)
    since = float(values[chosen, first_treated_day:].sum())
    verdict, because = _conclusion(p_value, low, len(sets), alpha=alpha)
    return GeoReading(
        verdict=verdict,
        because=because,
        ratio=math.exp(effect),
        p_value=p_value,
        placebos=len(sets) + 1,
        detectable=math.expm1(_found_often(len(chosen), alpha=alpha) * float(np.sqrt((null**2).mean()))),
        incremental=_caused(since, effect),
        low=None if low is None else math.exp(low),
        high=None if high is None else math.exp(high),
        incremental_low=None if low is None else _caused(since, low),
        incremental_high=None if high is None else _caused(since, high),
    )


def _check(values: Floats, treated: Flags, first_treated_day: int) -> None:
    if values.ndim != 2 or treated.shape != values.shape[:1]:
        raise ValueError(
            f"need (regions, days) and one flag a region; got {values.shape} and {treated.shape}"
        )
    if not 0 < first_treated_day < values.shape[1]:
        raise ValueError(f"no days before or since day {first_treated_day} of {values.shape[1]}")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError("outcomes must be finite and >= 0")
    if not treated.any() or treated.all():
        raise ValueError("some regions must be treated and some not")


def _growth(values: Floats, first_treated_day: int) -> Floats:
    before, since = values[:, :first_treated_day], values[:, first_treated_day:]
    empty = (before.sum(axis=1) <= 0) | (since.sum(axis=1) <= 0)
    if empty.any():
        raise NothingBefore(f"region {int(empty.argmax())} has no outcome before or none since the start")
    half = _unit(before, since) / 2
    then, now = (period.sum(axis=1) + half for period in (before, since))
    return np.asarray(np.log(now / since.shape[1]) - np.log(then / before.shape[1]))


def _unit(before: Floats, since: Floats) -> Floats:
    """(n_regions,) what one outcome is worth, such as 1 conversion or the mean order: the variance of a day
    over its mean, from neighbouring days, which share their season. 0 where there are none.

    The log of a sum is low by unit / (2 * sum) on average, and more so for whoever has less: the treated, who
    have more, would seem better than they are. Half a unit takes that away.
    """
    steps = np.concatenate([np.diff(before, axis=1), np.diff(since, axis=1)], axis=1)
    if not steps.size:
        return np.zeros(len(before))
    means = np.concatenate([before, since], axis=1).mean(axis=1)
    return np.asarray((steps**2).mean(axis=1) / 2 / means)


def _placebo_sets(treated: Flags, rng: np.random.Generator) -> Flags:
    """(n_sets, n_regions): other choices of as many regions, all of them or a draw."""
    regions, size = len(treated), int(treated.sum())
    if math.comb(regions, size) <= MOST_PLACEBOS:
        sets = np.zeros((math.comb(regions, size), regions), dtype=np.bool_)
        members = np.array(list(combinations(range(regions), size)))
        np.put_along_axis(sets, members, True, axis=1)
        return np.asarray(sets[(sets != treated).any(axis=1)])
    return np.asarray(rng.permuted(np.tile(treated, (MOST_PLACEBOS - 1, 1)), axis=1))


def _contrast(values: Floats, sets: Flags) -> Floats:
    """Mean of the regions inside each set minus the mean of those outside. (n_sets,)."""
    inside = sets.sum(axis=1)
    within = sets @ values
    return np.asarray(within / inside - (values.sum() - within) / (sets.shape[1] - inside))


def _found_often(regions: int, *, alpha: float) -> float:
    """In standard deviations of the placebos, the effect that is found in POWER of all tests. Student's
    quantiles, since the spread is known from so many regions, less the two means taken out of them; and for
    these the deviation is a little low.
    """
    freedom = max(1, regions - 2)
    quantiles = float(stdtrit(freedom, 1 - alpha / 2) + stdtrit(freedom, POWER))
    return quantiles * math.sqrt((freedom + 1) / freedom)


def _interval(
    effect: float, placebo: Floats, overlap: Floats, *, alpha: float
) -> tuple[float | None, float | None]:
    """A placebo set reaches the observed effect once more than (effect - placebo) / (1 - overlap) is taken
    out of the treated regions: the limits are order statistics of these thresholds."""
    different = overlap < 1 - 1e-12
    spare = math.floor((len(placebo) + 1) * alpha / 2 + 1e-9) - int((~different).sum())
    if spare < 1 or spare > different.sum():
        return None, None
    thresholds = np.sort((effect - placebo[different]) / (1 - overlap[different]))
    return float(thresholds[spare - 1]), float(thresholds[-spare])


def _caused(since: float, effect: float) -> float:
    return -since * math.expm1(-effect)


def _conclusion(p_value: float, low: float | None, placebos: int, *, alpha: float) -> tuple[Verdict, str]:
    if low is None:
        because = f"{placebos + 1} ways to choose the regions are too few for {1 - alpha:.0%}: add regions."
        return Verdict.NOT_ENOUGH_DATA, because
    if p_value <= alpha:
        return Verdict.WINNER, "The treated regions grew differently from the others."
    return Verdict.NO_DIFFERENCE, "Other choices of regions show as much without any treatment."
