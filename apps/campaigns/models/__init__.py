from apps.campaigns.models.budget_test import BudgetTest, BudgetTestArm
from apps.campaigns.models.change import Change
from apps.campaigns.models.outcome import Outcome
from apps.campaigns.models.policy import AutoRule, Policy, SpendCap
from apps.campaigns.models.recommendation import Approval, Kind, Recommendation
from apps.campaigns.models.run import PlanLine, Run, RunForecast

__all__ = [
    "Approval",
    "AutoRule",
    "BudgetTest",
    "BudgetTestArm",
    "Change",
    "Kind",
    "Outcome",
    "PlanLine",
    "Policy",
    "Recommendation",
    "Run",
    "RunForecast",
    "SpendCap",
]
