"""Look whenever you like, for as long as you like: confidence sequences, for when there is no horizon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from . import gates, multiple
from .arms import Arm, Floats
from .differences import Difference, absolute, effect
from .group_sequential import best_of, standing
from .readings import Effect, Reading, Verdict
from .roots import root

FEWEST_EVENTS = 100
FEWEST_UNITS = 100


@dataclass(frozen=True, kw_only=True)
class WatchPlan:
    """tightest_at_units: over both arms, where the intervals are to be narrowest. minimum_effect: part of the
    control's mean that would be worth finding. Raises ValueError for numbers that are not positive."""

    minimum_effect: float = 0.1
    alpha: float = 0.05
    tightest_at_units: int = 5000
    larger_is_better: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 1 and self.tightest_at_units > 0 and self.minimum_effect > 0):
            raise ValueError(f"alpha must be in (0, 1), effect and units positive; got {self}")


def watch(arms: Sequence[Arm], *, plan: WatchPlan) -> Reading:
    """Read the experiment at any moment; the odds that it ever misleads, in all moments, are below alpha.

    arms: the control first; where shares changed, put together by `strata`. It needs 100 successes (and
    failures) an arm, or 100 units where the outcome is no proportion: the promise is one of large samples.

    Intervals are confidence sequences at alpha / m for m variants; p-values are always valid and
    Holm-adjusted, and a variant is found when its own is at most alpha.
    """
    gate = gates.check(arms, fewest_events=FEWEST_EVENTS, fewest_units=FEWEST_UNITS)
    if gate.verdict:
        return gate.reading(arms, alpha=plan.alpha, more_units=gate.needed)
    control, variants = arms[0], arms[1:]
    gaps = [absolute(control.estimate, arm.estimate) for arm in variants]
    pairs = [control.estimate.units + arm.estimate.units for arm in variants]
    chances = multiple.holm([_chance(gap, units, plan) for gap, units in zip(gaps, pairs, strict=True)])
    read = [
        replace(
            gates.by_itself(arm, control=control),
            effect=_effect(control, arm, plan=plan, variants=len(variants)),
            p_value=chance,
            standing=standing(
                gap.value, is_found=chance <= plan.alpha, larger_is_better=plan.larger_is_better
            ),
        )
        for arm, gap, chance in zip(variants, gaps, chances, strict=True)
    ]
    winner = best_of(control.name, read, larger_is_better=plan.larger_is_better)
    more = 0 if winner else _more_units(control, gaps, pairs, plan=plan, units=gates.total_units(arms))
    unfinished = Verdict.NO_DIFFERENCE if more == 0 else Verdict.KEEP_GOING
    return Reading(
        verdict=Verdict.WINNER if winner else unfinished,
        winner=winner,
        because=_because(winner, control.name, more),
        arms=(gates.by_itself(control, control=control), *read),
        sample_ratio=gate.sample_ratio,
        units=gates.total_units(arms),
        more_units=more,
        level=1 - plan.alpha,
    )


def half_width(
    standard_error: ArrayLike, units: ArrayLike, *, alpha: float, tightest_at_units: float
) -> Floats:
    """Half of a confidence sequence for a difference: it covers at all sample sizes together.

    standard_error: of the difference; units: over both arms. rho^2 = (-2 ln a + ln(1 - 2 ln a)) / n*;
    half = s sqrt(2 (n rho^2 + 1) / (n rho)^2 ln(sqrt(n rho^2 + 1) / a)), s = standard error * sqrt n.
    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2024, "Time-uniform central limit theory and
    asymptotic confidence sequences", equations 9 and 161 of its version 7.
    """
    n, error = np.asarray(units, dtype=np.float64), np.asarray(standard_error, dtype=np.float64)
    grown = n * _rho_squared(alpha, tightest_at_units) + 1
    return error * np.sqrt(n) * np.sqrt(2 * grown / (n * (grown - 1)) * np.log(np.sqrt(grown) / alpha))


def p_value(
    difference: ArrayLike,
    standard_error: ArrayLike,
    units: ArrayLike,
    *,
    alpha: float,
    tightest_at_units: float,
) -> Floats:
    """Always-valid p-value of no difference: at most alpha exactly when half_width excludes 0.

    alpha sets only where it is most powerful. 1 / e-value, at most 1; 1 where nothing varies.
    Source: the same, equation 155.
    """
    gap, error = np.asarray(difference, dtype=np.float64), np.asarray(standard_error, dtype=np.float64)
    n = np.asarray(units, dtype=np.float64)
    grown = n * _rho_squared(alpha, tightest_at_units) + 1
    z_squared = np.divide(gap, error, out=np.zeros(np.broadcast(gap, error).shape), where=error > 0) ** 2
    log_e = (grown - 1) / grown * z_squared / 2 - np.log(grown) / 2
    return np.exp(-np.maximum(log_e, 0.0))


def _rho_squared(alpha: float, tightest_at_units: float) -> float:
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tightest_at_units


def _chance(gap: Difference, units: int, plan: WatchPlan) -> float:
    return float(
        p_value(
            gap.value,
            gap.standard_error,
            units,
            alpha=plan.alpha,
            tightest_at_units=plan.tightest_at_units,
        )
    )


def _effect(control: Arm, arm: Arm, *, plan: WatchPlan, variants: int) -> Effect:
    """The interval of normal standard errors that is as wide as the sequence."""
    units = control.estimate.units + arm.estimate.units
    times = half_width(1.0, units, alpha=plan.alpha / variants, tightest_at_units=plan.tightest_at_units)
    large = [replace(found.estimate, degrees_of_freedom=math.inf) for found in (control, arm)]
    return effect(large[0], large[1], z=float(times))


def _more_units(
    control: Arm, gaps: Sequence[Difference], pairs: Sequence[int], *, plan: WatchPlan, units: int
) -> int | None:
    """Until the widest interval is as narrow as the effect worth finding, errors shrinking as 1 / sqrt n."""
    aim = abs(control.estimate.mean * plan.minimum_effect)
    widest = max(gap.standard_error for gap in gaps)
    if not aim:
        return None

    def too_wide(log_times: float) -> float:
        times = math.exp(log_times)
        half = half_width(
            widest / math.sqrt(times),
            min(pairs) * times,
            alpha=plan.alpha / len(gaps),
            tightest_at_units=plan.tightest_at_units,
        )
        return float(half) - aim

    if too_wide(0.0) <= 0:
        return 0
    if too_wide(35.0) > 0:
        return None
    return math.ceil(units * math.expm1(root(too_wide, 0.0, 35.0)))


def _because(winner: str | None, control: str, more: int | None) -> str:
    if winner == control:
        return f"Every variant is worse than {control}."
    if winner:
        return f"{winner} is better than {control}."
    if more == 0:
        return "The intervals are narrower than the effect worth finding, and no difference shows."
    return "No difference is proven yet."
