"""Prove lift: a test with a horizon that may be looked at on the way and stopped early."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import gates, multiple
from .arms import Arm, Flags, Floats
from .boundaries import CLOSEST_LOOKS, boundaries
from .differences import absolute, effect
from .power import units_to_find
from .readings import ArmReading, Reading, Standing, Verdict
from .roots import root
from .spending import Spending

SMALLEST_P = 1e-12


class HorizonPassed(ValueError):
    """An earlier look reached the horizon: all error is spent, and that look's reading is the last."""


@dataclass(frozen=True, kw_only=True)
class LiftPlan:
    """Fixed before the first look. planned_units: over all arms (power.planned_units). minimum_effect: part
    of the control's mean that would be worth finding, > 0; `power` to find it.

    Raises ValueError for numbers outside these bounds.
    """

    planned_units: int
    minimum_effect: float = 0.1
    alpha: float = 0.05
    power: float = 0.8
    spending: Spending = Spending.OBRIEN_FLEMING
    larger_is_better: bool = True

    def __post_init__(self) -> None:
        if self.planned_units < 1 or not self.minimum_effect > 0:
            raise ValueError(f"a plan needs units and an effect worth finding; got {self}")
        if not (0 < self.alpha < 1 and 0 < self.power < 1):
            raise ValueError(f"alpha and power must be in (0, 1); got {self.alpha}, {self.power}")


def prove_lift(
    arms: Sequence[Arm],
    *,
    plan: LiftPlan,
    past_units: Sequence[int] = (),
    settled: Mapping[str, Standing] | None = None,
) -> Reading:
    """Read the experiment at this look; over all variants and looks a false alarm has odds below alpha.

    arms: the control first. past_units: units over all arms at each earlier look, increasing. settled: the
    variants that an earlier look found better or worse; they stay so for as long as they stand on that side
    of the control. One that has crossed over is open until it is back: what was proven was the other thing.
    Raises HorizonPassed, LookTooSoon (less than 0.1 % of the horizon after the last look), ValueError.

    Each variant's z is compared with the bound of the plan's spending at alpha / m, and those that pass let
    the rest be judged at alpha / (m - 1) and so on (Holm). The winner is the best variant found better than
    the control, or the control where all variants were found worse. Intervals are repeated confidence
    intervals at alpha / m: they hold at all looks and for all variants together. p-values are repeated ones:
    the smallest alpha whose bound this look would pass, Holm-adjusted.
    Source: Lan, DeMets 1983; Jennison, Turnbull 1989, "Interim analyses: the repeated confidence interval
    approach"; Ye, Li, Liu, Yao 2013, "A group sequential Holm procedure".
    """
    gate = gates.check(arms)
    fractions = _fractions(past_units, gates.total_units(arms), plan.planned_units)
    remaining = max(0, plan.planned_units - gates.total_units(arms))
    if gate.verdict:
        more = remaining or gate.needed if gate.verdict is Verdict.NOT_ENOUGH_DATA else None
        return gate.reading(arms, alpha=plan.alpha, more_units=more, information=fractions[-1])
    control, variants = arms[0], arms[1:]
    z = np.array([absolute(control.estimate, arm.estimate).z for arm in variants])
    sides = [standing(score, is_found=True, larger_is_better=plan.larger_is_better) for score in z]
    stood = settled or {}
    before = np.array([stood.get(arm.name) is side for arm, side in zip(variants, sides, strict=True)])
    found = holm_crossings(z, holm_bounds(fractions, len(variants), plan=plan), before)
    chances = _p_values(z, fractions, before=before, spending=plan.spending)
    bound = boundaries(fractions, alpha=plan.alpha / len(variants), spending=plan.spending)[-1]
    read = [
        replace(
            gates.by_itself(arm, control=control),
            effect=effect(control.estimate, arm.estimate, z=bound),
            p_value=chance,
            standing=standing(score, is_found=is_found, larger_is_better=plan.larger_is_better),
        )
        for arm, score, is_found, chance in zip(variants, z, found, chances, strict=True)
    ]
    winner = best_of(control.name, read, larger_is_better=plan.larger_is_better)
    verdict, because, more = _conclusion(arms, winner, plan=plan, is_last=fractions[-1] >= 1)
    return Reading(
        verdict=verdict,
        winner=winner,
        because=because,
        arms=(gates.by_itself(control, control=control), *read),
        sample_ratio=gate.sample_ratio,
        units=gates.total_units(arms),
        more_units=more,
        level=1 - plan.alpha,
        information=fractions[-1],
    )


def holm_bounds(fractions: tuple[float, ...], variants: int, *, plan: LiftPlan) -> Floats:
    """(variants,): the bound at the last look with 1, 2 ... hypotheses still open."""
    levels = [plan.alpha / still_open for still_open in range(1, variants + 1)]
    return np.array([boundaries(fractions, alpha=level, spending=plan.spending)[-1] for level in levels])


def holm_crossings(z: Floats, bounds: Floats, settled: Sequence[bool] | Flags) -> Flags:
    """Which variants are found different at this look: (..., m) for z of shape (..., m).

    bounds: (m,) from holm_bounds; settled: (..., m) found at an earlier look.
    """
    found = np.broadcast_to(np.asarray(settled, dtype=np.bool_), z.shape).copy()
    for _ in range(z.shape[-1]):
        still_open = np.maximum(1, (~found).sum(axis=-1, keepdims=True))
        found |= np.abs(z) >= bounds[still_open - 1]
    return found


def repeated_p(z: float, fractions: tuple[float, ...], *, spending: Spending) -> float:
    """The smallest alpha whose bound at the last look is at most |z|; in [1e-12, 1].

    Source: Jennison, Turnbull 1989.
    """

    def over(log_alpha: float) -> float:
        bound = boundaries(fractions, alpha=math.exp(log_alpha), spending=spending)[-1]
        return min(bound, 100.0) - min(abs(z), 99.0)

    least, most = math.log(SMALLEST_P), math.log(1 - 1e-9)
    if over(most) >= 0:
        return 1.0
    return SMALLEST_P if over(least) <= 0 else math.exp(root(over, least, most, within=1e-9))


def standing(z: float, *, is_found: bool, larger_is_better: bool) -> Standing:
    if not is_found:
        return Standing.UNDECIDED
    return Standing.BETTER if (z > 0) == larger_is_better else Standing.WORSE


def best_of(control: str, variants: Sequence[ArmReading], *, larger_is_better: bool) -> str | None:
    """The best variant found better than the control; the control where all were found worse; else nobody."""
    better = [arm for arm in variants if arm.standing is Standing.BETTER]
    if better:
        sign = 1 if larger_is_better else -1
        return max(better, key=lambda arm: sign * arm.mean).name
    return control if all(arm.standing is Standing.WORSE for arm in variants) else None


def _p_values(z: Floats, fractions: tuple[float, ...], *, before: Flags, spending: Spending) -> list[float]:
    """Repeated p-values, Holm-adjusted among the variants that no earlier look had settled."""
    alone = np.array([repeated_p(score, fractions, spending=spending) for score in z])
    alone[~before] = multiple.holm(alone[~before].tolist())
    return alone.tolist()


def _fractions(past_units: Sequence[int], units: int, planned: int) -> tuple[float, ...]:
    """A look so near to the horizon that no other could come between them is at the horizon."""
    reached = planned * (1 - CLOSEST_LOOKS)
    if past_units and past_units[-1] >= reached:
        raise HorizonPassed(f"the horizon of {planned} units was reached at {past_units[-1]}")
    return (*(past / planned for past in past_units), 1.0 if units >= reached else units / planned)


def _conclusion(
    arms: Sequence[Arm], winner: str | None, *, plan: LiftPlan, is_last: bool
) -> tuple[Verdict, str, int | None]:
    units = gates.total_units(arms)
    if winner == arms[0].name:
        return Verdict.WINNER, f"Every variant is worse than {winner}.", 0
    if winner:
        return Verdict.WINNER, f"{winner} is better than {arms[0].name}.", 0
    if not is_last:
        more = plan.planned_units - units
        return Verdict.KEEP_GOING, f"No difference is proven yet; {more:,} more units are planned.", more
    needed = units_to_find(
        [arm.estimate for arm in arms], plan.minimum_effect, alpha=plan.alpha, power=plan.power
    )
    return (
        Verdict.NO_DIFFERENCE,
        "The horizon is reached and no difference was found.",
        None if needed is None else max(0, needed - units),
    )
