"""What campaigns hold on people: what they were sent and did with it, and which lists they are on."""

from apps.accounts.privacy import holds, impersonal
from apps.campaigns.models import (
    Approval,
    ArmFigures,
    Audience,
    AudienceMember,
    AutoRule,
    BudgetTest,
    BudgetTestArm,
    Campaign,
    Change,
    Chunk,
    Content,
    Engagement,
    EngagementCount,
    FlagChoice,
    LedgerEntry,
    Link,
    Outcome,
    PlanLine,
    Policy,
    Recipient,
    Recommendation,
    Run,
    RunForecast,
    SendRun,
    SpendCap,
    Topic,
)

impersonal(Policy, AutoRule, SpendCap, because="what the engine may do; report_to names colleagues")
impersonal(Run, RunForecast, PlanLine, because="figures of campaigns, and what they may come to")
impersonal(
    Recommendation, BudgetTest, BudgetTestArm, Outcome, because="changes of campaigns, and their worth"
)
impersonal(Change, Approval, because="deeds of users and programs at ad platforms; kept as evidence")
impersonal(Audience, Topic, because="rules and names; who fits is asked anew each time")
impersonal(Campaign, Content, Link, because="what is said to many; values of people come in as it leaves")
impersonal(SendRun, Chunk, EngagementCount, because="queues and counts, which name nobody")
impersonal(ArmFigures, FlagChoice, because="sums over many, and what is switched on")
impersonal(LedgerEntry, because="by the recipient's number alone; kept as evidence of what was sent")

holds(
    AudienceMember,
    export=["audience__name", "added_at"],
    on_erase="delete",
    not_personal=["added_at", "audience"],
)
holds(
    Recipient,
    export=["campaign__name", "content__key", "state", "reason", "due_at", "settled_at"],
    on_erase="keep_pseudonymous",
    on_merge="stay",
    not_personal=["campaign", "content", "occurrence", "chunk", "state", "reason", "due_at", "settled_at"],
)
holds(
    Engagement,
    export=["campaign__name", "kind", "link", "is_machine", "occurred_at"],
    on_erase="keep_pseudonymous",
    not_personal=[
        "campaign",
        "recipient_id",
        "content_id",
        "kind",
        "event_id",
        "link",
        "is_machine",
        "is_first",
        "occurred_at",
        "received_at",
    ],
)
