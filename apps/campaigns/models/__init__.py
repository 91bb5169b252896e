from apps.campaigns.models.arm_figures import ArmFigures
from apps.campaigns.models.audience import Audience, AudienceMember
from apps.campaigns.models.budget_test import BudgetTest, BudgetTestArm
from apps.campaigns.models.campaign import Campaign
from apps.campaigns.models.change import Change
from apps.campaigns.models.content import Content, Link
from apps.campaigns.models.delivery import Chunk, LedgerEntry, Recipient, SendRun
from apps.campaigns.models.engagement import Engagement, EngagementCount
from apps.campaigns.models.flag import Flag, FlagChoice
from apps.campaigns.models.outcome import Outcome
from apps.campaigns.models.policy import AutoRule, Policy, SpendCap
from apps.campaigns.models.recommendation import Approval, Kind, Recommendation
from apps.campaigns.models.run import PlanLine, Run, RunForecast
from apps.campaigns.models.topic import Topic

__all__ = [
    "Approval",
    "ArmFigures",
    "Audience",
    "AudienceMember",
    "AutoRule",
    "BudgetTest",
    "BudgetTestArm",
    "Campaign",
    "Change",
    "Chunk",
    "Content",
    "Engagement",
    "EngagementCount",
    "Flag",
    "FlagChoice",
    "Kind",
    "LedgerEntry",
    "Link",
    "Outcome",
    "PlanLine",
    "Policy",
    "Recipient",
    "Recommendation",
    "Run",
    "RunForecast",
    "SendRun",
    "SpendCap",
    "Topic",
]
