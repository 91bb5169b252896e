"""What campaigns hold on people: what they were sent and did with it, and which lists they are on."""

from django.utils import timezone

from apps.accounts.privacy import Identifiers, holds, impersonal, when_erased, when_merged
from apps.campaigns.journeys import leaving
from apps.campaigns.models import (
    Approval,
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
    Journey,
    JourneyCount,
    JourneyMove,
    JourneyNews,
    JourneyPresence,
    JourneyReading,
    JourneyRun,
    JourneyTask,
    JourneyVersion,
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

impersonal(
    Journey, JourneyVersion, JourneyCount, JourneyReading, because="ways, and how often they were taken"
)
holds(
    JourneyRun,
    export=["journey__name", "version", "step", "facts", "entered_at", "outcome", "left_at"],
    on_erase="keep_pseudonymous",
    on_merge="stay",  # they follow by when_merged below, since nobody is twice on one way
    blank=["facts"],
    not_personal=[
        "journey",
        "version",
        "cause",
        "is_open",
        "step",
        "clock",
        "until",
        "due_at",
        "moves",
        "failures",
        "trouble",
        "entered_at",
        "outcome",
        "left_at",
    ],
)
holds(
    JourneyMove,
    person="run__person",
    export=["journey__name", "number", "step", "way", "at"],
    on_erase="keep_pseudonymous",
    not_personal=["journey", "version", "number", "step", "way", "because", "at"],
)
holds(
    JourneyNews,
    person="run__person",
    export=["source", "facts", "occurred_at"],
    on_erase="delete",
    not_personal=["cause"],
)
holds(
    JourneyTask,
    export=["journey__name", "title", "note", "due_at", "state", "settled_at"],
    on_erase="delete",
    not_personal=["public_id", "run", "number", "step", "settled_by", "created_at"],
)
holds(
    JourneyPresence,
    export=["journey__name"],
    on_erase="delete",
    on_merge="stay",
    not_personal=["entry"],
)


@when_merged
def journeys_follow(moves: dict[int, int]) -> None:
    leaving.settle_merges(moves, now=timezone.now())


@when_erased
def journeys_end(known_by: Identifiers) -> None:
    leaving.erase(known_by.person_ids, now=timezone.now())
