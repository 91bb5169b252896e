"""Claim: a model that still holds raises a false alarm once in 750 steps at most, and one that does not is
told within days.

    PYTHONPATH=. .venv/bin/python benchmarks/drift.py

Hundreds of histories of a world that is known: nothing changes, or the chances do after the tenth step. The
limits are what docs/models/accuracy.md states.
"""

import numpy as np

from apps.attribution.maths import drift
from benchmarks._measure import keep
from tests.attribution.maths.test_drift import RUNS, STEPS, runs_until_an_alarm

CALM = 10
SEEDS = 4  # of RUNS histories each
# 160 journeys are a small step of this world: about ten of them convert.
SIZES = (160, 300)
# Log-odds that change, journeys a step, and the steps that the median delay may take.
DELAYS = ((0.6, 300, 5), (-0.6, 300, 5), (0.3, 300, 15))


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
        first = runs_until_an_alarm(journeys=journeys, steps=80, shift=shift, after=CALM, seed=5)
        found = float(np.median(first[first > CALM] - CALM))
        delays[f"{shift:+}"] = found
        print(
            f"log-odds {shift:+}, {journeys} journeys a step: found after {found:.0f} steps in the middle"
            f" (limit {most})"
        )
    keep("drift", steps=STEPS, alarmed=alarmed, stated=stated, delays=delays)


if __name__ == "__main__":
    main()
