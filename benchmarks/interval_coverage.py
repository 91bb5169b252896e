"""Claim: 95 % intervals of credit hold the truth in 93 to 97 of 100 periods, also on 5 to 20 conversions.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/interval_coverage.py [--runs 1000]

A market with known chances is drawn again and again, every model credits each draw, and its intervals are
held against what the model says of 800,000 journeys of the same market. Standard error of each figure: about
.5 points at 1,000 runs (the five channels of a run are not independent).
"""

import argparse
import time

from apps.attribution.maths.models import MODELS
from benchmarks._measure import keep
from tests.attribution.maths.market import FIGURES, coverages

SIZES = (300, 1_000, 4_000)
LOW, HIGH = 0.93, 0.97


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=1_000)
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
            means, least, most = one.held.mean(axis=1), one.held.min(axis=1), one.held.max(axis=1)
            cells = (f"{m:.3f} ({a:.3f} to {b:.3f})" for m, a, b in zip(means, least, most, strict=True))
            outside = "" if ((means >= LOW) & (means <= HIGH)).all() else "  outside 93 to 97 %"
            print(f"| {one.model} | {' | '.join(cells)} |{outside}")
        spent = time.process_time() - started
        print(f"{spent:.0f} s of CPU\n")
        covered = {one.model: one.held.mean(axis=1).tolist() for one in found}
        keep(f"interval_coverage-{journeys}", runs=chosen.runs, cpu_seconds=spent, covered=covered)


if __name__ == "__main__":
    main()
