"""Claim: 95 % intervals of credit hold the truth in 93 to 97 of 100 periods, also on 5 to 20 conversions.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/interval_coverage.py [--runs 1000]

A market with known chances is drawn again and again, every model credits each draw, and its intervals are
held against what the model says of 800,000 journeys of the same market. Orders vary: gamma, with another
mean by channel. Standard error of a channel's figure .7 points at 1,000 runs, of a mean over channels about
.4 (the five of a run are not independent). Draws with too little data for an interval are left out.
"""

import argparse
import time

from apps.attribution.maths.models import MODELS
from benchmarks._measure import keep
from tests.attribution.maths.market import FIGURES, Coverage, coverages

RUNS = 1_000
SIZES = (300, 1_000, 4_000)
LOW, HIGH = 0.93, 0.97


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=RUNS)
    arguments.add_argument("--journeys", type=int, nargs="+", default=SIZES)
    arguments.add_argument(
        "--models", nargs="+", default=[name for name in MODELS if name != "shapley_ordered"]
    )
    chosen = arguments.parse_args()
    for journeys in chosen.journeys:
        started = time.process_time()
        found = coverages(chosen.models, journeys=journeys, runs=chosen.runs, seed=7)
        print(f"{journeys:,} journeys, about {journeys * 0.187:,.0f} conversions over five channels")
        print("| | " + " | ".join(FIGURES) + " |")
        for one in found:
            print(f"| {one.model} | {_told(one)}")
        spent = time.process_time() - started
        means = [mean for one in found if one.held is not None for mean in one.held.mean(axis=1)]
        inside = sum(LOW <= mean <= HIGH for mean in means)
        print(f"{inside} of {len(means)} figures are within {LOW:.0%} to {HIGH:.0%}; {spent:.0f} s of CPU\n")
        covered = {one.model: one.held.tolist() for one in found if one.held is not None}
        enough = {one.model: one.runs for one in found}
        keep(
            f"interval_coverage-{journeys}" + (f"-{chosen.runs}_runs" if chosen.runs != RUNS else ""),
            runs=chosen.runs,
            enough=enough,
            cpu_seconds=spent,
            covered=covered,
        )


def _told(one: Coverage) -> str:
    """By figure, the mean over channels, and the channels that do worst and best."""
    if one.held is None:
        return "too little data: no interval is shown |"
    means, least, most = one.held.mean(axis=1), one.held.min(axis=1), one.held.max(axis=1)
    cells = (f"{m:.3f} ({a:.3f} to {b:.3f})" for m, a, b in zip(means, least, most, strict=True))
    outside = "" if ((means >= LOW) & (means <= HIGH)).all() else "  outside 93 to 97 %"
    return f"{' | '.join(cells)} |{outside}"


if __name__ == "__main__":
    main()
