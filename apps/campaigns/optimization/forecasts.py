"""The next four weeks: what all campaigns will cost and bring, as budgets are and as the plan has them."""

from typing import Any

import numpy as np

from apps.campaigns.maths.forecast import Lack, NoForecast
from apps.campaigns.maths.plan import BudgetPlan
from apps.campaigns.maths.response.curves import Curves
from apps.campaigns.maths.roi import RoiForecast, forecast_roi
from apps.campaigns.models import Policy, RunForecast
from apps.campaigns.optimization.figures import Figures, Floats
from apps.integrations.models import AdCampaign

HORIZON_DAYS, LEAST_DAYS = 28, 14
WHY_NOT = {
    Lack.FEW_DAYS: "Not enough data yet: too few days are known.",
    Lack.MISSING_DAYS: "Not enough data yet: too many days are missing.",
    Lack.ONLY_ZEROS: "Not enough data yet: nothing was earned.",
}
Scenario = RunForecast.Scenario


def foresee(
    policy: Policy, known: Figures, curves: Curves, plan: BudgetPlan | None, *, seed: int
) -> list[dict[str, Any]]:
    """Fields of RunForecast, a scenario each. A campaign that runs is taken to spend as it did lately."""
    if int(np.isfinite(known.spend).any(axis=0).sum()) < LEAST_DAYS:
        because = WHY_NOT[Lack.FEW_DAYS]
        return [{"scenario": str(Scenario.NOW), "days": HORIZON_DAYS, "because": because}]
    running = np.array([one.status == AdCampaign.Status.ACTIVE for one in known.campaigns])
    now = np.where(running, curves.reference, 0.0)
    found = [_told(Scenario.NOW, policy, curves, now, seed=seed)]
    if plan is not None and not plan.answer.infeasible:
        planned = now.copy()
        planned[list(plan.places)] *= plan.planned / plan.now
        found.append(_told(Scenario.PLANNED, policy, curves, planned, seed=seed))
    return found


def _told(scenario: str, policy: Policy, curves: Curves, budgets: Floats, *, seed: int) -> dict[str, Any]:
    """The same seed for both scenarios: they differ by their budgets alone."""
    found = forecast_roi(
        curves,
        budgets,
        margin=float(policy.margin),
        rng=np.random.default_rng(seed),
        days=HORIZON_DAYS,
    )
    told: dict[str, Any] = {"scenario": str(scenario), "days": HORIZON_DAYS}
    if isinstance(found, NoForecast):
        return told | {"because": WHY_NOT[found.because]}
    return told | _figures(found)


def _figures(found: RoiForecast) -> dict[str, Any]:
    figures: dict[str, Any] = {"spend": found.spend, "without_curve": len(found.held)}
    for name in ("revenue", "profit", "roi"):
        if (seen := getattr(found, name)) is not None:
            figures |= {name: seen.value, f"{name}_low": seen.low, f"{name}_high": seen.high}
    return figures
