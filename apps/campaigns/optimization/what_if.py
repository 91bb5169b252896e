"""Questions to the last run's curves: the best plan for another total, and what each total would bring.

They change nothing and are answered while somebody drags a slider.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apps.campaigns.maths.allocation.problem import Answer, PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate
from apps.campaigns.models import PlanLine, Run
from apps.campaigns.optimization.figures import Floats

# A frontier from a fifth to three times of what is spent now.
LEAST_SHARE, MOST_SHARE, POINTS = 0.2, 3.0, 50


@dataclass(frozen=True, kw_only=True)
class Curved:
    """The campaigns of a run whose curves are known, and may move. now: home money a day."""

    lines: Sequence[PlanLine]
    a: Floats
    k: Floats
    now: Floats

    @property
    def total(self) -> float:
        return float(self.now.sum())


@dataclass(frozen=True, kw_only=True)
class Point:
    """A total, what it earns, and what one more unit would bring."""

    total: float
    revenue: float
    marginal_return: float


def latest() -> Run | None:
    """The newest run that came to an end."""
    found: Run | None = Run.objects.filter(state=Run.State.DONE).order_by("-pk").first()
    return found


def curved(run: Run) -> Curved:
    lines = [
        one
        for one in PlanLine.objects.filter(run=run).select_related("campaign__connection").order_by("pk")
        if one.scale and one.exponent and one.budget_now and not one.silent_because
    ]
    columns = np.array([[one.scale, one.exponent, one.budget_now] for one in lines]).reshape(-1, 3)
    return Curved(lines=lines, a=columns[:, 0], k=columns[:, 1], now=columns[:, 2])


def plan_for(found: Curved, total: float, *, max_change: float | None = None) -> Answer:
    """The best plan for a total; max_change: as a fraction of what each gets now. Raises ValueError."""
    return allocate(
        Problem(
            curves=PowerCurves(found.a, found.k),
            names=[one.campaign.name for one in found.lines],
            total=total,
            current=found.now,
            max_change=max_change,
        )
    )


def frontier_of(found: Curved, *, points: int = POINTS) -> list[Point]:
    """The best that each total can earn; empty where no campaign has a curve."""
    if not len(found.a):
        return []
    totals = np.linspace(LEAST_SHARE, MOST_SHARE, points) * found.total
    answers = (plan_for(found, float(total)) for total in totals)
    return [
        Point(total=one.total, revenue=one.revenue, marginal_return=one.marginal_return) for one in answers
    ]
