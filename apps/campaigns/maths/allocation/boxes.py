"""S-shaped curves: the best of a concave bound, made tighter box by box until it meets what was found."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .curves import Floats, HillCurves
from .demand import Demand
from .hill import HillDemand, MovingHillDemand, inflection
from .plan import Plan

GOOD_ENOUGH = 1e-6  # of the revenue: no box is opened for less
_MOST_BOXES, _FEWEST_BOXES, _MOST_WORK = 400, 8, 20_000
Relaxation = Callable[[Demand], Plan]


@dataclass(frozen=True, eq=False)
class _Box:
    """Bounds, and what the concave bound finds between them."""

    low: Floats
    high: Floats
    plan: Plan
    slack: Floats  # (n,) what the concave bound promises too much


@dataclass(eq=False)
class Search:
    """Branch and bound. relax: solves concave campaigns under all that ties them together.

    The concave envelope promises too much for the few campaigns, mostly one, that it leaves between their
    lower bound and where the line touches their curve. Such a campaign gets less than that or more: in either
    half the envelope lies closer, and half the boxes are never opened, their bound being below what is found.
    """

    curves: HillCurves
    relax: Relaxation
    now: Floats | None
    cost: Floats | None

    def best(self, low: Floats, high: Floats) -> Plan:
        """The best budgets found, with the highest bound of the boxes that are left."""
        first = self._box(low, high)
        found = self._polished(first)
        heap = [(-first.plan.bound, 0, first)]
        boxes, most = 1, min(_MOST_BOXES, max(_FEWEST_BOXES, _MOST_WORK // len(low)))
        worth = self._worth(found.budgets)
        enough = GOOD_ENOUGH * float(self.curves.revenue(found.budgets).sum())
        while boxes < most and -heap[0][0] > worth + enough:
            _, _, box = heapq.heappop(heap)
            for half in self._halves(box):
                boxes += 1
                heapq.heappush(heap, (-min(half.plan.bound, box.plan.bound), boxes, half))
                if half.plan.bound > worth:
                    candidate = self._polished(half)
                    if (its_worth := self._worth(candidate.budgets)) > worth:
                        found, worth = candidate, its_worth
        bound = max(-heap[0][0], worth)
        return Plan(found.budgets, found.price, bound, found.prices, found.group_prices)

    def _box(self, low: Floats, high: Floats) -> _Box:
        demand = self._demand(low, high)
        plan = self.relax(demand)
        promised = 0.0 if plan.promised is None else plan.promised
        return _Box(low, high, plan, promised - demand.worth(plan.budgets))

    def _halves(self, box: _Box) -> list[_Box]:
        """Below and above the budget for which the concave bound promises the most too much."""
        place = int(box.slack.argmax())
        below, above = box.high.copy(), box.low.copy()
        below[place] = above[place] = box.plan.budgets[place]
        return [self._box(box.low, below), self._box(above, box.high)]

    def _polished(self, box: _Box) -> Plan:
        """The best budgets near those of the box: only what is past its inflection is free to move."""
        budgets, bend = box.plan.budgets, inflection(self.curves)
        past = budgets >= bend
        low = np.where(past, np.maximum(box.low, bend), budgets)
        high = np.where(past, box.high, budgets)
        plan = self.relax(self._demand(low, high))
        if ((low < plan.budgets) & (plan.budgets < high)).any():
            return plan
        return replace(box.plan, budgets=plan.budgets)

    def _demand(self, low: Floats, high: Floats) -> Demand:
        if self.now is None or self.cost is None:
            return HillDemand(self.curves, low, high)
        return MovingHillDemand(self.curves, low, high, self.now, self.cost)

    def _worth(self, budgets: Floats) -> float:
        return float(self._demand(budgets, budgets).worth(budgets).sum())
