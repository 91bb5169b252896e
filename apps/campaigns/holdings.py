"""What campaigns hold on people: what they were sent and did with it, and which lists they are on."""

from django.utils import timezone

from apps.accounts.privacy import Identifiers, holds, impersonal, when_erased, when_merged
from apps.campaigns.audiences import merging
from apps.campaigns.journeys import leaving
from apps.campaigns.models import (
    AddressMark,
    AiDraft,
    AiSwitch,
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
    CustomerValue,
    Device,
    DeviceEvent,
    EditConflict,
    Engagement,
    EngagementCount,
    EverywhereComplaint,
    EverywhereSuppression,
    FieldStamp,
    Flag,
    FlagChoice,
    FrequencyWish,
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
    ListFile,
    Outcome,
    Pace,
    PersonDay,
    PlanLine,
    Policy,
    Recipient,
    Recommendation,
    RefusedRow,
    ReportSchedule,
    RoiDay,
    Run,
    RunForecast,
    SendBatch,
    SendCount,
    SendRun,
    SignUp,
    SpendCap,
    Topic,
)
from apps.campaigns.subscriptions import forgetting

impersonal(Policy, AutoRule, SpendCap, because="what the engine may do; report_to names colleagues")
impersonal(Run, RunForecast, PlanLine, because="figures of campaigns, and what they may come to")
impersonal(
    Recommendation, BudgetTest, BudgetTestArm, Outcome, because="changes of campaigns, and their worth"
)
impersonal(Change, Approval, because="deeds of users and programs at ad platforms; kept as evidence")
impersonal(Audience, Topic, because="rules and names; who fits is asked anew each time")
impersonal(ListFile, RefusedRow, because="counts, and lines of files without what they say")
impersonal(Campaign, Content, Link, because="what is said to many; values of people come in as it leaves")
impersonal(
    AiDraft,
    AiSwitch,
    because="what colleagues ask for, and whether a model may write it; people's names leave as placeholders",
)
impersonal(
    SendRun,
    Chunk,
    SendBatch,
    SendCount,
    Pace,
    EngagementCount,
    because="queues and counts, which name nobody",
)
impersonal(ArmFigures, FlagChoice, because="sums over many, and what is switched on")
impersonal(LedgerEntry, because="by the recipient's number alone; kept as evidence of what was sent")

holds(
    AudienceMember,
    export=["audience__name", "added_at"],
    on_erase="delete",
    on_merge="stay",
    not_personal=["added_at", "audience"],
)
# Both may be on one list: moved below.
when_merged(merging.move)
holds(
    Recipient,
    export=["campaign__name", "content__key", "state", "reason", "due_at", "settled_at"],
    on_erase="keep_pseudonymous",
    on_merge="stay",
    not_personal=[
        "campaign",
        "content",
        "occurrence",
        "chunk",
        "state",
        "reason",
        "due_at",
        "is_timed",
        "is_counted",
        "counted_on",
        "settled_at",
    ],
)
holds(
    PersonDay,
    export=["day", "messages"],
    on_erase="delete",
    on_merge="stay",
    not_personal=["day", "messages"],
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
        "reason",
        "is_first",
        "occurred_at",
        "received_at",
        "told_at",
    ],
)

impersonal(
    Device, DeviceEvent, because="which events of which device were taken; what they said is elsewhere"
)
impersonal(EditConflict, because="texts of campaigns")
holds(
    FieldStamp,
    export=["field", "occurred_at", "device_id"],
    on_erase="delete",
    not_personal=["lamport", "event_id"],
    on_merge="stay",
)
impersonal(ReportSchedule, because="to which colleagues the report goes")
impersonal(RoiDay, CustomerValue, because="sums over many, by day and by channel")
impersonal(Flag, because="what is switched on, for all workspaces")
impersonal(AddressMark, because="keyed hashes of addresses, gone when their owner is erased")
impersonal(
    EverywhereSuppression,
    EverywhereComplaint,
    because="keyed hashes of addresses of all workspaces, kept so that they are not written to again",
)
holds(
    FrequencyWish,
    export=["frequency", "paused_until", "source", "occurred_at"],
    on_erase="delete",
)
holds(
    SignUp,
    export=["topic__name", "source", "wording", "asked_at", "confirmed_at"],
    on_erase="delete",
    not_personal=[
        "public_id",
        "topic",
        "address_index",
        "data_key",
        "address_sealed",
        "asked_from",
        "expires_at",
        "confirmed_from",
    ],
)


@when_erased
def _forget_addresses(known_by: Identifiers) -> None:
    """Sign-ups that nobody confirmed, and marks, are found by the address alone."""
    forgetting.forget(known_by.personal)


impersonal(
    Journey, JourneyVersion, JourneyCount, JourneyReading, because="ways, and how often they were taken"
)
holds(
    JourneyRun,
    export=["journey__name", "version", "step", "facts", "entered_at", "outcome", "left_at"],
    on_erase="keep_pseudonymous",
    on_merge="stay",  # they follow by when_merged below, since nobody is twice on one way
    blank=["facts"],
    disguise=["cause"],  # a key that a program chose may hold an address
    not_personal=[
        "journey",
        "version",
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
