"""Floors and caps: which of them cannot all hold, and what would let them."""

from __future__ import annotations

import numpy as np

from .curves import Floats
from .groups import Tree
from .limits import SLACK, Limits
from .problem import Collision, Problem

_MINIMA = "the minima of its campaigns and groups"
_MAXIMA = "the maxima of its campaigns and groups"


def of_groups(problem: Problem, bounds: Limits, tree: Tree) -> tuple[tuple[Collision, ...], float, float]:
    """What collides inside groups, and the least and the most that all together may get.

    A group that collides is taken to give way as little as it must, so that what is around it is judged too.
    """
    told: list[Collision] = []
    least = tree.sum_by_place(bounds.low)
    most = tree.sum_by_place(bounds.high)
    for nodes in reversed(tree.levels[1:]):
        for node in nodes.tolist():
            told += _of_group(problem, tree, node, least, most)
        low = np.maximum(least[nodes], tree.floor[nodes])
        high = np.maximum(np.minimum(most[nodes], tree.cap[nodes]), low)
        np.add.at(least, tree.parent[nodes], low)
        np.add.at(most, tree.parent[nodes], high)
    return tuple(told), float(least[0]), float(most[0])


def _of_group(problem: Problem, tree: Tree, node: int, least: Floats, most: Floats) -> list[Collision]:
    name, floor, cap = problem.groups[node - 1].name, float(tree.floor[node]), float(tree.cap[node])
    floor_of, cap_of = f"the floor of {name} ({floor:,.2f})", f"the cap of {name} ({cap:,.2f})"
    must, can = float(least[node]), float(most[node])
    if floor > cap:
        return [
            Collision(
                (floor_of, f"its cap ({cap:,.2f})"),
                floor - cap,
                f"Lower the floor to {cap:,.2f} or raise the cap to {floor:,.2f}.",
            )
        ]
    if must > cap * (1 + SLACK):
        by = must - cap
        return [
            Collision(
                (cap_of, f"{_MINIMA} ({must:,.2f})"),
                by,
                f"Raise the cap by {by:,.2f}, or lower minima in it by that much.",
            )
        ]
    if can < floor * (1 - SLACK):
        by = floor - can
        return [
            Collision(
                (floor_of, f"{_MAXIMA} ({can:,.2f})"),
                by,
                f"Lower the floor by {by:,.2f}, or raise maxima in it by that much.",
            )
        ]
    return []
