"""What campaigns hold on people: nothing; and what else they hold."""

from apps.accounts.privacy import impersonal
from apps.campaigns.models import (
    Approval,
    AutoRule,
    BudgetTest,
    BudgetTestArm,
    Change,
    Outcome,
    PlanLine,
    Policy,
    Recommendation,
    Run,
    RunForecast,
    SpendCap,
)

impersonal(Policy, AutoRule, SpendCap, because="what the engine may do; report_to names colleagues")
impersonal(Run, RunForecast, PlanLine, because="figures of campaigns, and what they may come to")
impersonal(
    Recommendation, BudgetTest, BudgetTestArm, Outcome, because="changes of campaigns, and their worth"
)
impersonal(Change, Approval, because="deeds of users and programs at ad platforms; kept as evidence")
