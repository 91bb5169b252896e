"""Claim: a model that still holds raises a false alarm once in 750 steps at most, and one that does not is
told within days.

    PYTHONPATH=. .venv/bin/python benchmarks/drift.py

Hundreds of histories of a world that is known: nothing changes, or the chances do after the tenth step. False
alarms are held against what the charts state (maths/drift.py), delays against the limits that the tests have;
docs/models/accuracy.md says both, and what was found.
"""

import numpy as np

from apps.attribution.maths import drift
from benchmarks._measure import keep
from tests.attribution.maths.test_drift import DELAYS, RUNS, STEPS, runs_until_an_alarm

CALM = 10
SEEDS = 4  # of RUNS histories each
# 160 journeys are a small step of this world: about ten of them convert.
SIZES = (160, 300)


def main() -> None:
    stated = 1 - np.exp(-STEPS / drift.STEPS_BETWEEN_FALSE_ALARMS)
    error = np.sqrt(stated * (1 - stated) / (RUNS * SEEDS))
    alarmed, delays = {}, {}
    for journeys in SIZES:
        first = np.concatenate(
            [
                runs_until_an_alarm(journeys=journeys, steps=STEPS, seed=journeys + seed)
                for seed in range(SEEDS)
            ]
        )
        alarmed[journeys] = float(np.isfinite(first).mean())
        print(
            f"nothing changes, {journeys} journeys a step: {alarmed[journeys]:.1%} of the runs alarm within"
            f" {STEPS} steps; once in {drift.STEPS_BETWEEN_FALSE_ALARMS} steps would be {stated:.1%}"
            f" (standard error {error:.1%}): {alarmed[journeys] / stated:.2f} x the limit"
        )
    for shift, journeys, most in DELAYS:
        found = [_median_delay(shift, journeys, seed) for seed in range(SEEDS)]
        delays[f"{shift:+}"] = found
        print(
            f"log-odds {shift:+}, {journeys} journeys a step: found after {min(found):g} to {max(found):g}"
            f" steps in the middle of each seed's runs (limit {most})"
        )
    keep("drift", steps=STEPS, alarmed=alarmed, stated=stated, delays=delays)


def _median_delay(shift: float, journeys: int, seed: int) -> float:
    """Of the runs that had no false alarm before the change."""
    first = runs_until_an_alarm(journeys=journeys, steps=80, shift=shift, after=CALM, seed=seed)
    return float(np.median(first[first > CALM] - CALM))


if __name__ == "__main__":
    main()
