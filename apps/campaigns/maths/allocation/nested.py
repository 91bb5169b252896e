"""Prices nested like the groups: one for the total, another inside each group whose floor or cap binds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import prices
from .curves import Floats
from .demand import Demand
from .groups import Ints, Tree
from .plan import Plan

_ROUNDING = 1e-14  # relative


@dataclass(eq=False)
class _State:
    """Prices of all nodes between which they spend what they have, and what campaigns take there."""

    cheap: Floats
    dear: Floats
    part: Floats
    most: Floats  # budgets at the cheap end
    least: Floats  # budgets at the dear end


def solve(demand: Demand, tree: Tree, total: float, *, guess: float) -> Plan:
    """The best budgets of concave campaigns under floors and caps, and a total that all of them allow.

    A group earns a concave revenue itself, so that at a price it takes what its campaigns take, held between
    floor and cap. Where that binds, the group is a problem of its own with floor or cap as its total, solved
    at a price of its own. From the top down, all groups of a depth at once.
    """
    if float(demand.low.sum()) >= total * (1 - _ROUNDING):
        return _corner(demand, tree, guess)
    state = _start(len(tree), len(demand.low))
    target = np.full(len(tree), total)
    for depth, nodes in enumerate(tree.levels):
        solved, wanted = (nodes, target[:1]) if depth == 0 else _binding(tree, state, nodes)
        if len(solved):
            around = np.full(len(solved), guess) if depth == 0 else state.cheap[tree.parent[solved]]
            _solve(demand, tree, state, solved, wanted, guess=around)
    budgets = state.most + state.part[tree.place] * (state.least - state.most)
    return _plan(demand, tree, state, budgets, total)


def _start(nodes: int, campaigns: int) -> _State:
    return _State(np.zeros(nodes), np.zeros(nodes), np.zeros(nodes), np.zeros(campaigns), np.zeros(campaigns))


def _corner(demand: Demand, tree: Tree, price: float) -> Plan:
    """The minima are all that the total allows."""
    worth = demand.worth(demand.low)
    none, same = np.zeros(len(tree) - 1), np.full(len(worth), price)
    return Plan(demand.low, price, float(worth.sum()), same, none, worth)


def _binding(tree: Tree, state: _State, nodes: Ints) -> tuple[Ints, Floats]:
    """The groups that take more than their cap or less than their floor, and what they get."""
    (raw_most, most, _), (raw_least, least, _) = tree.sums(state.most), tree.sums(state.least)
    binds = _differ(raw_most, most)[nodes] | _differ(raw_least, least)[nodes]
    gets = most + state.part * (least - most)
    return nodes[binds], gets[nodes[binds]]


def _differ(raw: Floats, held: Floats) -> NDArray[np.bool_]:
    return np.abs(raw - held) > _ROUNDING * held


def _solve(demand: Demand, tree: Tree, state: _State, solved: Ints, target: Floats, *, guess: Floats) -> None:
    """Give these nodes, and all in them, the price at which they spend their target."""
    owner = _owners(tree, solved)
    inside = owner >= 0

    def price_all(given: Floats, own: Floats) -> Floats:
        given = given.copy()
        given[inside] = own[owner[inside]]
        return given

    def spending(own: Floats) -> tuple[Floats, Floats]:
        budgets, steep = demand.at(price_all(state.cheap, own)[tree.place])
        raw, _, slope = tree.sums(budgets, steep)
        return raw[solved], slope[solved]

    within = (demand.least_price, demand.most_price)
    with np.errstate(over="ignore"):  # next to a price of nothing, spending falls infinitely fast
        ends = prices.find(spending, target, within=within, guess=guess, jumps=demand.jumps)
    state.cheap = price_all(state.cheap, ends.cheap)
    state.dear = price_all(state.dear, ends.dear)
    state.part = price_all(state.part, ends.part)
    state.most = demand.at(state.cheap[tree.place])[0]
    state.least = demand.at(state.dear[tree.place])[0]


def _owners(tree: Tree, solved: Ints) -> NDArray[np.int64]:
    """(m,) which of the solved nodes each node lies in, itself included; -1 for none."""
    owner = np.full(len(tree), -1)
    owner[solved] = np.arange(len(solved))
    for nodes in tree.levels[1:]:
        inherits = owner[nodes] < 0
        owner[nodes[inherits]] = owner[tree.parent[nodes[inherits]]]
    return owner


def _plan(demand: Demand, tree: Tree, state: _State, budgets: Floats, total: float) -> Plan:
    least, most = _ranges(demand, tree)
    bounds = [
        _bound(demand, tree, nodes, taken, least, most, total)
        for nodes, taken in ((state.cheap, state.most), (state.dear, state.least))
    ]
    apart = state.cheap[1:] - state.cheap[tree.parent[1:]]
    most_worth, least_worth = demand.worth(state.most), demand.worth(state.least)
    promised = most_worth + state.part[tree.place] * (least_worth - most_worth)
    return Plan(budgets, float(state.cheap[0]), min(bounds), state.cheap[tree.place], apart, promised)


def _ranges(demand: Demand, tree: Tree) -> tuple[Floats, Floats]:
    """What each node must and can take at all."""
    return tree.sums(demand.low)[1], tree.sums(demand.high)[1]


def _bound(
    demand: Demand, tree: Tree, nodes: Floats, taken: Floats, least: Floats, most: Floats, total: float
) -> float:
    """What nothing exceeds: campaigns at their best against the prices, and the prices of what is given.

    Weak duality: true at any prices. A group that pays more than what is around it is credited its cap, one
    that pays less is charged its floor.
    """
    at = nodes[tree.place]
    apart = nodes[1:] - nodes[tree.parent[1:]]
    given = np.where(apart > 0, apart * most[1:], apart * least[1:])
    return float((demand.worth(taken) - at * taken).sum()) + float(nodes[0]) * total + float(given.sum())
