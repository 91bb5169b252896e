"""People of the market of five channels as loose touches and orders, where the chance of each is known."""

from dataclasses import dataclass

import numpy as np

from apps.attribution.maths.snapshots import US_PER_DAY, History
from tests.attribution.maths.market import CONVERT, SIZE, STEP, STOP, market

LOOKBACK_DAYS = 120.0
# P(converts | at a channel): h = CONVERT + (1 - CONVERT - STOP) * STEP h
CHANCE = np.linalg.solve(np.eye(SIZE) - (1 - CONVERT - STOP)[:, None] * STEP, CONVERT)


@dataclass(frozen=True)
class Crowd:
    history: History
    end_us: int


def crowd(people: int, rng: np.random.Generator, *, days: int = 700) -> Crowd:
    """One journey each, begun on any day; the conversion comes an hour after the last touch. No journey is
    longer than the look-back."""
    journeys = market(people, rng)
    wanted = journeys.lengths < LOOKBACK_DAYS / 2 / 2
    journeys = journeys.select(wanted)
    begins = rng.integers(0, days * US_PER_DAY, journeys.n_journeys)
    place = np.arange(journeys.n_touches) - np.repeat(journeys.offsets[:-1], journeys.lengths)
    person = journeys.journey_of_touch
    at_us = begins[person] + place * 2 * US_PER_DAY
    won = np.flatnonzero(journeys.conversions > 0)
    history = History.of(
        person=person,
        at_us=at_us,
        channel=journeys.codes,
        platform=journeys.codes,
        won_person=won,
        won_at_us=at_us[journeys.offsets[1:][won] - 1] + US_PER_DAY // 24,
    )
    return Crowd(history, int(days * US_PER_DAY))
