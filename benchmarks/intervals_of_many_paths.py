"""Claim: intervals of all models on 200,000 distinct paths take 5 CPU seconds, the choice of an order 1.5.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/intervals_of_many_paths.py

All but random paths over ten channels, five touches on average: the worst that journeys do to models, since
hardly two are alike. The choice of an order stays below 1.5 GB however many there are (--journeys 11000000
--choice-only: three million paths).
"""

import argparse

import numpy as np

from apps.attribution.maths.aggregation import unique_paths
from apps.attribution.maths.counts import count
from apps.attribution.maths.credit_errors import errors_of_all
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.models import AUTO, MODELS
from apps.attribution.maths.order_choice import choose_order
from apps.attribution.maths.tally import LEVELS
from benchmarks._logs import CHANNELS, WEIGHTS
from benchmarks._measure import Steps, elsewhere, keep

MOST_CPU, MOST_CHOICE_CPU, MOST_CHOICE_MB = 5.0, 1.5, 1_500


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--journeys", type=int, default=550_000)
    arguments.add_argument("--choice-only", action="store_true")
    chosen = arguments.parse_args()
    found = elsewhere(_measure, chosen.journeys, choice_only=chosen.choice_only)
    print(f"{chosen.journeys:,} journeys, {found['paths']:,} paths of {found['touches']:,} touches")
    for name, spent in found["steps"].items():
        print(f"  {name}: {spent['client']:.2f} s CPU, {spent['peak_mb']:,.0f} MB at most")
    choice = found["steps"]["choice of an order"]
    assert choice["peak_mb"] < MOST_CHOICE_MB
    if not chosen.choice_only:
        assert choice["client"] < MOST_CHOICE_CPU
        assert found["steps"]["intervals of all models"]["client"] < MOST_CPU
    keep(f"intervals_of_many_paths-{chosen.journeys}", **found)


def _measure(journeys: int, *, choice_only: bool) -> dict:
    steps, drawn = Steps(), _journeys(journeys)
    paths = unique_paths(drawn).journeys
    if not choice_only:
        counts = count(
            drawn, source=drawn.codes.astype(np.int64), groups=dict.fromkeys(LEVELS, np.arange(len(CHANNELS)))
        )
    del drawn
    with steps.step("choice of an order"):
        choose_order(paths)
    if not choice_only:
        # The order was chosen before, as it is where credit is computed first.
        models = [name for name in MODELS if name != AUTO]
        everyone = np.arange(len(CHANNELS))
        with steps.step("intervals of all models"):
            errors_of_all(counts, models, groups=dict.fromkeys(LEVELS, everyone), channel_of=everyone)
    told = {name: vars(spent) for name, spent in steps.done.items()}
    return {"paths": paths.n_journeys, "touches": paths.n_touches, "steps": told}


def _journeys(count_: int) -> Journeys:
    rng = np.random.default_rng(1)
    lengths = rng.geometric(0.2, count_)
    codes = rng.choice(len(CHANNELS), int(lengths.sum()), p=WEIGHTS).astype(np.int32)
    won = rng.random(count_) < 0.1 + 0.1 * np.minimum(lengths, 8) / 4
    return Journeys(
        channels=tuple(CHANNELS.tolist()),
        codes=codes,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        conversions=won.astype(np.float64),
        value=np.where(won, np.rint(np.exp(rng.normal(4, 0.8, count_)) * 100), 0.0),
        nulls=(~won).astype(np.float64),
        age_days=rng.exponential(7.0, len(codes)),
    )


if __name__ == "__main__":
    main()
