"""What every reading checks before it judges: the sample ratio, and whether there is enough to judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from . import proportions, sample_ratio
from .arms import Arm, Estimate, check_arms
from .differences import effect
from .readings import ArmReading, Reading, SampleRatio, Standing, Verdict

FEWEST_UNITS = 30
FEWEST_EVENTS = 10
Z_95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Gate:
    """verdict: None where the arms may be judged; needed: units over all arms until they may, if known."""

    sample_ratio: SampleRatio
    verdict: Verdict | None
    because: str
    needed: int | None

    def reading(
        self, arms: Sequence[Arm], *, alpha: float, more_units: int | None, information: float | None = None
    ) -> Reading:
        """The reading of arms that were held back. Raises ValueError where they were not."""
        if self.verdict is None:
            raise ValueError("these arms may be judged")
        return Reading(
            verdict=self.verdict,
            winner=None,
            because=self.because,
            arms=tuple(by_itself(arm, control=arms[0]) for arm in arms),
            sample_ratio=self.sample_ratio,
            units=total_units(arms),
            more_units=more_units,
            level=1 - alpha,
            information=information,
        )


def check(
    arms: Sequence[Arm], *, fewest_events: int = FEWEST_EVENTS, fewest_units: int = FEWEST_UNITS
) -> Gate:
    """Look at the sample ratio first: a broken split is no better for having many units.

    Each arm needs fewest_units and, if it is a proportion, fewest_events successes and as many failures;
    anything else must vary.
    """
    check_arms(list(arms))
    ratio = sample_ratio.check([arm.estimate.units for arm in arms], [arm.share for arm in arms])
    if ratio.mismatch:
        because = f"The arms do not hold the shares of units they were meant to (p = {ratio.p_value:.2g})."
        return Gate(sample_ratio=ratio, verdict=Verdict.SAMPLE_RATIO_MISMATCH, because=because, needed=None)
    scarce = [
        (arm, said)
        for arm in arms
        if (said := lacking(arm.estimate, fewest_events=fewest_events, fewest_units=fewest_units))
    ]
    if not scarce:
        return Gate(sample_ratio=ratio, verdict=None, because="", needed=None)
    needs = [_needed(arm, arms, fewest_events, fewest_units) for arm, _ in scarce]
    known = [need for need in needs if need is not None]
    return Gate(
        sample_ratio=ratio,
        verdict=Verdict.NOT_ENOUGH_DATA,
        because=f"{scarce[0][0].name} {scarce[0][1]}.",
        needed=max(known) if len(known) == len(needs) else None,
    )


def lacking(estimate: Estimate, *, fewest_events: int, fewest_units: int) -> str:
    """What this arm has too little of, as the end of a sentence; "" where it has enough."""
    if estimate.units < fewest_units:
        return f"has {estimate.units} units of the {fewest_units} that it takes"
    if estimate.events is None:
        return "" if estimate.variance > 0 else "has had the same outcome for everybody so far"
    scarcest = min(estimate.events, estimate.units - estimate.events)
    if scarcest >= fewest_events:
        return ""
    kind = "successes" if estimate.events == scarcest else "failures"
    return f"has {scarcest} {kind} of the {fewest_events} that it takes"


def by_itself(arm: Arm, *, control: Arm) -> ArmReading:
    """The arm as it stands, looked at once: no verdict, no p-value."""
    low, high = interval(arm.estimate)
    is_control = arm.name == control.name
    return ArmReading(
        name=arm.name,
        units=arm.estimate.units,
        events=arm.estimate.events,
        mean=arm.estimate.mean,
        low=low,
        high=high,
        effect=None if is_control else effect(control.estimate, arm.estimate, z=Z_95),
        standing=Standing.CONTROL if is_control else Standing.UNDECIDED,
    )


def interval(estimate: Estimate) -> tuple[float, float]:
    """95 % of the arm's own mean: Wilson for a proportion, t for anything else."""
    if estimate.events is not None:
        return proportions.wilson(*estimate.trials)
    times = (
        Z_95
        if math.isinf(estimate.degrees_of_freedom)
        else float(stdtrit(max(estimate.degrees_of_freedom, 1.0), 0.975))
    )
    half = times * math.sqrt(estimate.variance)
    return estimate.mean - half, estimate.mean + half


def total_units(arms: Sequence[Arm]) -> int:
    return sum(arm.estimate.units for arm in arms)


def _needed(arm: Arm, arms: Sequence[Arm], fewest_events: int, fewest_units: int) -> int | None:
    """Units over all arms until this one has enough, at its share and its rate so far."""
    found = arm.estimate
    if found.events is None and found.units >= fewest_units:
        return None
    units = float(fewest_units)
    if found.events is not None:
        scarcest = min(found.events, found.units - found.events)
        if not scarcest:
            return None
        units = max(units, found.units * fewest_events / scarcest)
    share = arm.share / sum(other.share for other in arms)
    return max(1, math.ceil(max(0.0, units - found.units) / share))
