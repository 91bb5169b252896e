"""Experiments whose truth is known: many runs of the same arms at once, each ended by whoever is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .people import Floats, Ints

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """What a judge sees of the runs that go on. number: of this look, from 1 to looks.

    units, successes: (n_runs, n_arms) so far; run: (n_runs,) which runs these are. The control is arm 0.
    """

    number: int
    looks: int
    run: Ints
    units: Ints
    successes: Ints

    @property
    def rates(self) -> Floats:
        return self.successes / np.maximum(self.units, 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Call:
    """choice: (n_runs,) the arm declared, -1 to go on; shares: (n_runs, n_arms) of the next units, None =
    evenly."""

    choice: Ints
    shares: Floats | None = None


Judge = Callable[[Look], Call]


@dataclass(frozen=True, kw_only=True)
class Fates:
    """Parts of the runs: `declared` some arm, `false` a variant that is no better than the control, `wrong`
    an arm that is not the best. regret: outcome lost against sending every unit to the best arm, as a part of
    it."""

    declared: float
    false: float
    wrong: float
    regret: float


def run_experiments(
    rates: Sequence[float], judge: Judge, *, units: int, looks: int, runs: int, rng: np.random.Generator
) -> Fates:
    """Draw `units` visitors a run in `looks` even parts; what is left when an arm is declared goes to it.

    rates: (n_arms,) true success rates, the control first. The last look leaves no units: a run that nobody
    ended has declared nothing.
    """
    truth, each = np.asarray(rates), units // looks
    arms = len(truth)
    seen, won = np.zeros((runs, arms), dtype=np.int64), np.zeros((runs, arms), dtype=np.int64)
    choice, going = np.full(runs, -1), np.arange(runs)
    shares = np.full((runs, arms), 1 / arms)
    lost = np.zeros(runs)
    for number in range(1, looks + 1):
        if not len(going):
            break
        added = _whole(each * shares[going], each, rng)
        seen[going] += added
        won[going] += rng.binomial(added, truth)
        lost[going] += added @ (truth.max() - truth)
        call = judge(Look(number=number, looks=looks, run=going, units=seen[going], successes=won[going]))
        choice[going] = call.choice
        if call.shares is not None:
            shares[going] = call.shares
        ended = going[call.choice >= 0]
        lost[ended] += (looks - number) * each * (truth.max() - truth[choice[ended]])
        going = going[call.choice < 0]
    named = choice >= 0
    return Fates(
        declared=float(named.mean()),
        false=float((named & (choice > 0) & (truth[choice] <= truth[0])).mean()),
        wrong=float((named & (truth[choice] < truth.max())).mean()),
        regret=float(lost.mean() / (each * looks * truth.max())),
    )


def _whole(expected: Floats, total: int, rng: np.random.Generator) -> Ints:
    """Round every run's units to whole ones that add up, what is over going to arms by chance."""
    ends = np.floor(np.cumsum(expected, axis=1) + rng.random((len(expected), 1)) * 0.999999).astype(np.int64)
    ends[:, -1] = total
    return np.diff(np.minimum(ends, total), axis=1, prepend=0)
