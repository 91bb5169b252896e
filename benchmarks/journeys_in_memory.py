"""Claim: ten million touches become journeys, distinct paths and transitions within twice the bare kernels.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/journeys_in_memory.py [--touches 10000000]

The limit, in the same run: one counting sort by person, one hash and one sort of the hashes, one bincount of
the moves, on journeys known beforehand. Ours finds them out: windows of conversions, idle runs, equal
times, an order in which touches did not come, and it compares every path with the one it was merged into.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from apps.attribution.maths.aggregation import unique_paths
from apps.attribution.maths.assembly import US_PER_DAY, Conversions, Touches, assemble
from apps.attribution.maths.transitions import count_transitions
from benchmarks._logs import CHANNELS, WEIGHTS
from benchmarks._measure import Steps, keep

TOUCHES_PER_PERSON = 4
CONVERTING = 0.2
DEMAND = 2.0
TURNS = 3  # in turn: memory is dear when it is touched first, and whoever comes second finds it


@dataclass(frozen=True, eq=False)
class Log:
    """A quarter of touches in the order of time."""

    touches: Touches
    conversions: Conversions
    people: int


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--touches", type=int, default=10_000_000)
    count = arguments.parse_args().touches
    _ours(_log(10_000), Steps())  # warm up
    _limit(_log(10_000), Steps())
    log, turns = _log(count), [Steps() for _ in range(TURNS)]
    found = [(_ours(log, steps), _limit(log, steps)) for steps in turns]
    ours, limit = found[0]
    steps = {name: min(turn.done[name].client for turn in turns) for name in turns[0].done}
    spent = sum(seconds for name, seconds in steps.items() if not name.startswith("limit"))
    bare = sum(seconds for name, seconds in steps.items() if name.startswith("limit"))
    print(
        f"{count:,} touches, {ours:,} paths that differ: {spent:.2f} s CPU, {count / spent / 1e6:.1f}M"
        f" touches a second; the bare kernels {bare:.2f} s, {limit:,} paths:"
        f" {spent / bare:.2f} x (demand {DEMAND})"
    )
    keep(f"journeys_in_memory-{count}", touches=count, paths=ours, steps=steps, ratio=spent / bare)


def _log(count: int) -> Log:
    """Each person's touches lie within a few weeks; a fifth buy after their last touch."""
    rng = np.random.default_rng(1)
    people = max(1, count // TOUCHES_PER_PERSON)
    starts = rng.integers(0, 70 * US_PER_DAY, people)
    person = rng.integers(0, people, count)
    at_us = starts[person] + rng.integers(0, 20 * US_PER_DAY, count)
    order = np.argsort(at_us)
    person, at_us = person[order], at_us[order]
    channel = rng.choice(len(CHANNELS), count, p=WEIGHTS)
    buyers = np.flatnonzero(rng.random(people) < CONVERTING)
    bought = starts[buyers] + 21 * US_PER_DAY
    value = np.round(np.exp(rng.normal(4, 0.8, len(buyers))), 2)
    return Log(
        Touches(person=person, at_us=at_us, channel=channel),
        Conversions(person=buyers, at_us=bought, value=value),
        people,
    )


def _ours(log: Log, steps: Steps) -> int:
    with steps.step("journeys"):
        journeys = assemble(log.touches, log.conversions, channels=tuple(CHANNELS.tolist())).journeys
    with steps.step("distinct paths"):
        merged = unique_paths(journeys).journeys
    with steps.step("transitions"):
        count_transitions(merged)
    return merged.n_journeys


def _limit(log: Log, steps: Steps) -> int:
    count, base = len(log.touches.person), len(CHANNELS)
    with steps.step("limit: counting sort by person"):
        table = sparse.csr_array(
            (
                np.empty(count, np.int8),
                log.touches.person.astype(np.int32),
                np.arange(count + 1, dtype=np.int32),
            ),
            shape=(count, log.people),
        ).tocsc()
        offsets = table.indptr[np.append(np.flatnonzero(np.diff(table.indptr)), log.people)]
        codes = log.touches.channel[table.indices]
    with steps.step("limit: hash of each path, sorted"):
        paths = len(np.unique(_hashes(codes, offsets)))
    with steps.step("limit: bincount of the moves"):
        within = np.ones(count - 1, dtype=np.bool_)
        within[offsets[1:-1] - 1] = False
        np.bincount(codes[:-1][within] * base + codes[1:][within], minlength=base**2)
    return paths


def _hashes(codes: NDArray[np.int64], offsets: NDArray[np.int32]) -> NDArray[np.uint64]:
    place = np.arange(len(codes)) - np.repeat(offsets[:-1], np.diff(offsets))
    words = np.random.default_rng(2).integers(0, 2**64, (64, len(CHANNELS)), dtype=np.uint64)
    return np.add.reduceat(words[np.minimum(place, 63), codes], offsets[:-1])


if __name__ == "__main__":
    main()
