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
    SpendCap,
)

impersonal(Policy, AutoRule, SpendCap, because="what the engine may do; report_to names colleagues")
impersonal(Run, PlanLine, Recommendation, BudgetTest, BudgetTestArm, Outcome, because="figures of campaigns")
impersonal(Change, Approval, because="deeds of users and programs at ad platforms; kept as evidence")
