"""Claim: the engines name false winners as rarely as they promise, and lose as little as they can.

    PYTHONPATH=. .venv/bin/python benchmarks/experiments.py [--runs 2000]

Five arms with a base rate of 3 %, 20 looks, 50,000 units in all; the limit of each row is its promise. The
simulator (apps/attribution/maths/simulator/arms.py) knows no engine. Published figures beside ours, from our
notes on other implementations of the same methods, are to be met within simulation error where the method is
the same: sequences and Bayesian stops differ in their tuning.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from apps.attribution.maths.experiments import always_valid
from apps.attribution.maths.experiments.gates import FEWEST_EVENTS
from apps.attribution.maths.experiments.group_sequential import LiftPlan, holm_bounds, holm_crossings
from apps.attribution.maths.experiments.multiple import holm_of_each
from apps.attribution.maths.experiments.posteriors import BetaPosterior, odds
from apps.attribution.maths.experiments.thompson import (
    FEWEST_EVENTS_OF_LEADER,
    WinnerPlan,
    may_stop,
    top_two_shares,
)
from apps.attribution.maths.simulator.arms import Call, Fates, Judge, Look, run_experiments
from benchmarks._measure import keep

UNITS, LOOKS, ARMS, BASE, LIFT, ALPHA = 50_000, 20, 5, 0.03, 0.2, 0.05
PUBLISHED = {
    "peeking at z < .05": (0.31, 0.81, 0.11, 0.082),
    "fixed end, Bonferroni": (0.018, 0.44, 0.001, 0.133),
    "group sequential, Holm": (0.015, 0.42, 0.002, 0.122),
    "confidence sequence": (0.004, 0.19, 0.002, 0.125),
    "Bayes P(best) > .95": (0.035, 0.54, 0.006, 0.104),
    "Thompson, expected loss": (0.077, 0.92, 0.003, 0.0525),
}
PROMISES = {"fixed end, Bonferroni": ALPHA, "group sequential, Holm": ALPHA, "confidence sequence": ALPHA}


def peeking() -> Judge:
    bound = -float(ndtri(ALPHA / 2))
    return lambda look: Call(choice=_best(look, _z(look) > bound))


def fixed_end() -> Judge:
    bound = -float(ndtri(ALPHA / (ARMS - 1) / 2))
    return lambda look: Call(choice=_best(look, (_z(look) > bound) & (look.number == look.looks)))


def group_sequential() -> Judge:
    """Holm at each look; what an earlier look found stays found."""
    plan = LiftPlan(planned_units=UNITS, alpha=ALPHA)
    settled: dict[int, np.ndarray] = {}

    def judge(look: Look) -> Call:
        fractions = tuple((np.arange(1, look.number + 1) / look.looks).tolist())
        z = _z(look)
        before = np.array([settled.get(run, np.zeros(z.shape[1], bool)) for run in look.run.tolist()])
        found = holm_crossings(z, holm_bounds(fractions, z.shape[1], plan=plan), before)
        found &= _has_events(look, FEWEST_EVENTS)[:, None] | before
        settled.update(zip(look.run.tolist(), found, strict=True))
        choice = _best(look, found & (z > 0))
        return Call(choice=np.where((found & (z < 0)).all(axis=1), 0, choice))

    return judge


def confidence_sequence() -> Judge:
    def judge(look: Look) -> Call:
        gap, error = _gap(look)
        pairs = look.units[:, 1:] + look.units[:, :1]
        chances = always_valid.p_value(gap, error, pairs, alpha=ALPHA, tightest_at_units=5000)
        found = (holm_of_each(chances) <= ALPHA) & _has_events(look, always_valid.FEWEST_EVENTS)[:, None]
        choice = _best(look, found & (gap > 0))
        return Call(choice=np.where((found & (gap < 0)).all(axis=1), 0, choice))

    return judge


def bayes() -> Judge:
    """Even shares; declare who is the best with probability .95, looked at as often as the others."""

    def judge(look: Look) -> Call:
        p_best = _in_parts(look, lambda belief: odds(belief).p_best)
        return Call(choice=np.where(p_best.max(axis=1) > 0.95, p_best.argmax(axis=1), -1))

    return judge


def thompson() -> Judge:
    plan = WinnerPlan()

    def judge(look: Look) -> Call:
        both = _in_parts(
            look,
            lambda belief: np.stack([(found := odds(belief)).p_best, found.expected_loss], axis=1),
        )
        p_best, loss = both[:, 0], both[:, 1]
        leader = loss.argmin(axis=1)
        enough = np.take_along_axis(look.successes, leader[:, None], 1)[:, 0] >= FEWEST_EVENTS_OF_LEADER
        stops = may_stop(_belief(look).mean(), loss, loss_share=plan.loss_share) & enough
        return Call(choice=np.where(stops, leader, -1), shares=top_two_shares(p_best, floor=plan.floor))

    return judge


ENGINES: dict[str, Callable[[], Judge]] = {
    "peeking at z < .05": peeking,
    "fixed end, Bonferroni": fixed_end,
    "group sequential, Holm": group_sequential,
    "confidence sequence": confidence_sequence,
    "Bayes P(best) > .95": bayes,
    "Thompson, expected loss": thompson,
}


def measure(engine: str, *, runs: int, seed: int) -> tuple[Fates, Fates]:
    """The engine among equals, and where the second variant is a fifth better."""
    equal = [BASE] * ARMS
    better = [BASE, BASE, BASE * (1 + LIFT), BASE, BASE]
    found = [
        run_experiments(
            rates, ENGINES[engine](), units=UNITS, looks=LOOKS, runs=runs, rng=np.random.default_rng(seed)
        )
        for rates in (equal, better)
    ]
    return found[0], found[1]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=2000)
    runs = arguments.parse_args().runs
    print(f"{ARMS} arms at {BASE:.0%}, {LOOKS} looks, {UNITS:,} units, {runs:,} runs; (published figure)")
    print(f"{'':26}{'false winner':>18}{'declared':>18}{'wrong':>18}{'regret':>18}{'CPU':>10}")
    figures = {}
    for engine, published in PUBLISHED.items():
        began = time.process_time()
        null, lifted = measure(engine, runs=runs, seed=1)
        spent = time.process_time() - began
        ours = (null.false, lifted.declared, lifted.wrong, lifted.regret)
        told = "".join(f"{a:>10.2%} ({b:.1%})" for a, b in zip(ours, published, strict=True))
        print(f"{engine:26}{told}{spent:>8.1f} s", flush=True)
        names = ("false_winner", "declared", "wrong", "regret")
        figures[engine] = dict(zip(names, ours, strict=True)) | {"cpu_seconds": spent}
        if (promise := PROMISES.get(engine)) is not None:
            error = (promise * (1 - promise) / runs) ** 0.5
            assert null.false <= promise + 3 * error, f"{engine}: {null.false:.2%} against {promise:.0%}"
    keep("experiments", runs=runs, engines=figures)


def _best(look: Look, candidates: np.ndarray) -> np.ndarray:
    """The candidate variant of the highest rate, -1 where there is none. candidates: (runs, variants)."""
    rates = np.where(candidates, look.rates[:, 1:], -1.0)
    return np.where(candidates.any(axis=1), rates.argmax(axis=1) + 1, -1)


def _gap(look: Look) -> tuple[np.ndarray, np.ndarray]:
    rates = look.rates
    variances = rates * (1 - rates) / np.maximum(look.units, 1)
    return rates[:, 1:] - rates[:, :1], np.sqrt(variances[:, 1:] + variances[:, :1])


def _z(look: Look) -> np.ndarray:
    gap, error = _gap(look)
    return np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)


def _has_events(look: Look, fewest: int) -> np.ndarray:
    return np.all(look.successes >= fewest, axis=1)


def _belief(look: Look) -> BetaPosterior:
    alpha, beta = look.successes + 1.0, look.units - look.successes + 1.0
    return BetaPosterior(alpha.astype(np.float64), beta.astype(np.float64))


def _in_parts(look: Look, deed: Callable[[BetaPosterior], np.ndarray], part: int = 100) -> np.ndarray:
    """Quadrature of 100 runs at a time, so that its points stay in the cache."""
    whole = _belief(look)
    starts = range(0, len(whole.a), part)
    return np.concatenate([deed(BetaPosterior(whole.a[s : s + part], whole.b[s : s + part])) for s in starts])


if __name__ == "__main__":
    main()
