from apps.campaigns.models.arm_figures import ArmFigures
from apps.campaigns.models.audience import Audience, AudienceMember, ListFile, RefusedRow
from apps.campaigns.models.budget_test import BudgetTest, BudgetTestArm
from apps.campaigns.models.campaign import Campaign
from apps.campaigns.models.change import Change
from apps.campaigns.models.content import Content, Link
from apps.campaigns.models.delivery import (
    Chunk,
    LedgerEntry,
    Pace,
    PersonDay,
    Recipient,
    SendBatch,
    SendCount,
    SendRun,
)
from apps.campaigns.models.drafting import AiDraft, AiSwitch
from apps.campaigns.models.engagement import Engagement, EngagementCount
from apps.campaigns.models.everywhere import EverywhereComplaint, EverywhereSuppression
from apps.campaigns.models.flag import Flag, FlagChoice
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
from apps.campaigns.models.offline import Device, DeviceEvent, EditConflict, FieldStamp
from apps.campaigns.models.outcome import Outcome
from apps.campaigns.models.policy import AutoRule, Policy, SpendCap
from apps.campaigns.models.recommendation import Approval, Kind, Recommendation
from apps.campaigns.models.report import ReportSchedule
from apps.campaigns.models.run import PlanLine, Run, RunForecast
from apps.campaigns.models.subscription import AddressMark, FrequencyWish, SignUp
from apps.campaigns.models.topic import Topic
from apps.campaigns.models.wide_figures import CustomerValue, RoiDay

__all__ = [
    "AddressMark",
    "AiDraft",
    "AiSwitch",
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
    "CustomerValue",
    "Device",
    "DeviceEvent",
    "EditConflict",
    "Engagement",
    "EngagementCount",
    "EverywhereComplaint",
    "EverywhereSuppression",
    "FieldStamp",
    "Flag",
    "FlagChoice",
    "FrequencyWish",
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
    "ListFile",
    "Outcome",
    "Pace",
    "PersonDay",
    "PlanLine",
    "Policy",
    "Recipient",
    "Recommendation",
    "RefusedRow",
    "ReportSchedule",
    "RoiDay",
    "Run",
    "RunForecast",
    "SendBatch",
    "SendCount",
    "SendRun",
    "SignUp",
    "SpendCap",
    "Topic",
]
