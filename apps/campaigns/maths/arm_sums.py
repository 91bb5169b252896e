"""What a campaign's arms say, from their sums alone: which variant is best, and what the message brought."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apps.attribution.maths.experiments import differences, gates, proportions, thompson
from apps.attribution.maths.experiments.always_valid import half_width
from apps.attribution.maths.experiments.arms import Arm, Estimate
from apps.attribution.maths.experiments.gates import Z_95
from apps.attribution.maths.experiments.readings import Reading, Verdict
from apps.attribution.maths.experiments.thompson import WinnerPlan

# Where intervals that hold at any moment are narrowest, in people over both arms.
TIGHTEST_AT = 5_000
ALPHA = 0.05
# When the time of the test is up, the leader goes out if choosing it costs at most this part of its rate.
LOSS_AT_THE_END = 0.03
FEWEST_SUCCESSES_AT_THE_END = 25


@dataclass(frozen=True, kw_only=True)
class Sums:
    """One figure over the people of an arm. total: summed over them; squared: each person's, squared.

    is_rate: each person's figure is 0 or 1. Raises ValueError for people below 0 or sums that are not finite.
    """

    name: str
    people: int
    total: float
    squared: float = 0.0
    is_rate: bool = False
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.people < 0 or not math.isfinite(self.total) or not math.isfinite(self.squared):
            raise ValueError(f"people must be >= 0 and sums finite; got {self}")

    @property
    def estimate(self) -> Estimate:
        """Its mean with an error. Raises ValueError for fewer than two people, or one of a rate."""
        if self.is_rate:
            return proportions.estimate(round(self.total), self.people)
        if self.people < 2:
            raise ValueError(f"a mean with an error needs two people; got {self.people}")
        mean = self.total / self.people
        spread = max(self.squared - self.people * mean * mean, 0.0)
        return Estimate(
            units=self.people,
            mean=mean,
            variance=spread / (self.people - 1) / self.people,
            degrees_of_freedom=self.people - 1,
        )


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What the message brought on top of nothing, over all who were to get it: a total with its interval.

    total, low, high: None while there is not enough to say. more_people: how many more over both arms it
    would take, None where that cannot be said. a_head: the difference of one person. level: of the interval.
    is_final: everybody's window is over, and this was looked at once; else the interval holds at any moment.
    """

    total: float | None
    low: float | None
    high: float | None
    a_head: float | None
    people: int
    held_out: int
    more_people: int | None
    because: str
    is_final: bool
    level: float = 1 - ALPHA


def brought(message: Sums, nothing: Sums, *, is_final: bool) -> Brought:
    """The difference of two means times the people who were to get the message.

    Each arm needs 30 people, and of a rate 10 of each kind; else nothing varies enough to have an error.
    While windows are open the interval is a confidence sequence, which holds however often it is looked at;
    once all are over it is Welch's at 95 %. Source: Waudby-Smith et al. 2024 (always_valid.half_width).
    """
    people, held_out = message.people, nothing.people
    if min(people, held_out) < 2:
        return _nothing_yet(
            people, held_out, None, "Nobody was held out, or nobody was written to.", is_final
        )
    arms = [Arm(name=one.name, estimate=one.estimate, share=one.share) for one in (nothing, message)]
    gate = gates.check(arms)
    if gate.verdict:
        return _nothing_yet(people, held_out, gate.needed, gate.because, is_final)
    z = Z_95
    if not is_final:
        z = float(half_width(1.0, people + held_out, alpha=ALPHA, tightest_at_units=TIGHTEST_AT))
    found = differences.effect(arms[0].estimate, arms[1].estimate, z=z)
    return Brought(
        total=found.difference * people,
        low=found.low * people,
        high=found.high * people,
        a_head=found.difference,
        people=people,
        held_out=held_out,
        more_people=0,
        because="",
        is_final=is_final,
    )


def not_yet(message: Sums, nothing: Sums, because: str) -> Brought:
    """No figure, and why."""
    return _nothing_yet(message.people, nothing.people, None, because, False)


def read_variants(variants: Sequence[Sums]) -> Reading | None:
    """Odds of each variant, and a winner once choosing it costs little. None with fewer than two variants, or
    where one of them was sent to nobody.
    """
    if len(variants) < 2 or min(one.people for one in variants) < 1:
        return None
    arms = [Arm(name=one.name, estimate=one.estimate, share=one.share) for one in variants]
    return thompson.send_the_winner(arms, plan=WinnerPlan())


def winner_at_the_end(reading: Reading | None) -> str | None:
    """Whom the rest gets once the time is up: a winner, or a leader with FEWEST_SUCCESSES_AT_THE_END that
    costs at most LOSS_AT_THE_END of its rate. None where too little is known to name one.
    """
    if reading is None or reading.verdict is Verdict.SAMPLE_RATIO_MISMATCH:
        return None
    if reading.winner is not None:
        return reading.winner
    known = [arm for arm in reading.arms if arm.expected_loss is not None]
    if not known:
        return None
    leader = min(known, key=lambda arm: arm.expected_loss or 0.0)
    if (leader.events or 0) < FEWEST_SUCCESSES_AT_THE_END:
        return None
    loss = leader.expected_loss or 0.0
    return leader.name if loss <= LOSS_AT_THE_END * abs(leader.mean) else None


def _nothing_yet(people: int, held_out: int, more: int | None, because: str, is_final: bool) -> Brought:
    return Brought(
        total=None,
        low=None,
        high=None,
        a_head=None,
        people=people,
        held_out=held_out,
        more_people=more,
        because=because,
        is_final=is_final,
    )
