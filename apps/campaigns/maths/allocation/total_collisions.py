"""A total that the limits do not allow: which of them, and by how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .ground import Ground
from .limits import SLACK
from .problem import Collision

_MOST_NAMED = 5


def of_total(on: Ground, total: float) -> tuple[Collision, ...]:
    """Whether the total is less than must or more than may be spent, and whose bounds say so."""
    if total < on.least * (1 - SLACK):
        by = on.least - total
        return (
            Collision(
                (f"the total of {total:,.2f}", *_sides(on, is_least=True)),
                by,
                f"Raise the total to {on.least:,.2f}, or lower these by {by:,.2f}.",
            ),
        )
    if total > on.most * (1 + SLACK):
        by = total - on.most
        return (
            Collision(
                (f"the total of {total:,.2f}", *_sides(on, is_least=False)),
                by,
                f"Lower the total to {on.most:,.2f}, or raise these by {by:,.2f}.",
            ),
        )
    return ()


def _sides(on: Ground, *, is_least: bool) -> list[str]:
    """The outermost groups that are full or at their floor, and the campaigns that are in none of them."""
    free, told = np.ones(len(on.problem), dtype=np.bool_), []
    bound = on.bounds.low if is_least else on.bounds.high
    if on.tree is not None:
        raw, held, _ = on.tree.sums(bound)
        inside = np.zeros(len(on.tree), dtype=np.bool_)
        for node in [node for nodes in on.tree.levels[1:] for node in nodes.tolist()]:
            inside[node] = inside[on.tree.parent[node]]
            if raw[node] != held[node] and not inside[node]:
                inside[node] = True
                word = "floor" if is_least else "cap"
                told.append(f"the {word} of {on.problem.groups[node - 1].name} ({held[node]:,.2f})")
        free = ~inside[on.tree.place]
    places = np.flatnonzero(free & (bound > 0))
    if len(places):
        told.append(_of_campaigns(on, places, float(bound[places].sum()), "minima" if is_least else "maxima"))
    return told


def _of_campaigns(on: Ground, places: NDArray[np.int64], amount: float, kind: str) -> str:
    largest = sorted(places.tolist(), key=lambda place: -on.bounds.high[place])[:_MOST_NAMED]
    names = ", ".join(on.problem.name_of(place) for place in sorted(largest))
    more = f" and {len(places) - _MOST_NAMED:,} more" if len(places) > _MOST_NAMED else ""
    return f"the {kind} of {names}{more} ({amount:,.2f} together, with largest changes and locks)"
