"""One look at all campaigns: figures in, a plan and proposals of every kind out. It writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from apps.accounts.figures import money
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

# A part of the whole that is not worth a word.
LEAST_TOLD = 0.005


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
    held = budgets.held_because(policy, known, curves, today=until + timedelta(days=1))
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
        summary=_summary(policy, known, plan, fixed=budgets.fixed_of(known, held), note=credit.note),
        forecasts=forecasts.foresee(policy, known, curves, plan, seed=seed),
    )


def _lines(
    known: Figures, curves: Curves, held: Sequence[str], plan: BudgetPlan | None, unusual: Mapping[int, str]
) -> list[Line]:
    found = []
    places = {row: place for place, row in enumerate(plan.places)} if plan else {}
    for row, campaign in enumerate(known.campaigns):
        now = budgets.budget_at_home(campaign, known.purse)
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


def _summary(
    policy: Policy, known: Figures, plan: BudgetPlan | None, *, fixed: float, note: str
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "first_day": known.known_from,
        "last_day": known.known_until,
        "campaigns": len(known.campaigns),
        "note": note,
    }
    if plan is None:
        summary["note"] = "Fewer than two campaigns may be moved; each of the others says why."
        return summary
    if plan.answer.infeasible:
        summary["note"] = " ".join(str(one) for one in plan.answer.infeasible)[:500]
        return summary
    low, high = np.quantile(plan.gains, [0.025, 0.975])
    return summary | {
        "total_budget": round(float(plan.planned.sum()), 2),
        "revenue_now": plan.revenue_now,
        "revenue_planned": float(plan.answer.revenue),
        "gain": float(plan.gains.mean()),
        "gain_low": float(low),
        "gain_high": float(high),
        "marginal_return": float(plan.answer.marginal_return),
        "gap": float(plan.answer.gap),
        "note": " ".join(
            filter(None, (note, _step_note(policy, plan, known, fixed), _profit_note(policy, plan, known)))
        )[:500],
    }


def _step_note(policy: Policy, plan: BudgetPlan, known: Figures, fixed: float) -> str:
    """Where the total that was set is further away than one step."""
    wanted, home = policy.total_daily_budget, known.purse.home
    planned = float(plan.planned.sum()) + fixed
    if wanted is None or policy.spends_what_pays or abs(float(wanted) - planned) < LEAST_TOLD * planned:
        return ""
    return (
        f"The total of {money(wanted, home)} a day that was set is further away than one step: this plan "
        f"goes to {money(planned, home)}, with what is left as it is."
    )


def _profit_note(policy: Policy, plan: BudgetPlan, known: Figures) -> str:
    """Where the last money spent does not earn itself."""
    earned, home = float(policy.margin) * plan.answer.marginal_return, known.purse.home
    if earned >= 1 - LEAST_TOLD:
        return ""
    return (
        f"The last {money(1, home)} spent brings {money(earned, home, exact=True)} before advertising: less "
        "in all would earn more profit. The frontier shows how much."
    )
