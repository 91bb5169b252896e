"""Questions to the last run's curves: the best plan for another total, and what each total would bring.

They change nothing and are answered while somebody drags a slider.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.accounts.errors import Invalid
from apps.campaigns.maths.allocation.problem import FALLBACK_EXPONENT, Answer, Group, PowerCurves, Problem
from apps.campaigns.maths.allocation.solve import allocate
from apps.campaigns.models import PlanLine, Run
from apps.campaigns.optimization.figures import Floats

MOST_CAMPAIGNS = 100_000
# From a fifth to three times of what is spent now, in all and of each: beyond that curves are guesses.
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

    @property
    def revenue(self) -> float:
        return float((self.a * self.now**self.k).sum())


@dataclass(frozen=True, kw_only=True)
class Point:
    """A total, what it earns, and what one more unit would bring."""

    total: float
    revenue: float
    marginal_return: float


def latest() -> Run | None:
    """The newest run."""
    found: Run | None = Run.objects.order_by("-pk").first()
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
    """The best plan for a total. max_change: as a fraction of what each gets now; without it, as far as its
    curve can tell. Raises ValueError.
    """
    return allocate(
        Problem(
            curves=PowerCurves(found.a, found.k),
            names=[one.campaign.name for one in found.lines],
            total=total,
            lower=LEAST_SHARE * found.now,
            upper=MOST_SHARE * found.now,
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


def answer_for(asked: Mapping[str, Any]) -> Answer:
    """The best plan for campaigns that the caller tells of (the allocate endpoint). Raises Invalid."""
    campaigns = asked["campaigns"]
    places = {one["campaign"]: place for place, one in enumerate(campaigns)}
    if len(places) < len(campaigns):
        raise Invalid({"campaigns": ["Two campaigns have the same name. Give each its own."]})
    percent = asked.get("max_change_percent")
    needs_current = percent is not None or asked["moving_cost"] or any(one["is_locked"] for one in campaigns)
    try:
        return allocate(
            Problem(
                curves=PowerCurves(
                    [one["a"] for one in campaigns], [one.get("k", FALLBACK_EXPONENT) for one in campaigns]
                ),
                names=list(places),
                total=asked.get("total_budget"),
                target_revenue=asked.get("target_revenue"),
                target_roas=asked.get("target_roas"),
                lower=[one["min_budget"] for one in campaigns],
                upper=[_or_infinite(one.get("max_budget")) for one in campaigns],
                current=_current(campaigns) if needs_current else None,
                max_change=None if percent is None else percent / 100,
                locked=[one["is_locked"] for one in campaigns] if needs_current else None,
                moving_cost=asked["moving_cost"],
                groups=[_group(one, places) for one in asked["groups"]],
            )
        )
    except ValueError as error:
        raise Invalid({"campaigns": [f"{error}."]}) from error


def _or_infinite(amount: float | None) -> float:
    return math.inf if amount is None else amount


def _current(campaigns: Sequence[Mapping[str, Any]]) -> list[float]:
    missing = [one["campaign"] for one in campaigns if one.get("current_budget") is None]
    if missing:
        raise Invalid(
            {
                "campaigns": [
                    f"{missing[0]!r} lacks current_budget, which a largest change, a lock or a cost needs."
                ]
            }
        )
    return [one["current_budget"] for one in campaigns]


def _group(asked: Mapping[str, Any], places: Mapping[str, int]) -> Group:
    unknown = [name for name in asked["campaigns"] if name not in places]
    if unknown:
        raise Invalid({"groups": [f"{asked['name']!r} names {unknown[0]!r}, which is no campaign here."]})
    members = [places[name] for name in asked["campaigns"]]
    return Group(name=asked["name"], members=members, floor=asked.get("floor"), cap=asked.get("cap"))
