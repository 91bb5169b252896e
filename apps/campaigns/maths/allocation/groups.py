"""Channels and platforms: sets of campaigns, apart from each other or one in the other, hence a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .curves import Floats
from .limits import SLACK
from .problem import Group

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tree:
    """Node 0 is everything; node g + 1 is groups[g]. place: (n,) the innermost node of each campaign."""

    parent: Ints
    floor: Floats
    cap: Floats
    place: Ints

    def __len__(self) -> int:
        return len(self.parent)

    @cached_property
    def levels(self) -> list[Ints]:
        """The nodes of each depth, from the top."""
        depth = np.zeros(len(self), dtype=np.int64)
        walk = self.parent.copy()
        while (walk >= 0).any():
            depth += walk >= 0
            walk = np.where(walk >= 0, self.parent[walk], -1)
        return [np.flatnonzero(depth == level) for level in range(int(depth.max()) + 1)]

    def sum_by_place(self, amounts: Floats) -> Floats:
        return np.bincount(self.place, amounts, minlength=len(self)).astype(np.float64, copy=False)

    def sums(self, budgets: Floats, steep: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """(m,) what each node's campaigns and groups take; the same held between floor and cap; how steep."""
        raw = self.sum_by_place(budgets)
        slope = np.zeros(len(self)) if steep is None else self.sum_by_place(steep)
        held = raw.copy()
        for nodes in reversed(self.levels[1:]):
            held[nodes] = np.minimum(np.maximum(raw[nodes], self.floor[nodes]), self.cap[nodes])
            np.add.at(raw, self.parent[nodes], held[nodes])
            np.add.at(slope, self.parent[nodes], np.where(held[nodes] == raw[nodes], slope[nodes], 0.0))
        held[0] = raw[0]
        return raw, held, slope

    def shut(self, low: Floats) -> tuple[Tree, NDArray[np.bool_]]:
        """Which nodes have no more than they must take, hence no price; and the tree without their caps.

        Campaigns right in them stay at their minima, and groups in them at their floors.
        """
        raw, held, _ = self.sums(low)
        cap, is_shut = self.cap.copy(), np.zeros(len(self), dtype=np.bool_)
        for nodes in self.levels[1:]:
            cap[nodes] = np.where(is_shut[self.parent[nodes]], held[nodes], cap[nodes])
            is_shut[nodes] = cap[nodes] <= raw[nodes] * (1 + SLACK)
        return replace(self, cap=np.where(is_shut, np.inf, cap)), is_shut


def tree(groups: Sequence[Group], length: int) -> Tree:
    """Raises ValueError for members that are none, and for two groups that cross."""
    members = [_members(group, length) for group in groups]
    parent, place = np.full(len(groups) + 1, -1), np.zeros(length, dtype=np.int64)
    for index in sorted(range(len(groups)), key=lambda index: -len(members[index])):
        around = np.unique(place[members[index]])
        if len(around) > 1:
            other = groups[int(around[-1]) - 1].name
            raise ValueError(
                f"the groups {groups[index].name} and {other} share some campaigns; each pair must be apart"
                " or one in the other"
            )
        parent[index + 1] = around[0]
        place[members[index]] = index + 1
    floor = np.array([0.0, *((0.0 if one.floor is None else one.floor) for one in groups)])
    cap = np.array([np.inf, *((np.inf if one.cap is None else one.cap) for one in groups)])
    _check(groups, floor, cap)
    return Tree(parent, floor, cap, place)


def _members(group: Group, length: int) -> Ints:
    members = np.unique(np.asarray(group.members, dtype=np.int64))
    if not len(members):
        raise ValueError(f"the group {group.name} has no members")
    if members[0] < 0 or members[-1] >= length:
        wrong = int(members[0] if members[0] < 0 else members[-1])
        raise ValueError(f"the group {group.name} names campaign {wrong}; there are {length:,}, from 0 on")
    return members


def _check(groups: Sequence[Group], floor: Floats, cap: Floats) -> None:
    for index, group in enumerate(groups, start=1):
        for name, number in (("floor", floor[index]), ("cap", cap[index])):
            if not number >= 0 or (name == "floor" and number == np.inf):
                raise ValueError(f"the {name} of {group.name} must be a number of at least 0; got {number:g}")
