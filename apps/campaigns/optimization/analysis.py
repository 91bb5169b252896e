"""One look at all campaigns: figures in, a plan and proposals of every kind out. It writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from apps.campaigns.maths.plan import BudgetPlan
from apps.campaigns.maths.response.curves import Curves
from apps.campaigns.maths.response.fit import fit_curves
from apps.campaigns.models import Policy
from apps.campaigns.optimization import (
    bid_changes,
    budget_tests,
    budgets,
    credited,
    figures,
    forecasts,
    rotation,
    targeting,
    watch,
)
from apps.campaigns.optimization.figures import Figures
from apps.campaigns.optimization.recommend import Proposal


@dataclass(frozen=True, kw_only=True)
class Line:
    """A campaign in the plan: fields of PlanLine."""

    campaign_id: int
    values: dict[str, Any]

    def figures(self) -> dict[str, Any]:
        return self.values


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """summary: fields of Run; forecasts: of RunForecast, each."""

    lines: Sequence[Line] = ()
    proposals: Sequence[Proposal] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    forecasts: Sequence[dict[str, Any]] = ()


def analyse(policy: Policy, *, until: date, seed: int, zone: ZoneInfo, now: datetime) -> Analysis:
    """Fit, plan, propose. seed: of the draws behind the plan's interval. No transaction may span it."""
    claimed = figures.load(until=until)
    if not claimed.campaigns:
        return Analysis(summary={"note": "No campaign is connected yet."})
    credit = credited.applied(policy, claimed, zone=zone, now=now)
    known = credit.figures
    tested = budget_tests.slopes(known.campaigns, today=until)
    curves = fit_curves(known.spend, known.conversion_value, tested=tested)
    held = budgets.held_because(known, curves)
    plan = budgets.plan(policy, known, curves, held, seed=seed)
    proposals = budgets.propose(policy, known, curves, plan, credit.factors) if plan else []
    proposals += budget_tests.propose(policy, known, budgets.testable(known, curves, held), proposals)
    proposals += bid_changes.propose(policy, known)
    proposals += targeting.propose(
        policy, known, curves, figures.segments(known.campaigns, until=until, days=targeting.DAYS)
    )
    proposals += rotation.propose(policy, known, figures.creatives(known.campaigns, until=until))
    return Analysis(
        lines=_lines(known, curves, held, plan, watch.unusual(known)),
        proposals=proposals,
        summary=_summary(policy, known, plan, credit.note),
        forecasts=forecasts.foresee(policy, known, curves, plan, seed=seed),
    )


def _lines(
    known: Figures, curves: Curves, held: Sequence[str], plan: BudgetPlan | None, unusual: Mapping[int, str]
) -> list[Line]:
    found = []
    places = {row: place for place, row in enumerate(plan.places)} if plan else {}
    for row, campaign in enumerate(known.campaigns):
        now = budgets.budget_at_home(campaign)
        values: dict[str, Any] = {"days": int(curves.days[row]), "silent_because": held[row]}
        values |= {"budget_now": now, "anomaly": unusual.get(campaign.pk, "")[:300]}
        if curves.has_level[row]:
            values |= {
                "scale": float(curves.a[row]),
                "exponent": float(curves.k[row]),
                "exponent_error": float(curves.k_error[row]),
            }
        if now and curves.has_level[row]:
            values["revenue_now"] = float(curves.a[row] * now ** curves.k[row])
        if plan and row in places and not plan.answer.infeasible:
            place = places[row]
            values |= {
                "budget_planned": float(plan.planned[place]),
                "revenue_planned": float(plan.answer.revenues[place]),
                "marginal_return": float(plan.answer.marginal_returns[place]),
                "binds": plan.answer.binds[place],
            }
        found.append(Line(campaign_id=campaign.pk, values=values))
    return found + [
        Line(campaign_id=key, values={"silent_because": why[:300]}) for key, why in known.left_out.items()
    ]


def _summary(policy: Policy, known: Figures, plan: BudgetPlan | None, note: str) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "first_day": known.first_day,
        "last_day": known.last_day,
        "campaigns": len(known.campaigns),
        "note": note,
    }
    if plan is None:
        summary["note"] = "Fewer than two campaigns have the data to be planned with."
        return summary
    if plan.answer.infeasible:
        summary["note"] = " ".join(str(one) for one in plan.answer.infeasible)[:500]
        return summary
    low, high = np.quantile(plan.gains, [0.025, 0.975])
    last_pound = float(policy.margin) * plan.answer.marginal_return
    if last_pound < 1:
        summary["note"] = (
            note
            + " " * bool(note)
            + (
                f"The last unit spent brings {last_pound:.2f} of profit: less in all would earn more. The "
                "frontier shows how much."
            )
        )
    return summary | {
        "total_budget": round(float(plan.planned.sum()), 2),
        "revenue_now": plan.revenue_now,
        "revenue_planned": float(plan.answer.revenue),
        "gain": float(plan.gains.mean()),
        "gain_low": float(low),
        "gain_high": float(high),
        "marginal_return": float(plan.answer.marginal_return),
        "gap": float(plan.answer.gap),
    }
