"""A problem on its own ground: its limits, its groups, and what may be spent on it at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import collisions
from .curves import Floats
from .groups import Tree, tree
from .limits import Limits, limits
from .problem import Collision, Problem


@dataclass(frozen=True, eq=False)
class Ground:
    """A problem without its total. least, most: what may be spent at all.

    tree: None without groups. is_shut: (nodes,) the groups whose caps leave no more than the minima.
    high: (n,) the maxima; in such groups, the minima.
    """

    problem: Problem
    bounds: Limits
    tree: Tree | None
    is_shut: NDArray[np.bool_]
    high: Floats
    least: float
    most: float
    collisions: tuple[Collision, ...]


def ground(problem: Problem) -> Ground:
    bounds, found = limits(problem)
    low, high = bounds.low, bounds.high
    if not problem.groups:
        none = np.zeros(1, dtype=np.bool_)
        return Ground(problem, bounds, None, none, high, float(low.sum()), float(high.sum()), found)
    groups = tree(problem.groups, len(problem))
    in_groups, least, most = collisions.of_groups(problem, bounds, groups) if not found else ((), 0.0, 0.0)
    opened, is_shut = groups.shut(low)
    high = np.where(is_shut[groups.place], low, high)
    return Ground(problem, bounds, opened, is_shut, high, least, most, found + in_groups)
