"""Claim: none; how far each model is from what channels caused, on a company whose truth is known.

    PYTHONPATH=. .venv/bin/python benchmarks/models_against_truth.py [--people 100000] [--seeds 1 2 3]

docs/explanation/how-far-from-the-truth.md quotes it. The company is that of the demo (maths/simulator); the
truth is measured by running it again without one channel. Shares of the trials with a known touchpoint,
beside the shares of the trials that channels caused; error is share minus truth, in points.
"""

import argparse

import numpy as np

from apps.attribution.maths.models import MODELS
from apps.attribution.maths.simulator import WEDDING_SUPPLIERS
from benchmarks._measure import keep
from tests.attribution import test_models_against_truth as judged


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=judged.PEOPLE)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    chosen = arguments.parse_args()
    judged.PEOPLE = chosen.people
    for title, market in (
        ("The company as it is", WEDDING_SUPPLIERS),
        ("A lottery: equal exposure, nothing confounded", WEDDING_SUPPLIERS.randomised()),
    ):
        _print(title, [judged.case_of(judged.company_of(market, seed=seed)) for seed in chosen.seeds])


def _print(title: str, cases: list[judged.Case]) -> None:
    channels = cases[0].truth.channels
    truth = np.mean([case.truth.shares() for case in cases], axis=0)
    print(f"## {title}: {sum(int(case.truth.sign_ups.sum()) for case in cases):,} trials, {len(cases)} runs")
    print(f"| | {' | '.join(channels)} | mean error | misplaced | rank |")
    print(f"|---{'|---' * len(channels)}|---|---|---|")
    print(f"| truth, % | {' | '.join(f'{100 * share:.1f}' for share in truth)} | | | |")
    rows = sorted((_row(name, cases) for name in MODELS), key=lambda row: row[2])
    for name, errors, apart, rank in rows:
        cells = " | ".join(f"{100 * error:+.1f}" for error in errors)
        mean = 100 * float(np.abs(errors).mean())
        print(f"| {name} | {cells} | {mean:.1f} | {100 * apart:.0f} % | {rank:.2f} |")
    name = title.partition(":")[0].lower().replace(" ", "_")
    keep(
        f"models_against_truth-{name}",
        runs=len(cases),
        channels=channels,
        truth=truth.tolist(),
        errors={row[0]: row[1].tolist() for row in rows},
    )


def _row(name: str, cases: list[judged.Case]) -> tuple[str, np.ndarray, float, float]:
    """Error of each channel, the part of all credit at a wrong channel, rank correlation; means over runs."""
    errors = [case.shares(name) - case.truth.shares() for case in cases]
    apart = float(np.mean([case.misplaced(name) for case in cases]))
    rank = float(np.mean([case.rank_correlation(name) for case in cases]))
    return name, np.mean(errors, axis=0), apart, rank


if __name__ == "__main__":
    main()
