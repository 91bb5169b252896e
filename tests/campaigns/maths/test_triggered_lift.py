"""What a triggered campaign brought is found in a made-up town, where it is known: its messages wait, by
quiet hours, a rate and a pause, and whoever is held out does not. The town imports nothing of what it judges.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from apps.campaigns.maths import arm_sums
from apps.campaigns.maths.arm_sums import Sums

PEOPLE, HELD, DAYS, GOAL_DAYS = 6_000, 0.25, 20, 2.0
RUNS = 300
# Of a hundred people: who buy in a day in any case; who buy because of the message, half a day after it.
ANYWAY_A_DAY, BECAUSE = 0.01, 0.06


@dataclass(frozen=True)
class Town:
    """In days. led: when each was led to the campaign; left: when their message left, nan where there is
    none; bought, swayed: when each bought anyway, and because of the message, inf where they never did.
    """

    led: np.ndarray
    is_held: np.ndarray
    left: np.ndarray
    bought: np.ndarray
    swayed: np.ndarray

    @property
    def truth(self) -> int:
        """How many bought because of a message within its days."""
        return int((self.swayed < self.left + GOAL_DAYS).sum())

    def sums(self, until: np.ndarray, held: bool) -> Sums:
        of = self.is_held == held
        counts = sum(((at >= self.led) & (at < until))[of].astype(int) for at in (self.bought, self.swayed))
        return Sums(
            name="nothing" if held else "message",
            people=int(of.sum()),
            total=float(counts.sum()),
            squared=float((counts**2).sum()),
            share=HELD if held else 1 - HELD,
        )


def town(rng: np.random.Generator) -> Town:
    led = rng.uniform(0, DAYS, PEOPLE)
    is_held = rng.random(PEOPLE) < HELD
    hour = led % 1
    wait = np.where((hour < 9 / 24) | (hour > 20 / 24), (9 / 24 - hour) % 1, 0.0)  # quiet hours
    wait = wait + rng.exponential(0.3, PEOPLE)  # a rate
    wait = np.where((led > 8) & (led < 10), 12 - led + wait, wait)  # a pause
    left = np.where(is_held, np.nan, led + wait)
    bought = led + rng.exponential(1 / ANYWAY_A_DAY, PEOPLE)
    is_swayed = ~is_held & (rng.random(PEOPLE) < BECAUSE)
    swayed = np.where(is_swayed, left + rng.exponential(0.5, PEOPLE), np.inf)
    return Town(led, is_held, left, bought, swayed)


def windows(made: Town) -> np.ndarray:
    """Until when each is counted: as long as messages of their day took at most, and then GOAL_DAYS."""
    day = np.floor(made.led).astype(int)
    longest = np.zeros(DAYS)
    has_left = ~made.is_held
    np.maximum.at(longest, day[has_left], (made.left - made.led)[has_left])
    return made.led + longest[day] + GOAL_DAYS


def covered(until_of) -> tuple[float, float]:
    """The share of towns whose interval holds the truth, and the mean of what is found over what is true."""
    rng = np.random.default_rng(11)
    holds, ratio = [], []
    for _ in range(RUNS):
        made = town(rng)
        until = until_of(made)
        found = arm_sums.brought(made.sums(until, False), made.sums(until, True), is_final=True)
        holds.append(found.low <= made.truth <= found.high)
        ratio.append(found.total / made.truth)
    return float(np.mean(holds)), float(np.mean(ratio))


def test_the_interval_covers_what_messages_brought_however_long_they_waited():
    coverage, ratio = covered(windows)

    assert coverage > 0.92
    assert ratio == pytest.approx(1, abs=0.06)


def test_windows_that_run_while_messages_wait_lose_what_they_brought():
    """What the rule is there for."""
    coverage, ratio = covered(lambda made: made.led + GOAL_DAYS)

    assert ratio < 0.9
    assert coverage < 0.92
