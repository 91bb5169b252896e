"""How much of the way a chain should remember: the order that predicts journeys it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from .aggregation import unique_paths
from .held_out import ORDERS, held_out
from .journeys import Floats, Journeys, NoConversions

_SAME = 1e-9  # nats: nearer than this is rounding


@dataclass(frozen=True, eq=False, kw_only=True)
class OrderChoice:
    """order: the smallest within one standard error of the best.

    likelihoods: (4,) mean log-likelihood of a held-out journey under orders 1 to 4, in nats. behind,
    behind_errors: (4,) how far each is behind the best, and the standard error of that, over journeys.
    """

    order: int
    best: int
    journeys: int
    likelihoods: Floats
    behind: Floats
    behind_errors: Floats


def choose_order(journeys: Journeys, *, merged: Journeys | None = None) -> OrderChoice:
    """Predict each journey from all the others, under orders 1 to 4.

    merged: unique_paths(journeys).journeys, where the caller has it. Raises NoConversions where no journey
    with a touch converted.

    A journey's likelihood is that of each next channel given the last k (fewer at its start, which is told
    apart), and of how it ends. It is held out: what it did itself is taken from the counts first, exactly, so
    that there is no dealing by chance and the same journeys always give the same choice. A state is given
    a journey of the average step: one that nobody else reached predicts as the average does, and a rare
    one hardly better. Of the orders within one standard error of the best, over journeys and pairwise, the
    smallest.
    Source: Hastie, Tibshirani, Friedman 2009, section 7.10 (leave-one-out, the one-standard-error rule).
    """
    if merged is not None and merged in _chosen:
        return _chosen[merged]
    found = _choose(merged or unique_paths(journeys).journeys)
    if merged is not None:
        _chosen[merged] = found
    return found


# Credit, its errors and what is said of them ask of the same paths one after the other.
_chosen: WeakKeyDictionary[Journeys, OrderChoice] = WeakKeyDictionary()


def _choose(paths: Journeys) -> OrderChoice:
    paths = paths.select((paths.lengths > 0) & (paths.conversions + paths.nulls > 0))
    if not paths.conversions.sum() > 0:
        raise NoConversions("no journey with a touch converted: a chain has nothing to credit")
    sums, apart, squares = _sums(paths)
    total = float((paths.conversions + paths.nulls).sum())
    likelihoods = sums / total
    best = int((likelihoods >= likelihoods.max() - _SAME).argmax())
    behind = apart[best] / total
    errors = np.sqrt(np.maximum(squares[best] / total - behind**2, 0.0) / total)
    order = int((behind <= errors + _SAME).argmax())
    return OrderChoice(
        order=order + 1,
        best=best + 1,
        journeys=round(total),
        likelihoods=likelihoods,
        behind=behind,
        behind_errors=errors,
    )


def _sums(paths: Journeys) -> tuple[Floats, Floats, Floats]:
    """Over all journeys: (4,) log-likelihoods under each order; (4, 4) how far one is above another, and the
    squares of that.
    """
    sums, apart, squares = np.zeros(len(ORDERS)), *np.zeros((2, len(ORDERS), len(ORDERS)))
    for block in held_out(paths):
        for times, found in (
            (paths.conversions[block.paths], block.converted),
            (paths.nulls[block.paths], block.missed),
        ):
            sums += found @ times
            for place, one in enumerate(found):
                above = one - found
                apart[place] += above @ times
                squares[place] += above**2 @ times
    return sums, apart, squares
