"""How a chain's yields move with one more journey: the derivative that its standard errors follow from.

Removing something from a chain kills probability on its way. With x the yield from each state of the chain
that is left, y how often a journey visits each state of it, and d_i the departures counted in state i, one
more journey through the states w_0, w_1, … w_m moves the yield s'x by

    (x[w_0] - s'x) / journeys + sum over t of y[w_t] / d[w_t] * (next_t - x*[w_t]),

where x* = r + Qx before anything is killed and next_t is x[w_t+1], 0 where the step is killed, and at the end
1 (or the value) for a conversion, 0 without. This is the adjoint of the linear system: two solves instead of
one a journey. Derived in docs/models/intervals.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import splu

from .journeys import Flags, Floats, Ints, Journeys, runs_of
from .removal import DENSE_STATES, DENSE_STATES_ORDER_1, MOST_WORK, SWEEPS, TOLERANCE, Chain
from .transitions import TransitionCounts, dense, windows_of

BLOCK = 4_000_000  # numbers held at once while paths are walked


@dataclass(frozen=True, eq=False, kw_only=True)
class Solved:
    """Column 0 kills nothing; column c + 1 kills what enters a state that holds channel c. (n_states,
    columns) each.

    worth: (2, …) x, for conversions and for value. ahead: (2, …) x*. pull: y / d. kept: (2, columns) s'x.
    killed: (column, from, to) of single arrows that are killed in a column.
    """

    worth: Floats
    ahead: Floats
    pull: Floats
    kept: Floats
    journeys: float
    killed: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Moves:
    """Of a run of paths. missed: (2, n, columns) how the yields move with one more journey that does not
    convert; at_end: (n, columns) what is added for each conversion, or for each unit of value.
    """

    paths: slice
    missed: Floats
    at_end: Floats


def solve(counts: TransitionCounts) -> Solved:
    """Raises ValueError for a chain that is too large; see removal.expected_and_lost."""
    chain = Chain.of(counts)
    stays = np.stack(
        [np.ones(counts.n_states, dtype=np.bool_), *map(counts.holds, _channels(counts))], axis=1
    )
    stays[:, 1:] = ~stays[:, 1:]
    limit = DENSE_STATES_ORDER_1 if counts.order == 1 else DENSE_STATES
    is_small = counts.n_states <= limit and counts.n_states * stays.size <= MOST_WORK
    if not is_small and chain.moves.nnz * stays.shape[1] > MOST_WORK:
        raise ValueError("the chain has too many states and channels")
    worth, visits = (_by_inverse if is_small else _by_sweeps)(chain, stays)
    departures = np.where(counts.departures > 0, counts.departures, 1.0)
    ahead = np.stack([(chain.moves @ x) + r[:, None] for x, r in zip(worth, chain.reward.T, strict=True)])
    return Solved(
        worth=worth,
        ahead=ahead,
        pull=visits / departures[:, None],
        kept=np.stack([chain.start @ x for x in worth]),
        journeys=float(counts.starts.sum()),
    )


def moves(journeys: Journeys, counts: TransitionCounts, solved: Solved) -> Iterator[Moves]:
    """By runs of paths, so that memory stays bounded. journeys: those counted, each with a touch."""
    state, offsets = _walks(journeys, counts)
    ends_in = solved.pull * solved.ahead
    starts_in = (solved.worth - solved.kept[:, None]) / solved.journeys
    for first, last in runs_of(offsets, most=max(1, BLOCK // solved.pull.shape[1])):
        walked = state[offsets[first] : offsets[last]]
        starts = offsets[first:last] - offsets[first]
        ends = np.append(starts[1:], len(walked)) - 1
        missed = _steps(counts, solved, walked, ends)
        for side in (0, 1):
            missed[side] += starts_in[side][walked[starts]]
            missed[side] -= ends_in[side][walked[ends]]
        yield Moves(paths=slice(first, last), missed=missed, at_end=solved.pull[walked[ends]])


def _steps(counts: TransitionCounts, solved: Solved, walked: Ints, ends: Ints) -> Floats:
    """(2, n, columns) what the steps of each path move. Steps from the same state to the same next channel
    are one, worked out once.
    """
    inner = np.ones(len(walked), dtype=np.bool_)
    inner[ends] = False
    places = np.flatnonzero(inner)
    source, target = walked[places], walked[places + 1]
    width = len(counts.channels)
    which, kinds = dense(source * np.int64(width) + counts.states[target, -1], size=counts.n_states * width)
    leads_to = np.empty(len(kinds), dtype=np.int64)
    leads_to[which] = target
    source = kinds // width
    taken = np.append(0, np.cumsum(inner)[ends])
    each = sparse.csr_array((np.ones(len(which)), which, taken), shape=(len(ends), len(kinds)))
    return np.stack([each @ _step(solved, side, source, leads_to) for side in (0, 1)])


def _step(solved: Solved, side: int, source: Ints, target: Ints) -> Floats:
    """(n, columns) pull * (next - ahead) of single steps."""
    worth, pull = solved.worth[side], solved.pull
    found: Floats = pull[source] * (worth[target] - solved.ahead[side][source])
    for column, a, b in solved.killed:
        found[(source == a) & (target == b), column] -= pull[a, column] * worth[b, column]
    return found


def _walks(journeys: Journeys, counts: TransitionCounts) -> tuple[Ints, Ints]:
    """The states of each path, equal neighbours once, and where each path starts."""
    state, first = windows_of(journeys, counts)
    kept = first.copy()
    kept[1:] |= state[1:] != state[:-1]
    number = np.cumsum(kept) - 1
    return state[kept], np.append(number[first], kept.sum())


def _channels(counts: TransitionCounts) -> range:
    return range(len(counts.channels))


def _by_inverse(chain: Chain, stays: Flags) -> tuple[Floats, Floats]:
    """x = b - N_.A (N_AA)^-1 b_A and y = v - (v_A (N_AA)^-1) N_A. , with A the states that are killed."""
    steps = linalg.inv(np.eye(len(stays)) - chain.moves.toarray())
    yields, visits = steps @ chain.reward, chain.start @ steps
    worth = np.repeat(yields.T[:, :, None], stays.shape[1], axis=2)
    seen = np.repeat(visits[:, None], stays.shape[1], axis=1)
    for column in range(1, stays.shape[1]):
        held = np.flatnonzero(~stays[:, column])
        if held.size:
            block = steps[np.ix_(held, held)]
            worth[:, :, column] -= (steps[:, held] @ linalg.solve(block, yields[held])).T
            seen[:, column] -= linalg.solve(block.T, visits[held]) @ steps[held]
    return worth * stays, seen * stays


def _by_sweeps(chain: Chain, stays: Flags) -> tuple[Floats, Floats]:
    ends = [r[:, None] * stays for r in chain.reward.T]
    worth = np.stack([_settled(chain.moves, end, stays) for end in ends])
    starts = chain.start[:, None] * stays
    return worth, _settled(chain.moves.T.tocsr(), starts, stays)


def _settled(moves_: sparse.csr_array, given: Floats, stays: Flags) -> Floats:
    """x = given + stays * (moves x): iterated, and factorised column by column where that is slow."""
    found, scale = given, np.maximum(given.max(axis=0), 1e-300)
    for _ in range(SWEEPS):
        better = (moves_ @ found) * stays + given
        moved = np.abs(better - found).max(axis=0)
        found = better
        if (moved <= TOLERANCE * scale).all():
            return found
    return np.stack([_factorised(moves_, given[:, c], stays[:, c]) for c in range(given.shape[1])], axis=1)


def _factorised(moves_: sparse.csr_array, given: Floats, stays: Flags) -> Floats:
    found, left = np.zeros(len(given)), np.flatnonzero(stays)
    if left.size:
        system = sparse.eye_array(len(left)) - moves_[left][:, left]
        found[left] = splu(system.tocsc()).solve(given[left])
    return found
