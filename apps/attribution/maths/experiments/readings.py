"""What a reading of an experiment says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Only WINNER names an arm."""

    NOT_ENOUGH_DATA = "not_enough_data"
    KEEP_GOING = "keep_going"
    NO_DIFFERENCE = "no_difference_found"
    WINNER = "winner"
    SAMPLE_RATIO_MISMATCH = "sample_ratio_mismatch"


class Standing(StrEnum):
    """Where a variant stands against the control, allowing for all variants and all looks."""

    CONTROL = "control"
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Variant minus control, in units of the outcome; relative: of the control's mean, None where that is 0.

    low, high: hold for all variants together, and in the sequential readings for all looks.
    """

    difference: float
    low: float
    high: float
    standard_error: float
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class ArmReading:
    """mean, low, high: of the arm by itself at this moment. p_value: allows for all variants and looks.

    expected_loss: outcome lost per unit, on average, by choosing this arm; next_share: of the units to come.
    """

    name: str
    units: int
    mean: float
    low: float
    high: float
    events: int | None = None
    effect: Effect | None = None
    p_value: float | None = None
    p_best: float | None = None
    expected_loss: float | None = None
    next_share: float | None = None
    standing: Standing = Standing.UNDECIDED


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    """p_value: None where too few units were expected in some arm to tell."""

    p_value: float | None
    mismatch: bool
    units: tuple[int, ...]
    expected: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """winner: None unless the verdict is WINNER. because: one sentence.

    more_units: over all arms together, None where it cannot be said; information: part of the horizon that
    has been seen, None without a horizon; level: of the intervals.
    """

    verdict: Verdict
    winner: str | None
    because: str
    arms: tuple[ArmReading, ...]
    sample_ratio: SampleRatio
    units: int
    more_units: int | None
    level: float
    information: float | None = None
