"""A problem on its own ground: its limits, its groups, and what may be spent on it at all."""

from __future__ import annotations

from dataclasses import dataclass

from . import collisions
from .groups import Tree, tree
from .limits import Limits, limits
from .problem import Collision, Problem


@dataclass(frozen=True, eq=False)
class Ground:
    """A problem without its total. least, most: what may be spent at all. tree: None without groups."""

    problem: Problem
    bounds: Limits
    tree: Tree | None
    least: float
    most: float
    collisions: tuple[Collision, ...]


def ground(problem: Problem) -> Ground:
    bounds, found = limits(problem)
    if not problem.groups:
        return Ground(problem, bounds, None, float(bounds.low.sum()), float(bounds.high.sum()), found)
    groups = tree(problem.groups, len(problem))
    in_groups, least, most = collisions.of_groups(problem, bounds, groups) if not found else ((), 0.0, 0.0)
    return Ground(problem, bounds, groups, least, most, found + in_groups)
