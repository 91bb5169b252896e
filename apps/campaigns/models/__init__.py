from apps.campaigns.models.audience import Audience, AudienceMember
from apps.campaigns.models.budget_test import BudgetTest, BudgetTestArm
from apps.campaigns.models.campaign import Campaign
from apps.campaigns.models.change import Change
from apps.campaigns.models.content import Content, Link
from apps.campaigns.models.delivery import Chunk, LedgerEntry, Recipient, SendRun
from apps.campaigns.models.engagement import Engagement, EngagementCount
from apps.campaigns.models.journey import (
    Journey,
    JourneyCount,
    JourneyMove,
    JourneyNews,
    JourneyPresence,
    JourneyReading,
    JourneyRun,
    JourneyTask,
    JourneyVersion,
)
from apps.campaigns.models.outcome import Outcome
from apps.campaigns.models.policy import AutoRule, Policy, SpendCap
from apps.campaigns.models.recommendation import Approval, Kind, Recommendation
from apps.campaigns.models.run import PlanLine, Run, RunForecast
from apps.campaigns.models.topic import Topic

__all__ = [
    "Approval",
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
    "Journey",
    "JourneyCount",
    "JourneyMove",
    "JourneyNews",
    "JourneyPresence",
    "JourneyReading",
    "JourneyRun",
    "JourneyTask",
    "JourneyVersion",
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
