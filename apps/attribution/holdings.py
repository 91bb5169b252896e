"""What attribution holds on people. Erased people's touches and orders still count; whose they were is no
longer known.
"""

from typing import Any

from django.utils import timezone

from apps.accounts.privacy import Identifiers, also_held, holds, impersonal, when_erased, when_merged
from apps.attribution import dead_letters, stale_people
from apps.attribution.models import (
    AccuracyNight,
    Allocation,
    AskedQuestion,
    BookDay,
    BookedPeople,
    Channel,
    ChannelRule,
    Conversion,
    ConversionModel,
    ConversionRecord,
    ConversionWeight,
    Credit,
    CreditErrors,
    DeadLetter,
    DriftCheck,
    Experiment,
    Exposure,
    FileImport,
    Goal,
    IntakeCount,
    JourneyBook,
    LiftTest,
    LiftTestCredit,
    Look,
    MarkovTransition,
    ModelAccuracy,
    ModelRun,
    NightCheck,
    Recalibration,
    RegionDay,
    RuleVersion,
    Source,
    Spend,
    StalePerson,
    Touchpoint,
    Variant,
)

holds(
    Touchpoint,
    export=[
        "event_id",
        "event_type",
        "occurred_at",
        "received_at",
        "source__channel__key",
        "source__platform",
        "source__campaign_id",
        "source__creative_id",
        "url",
        "referrer",
        "properties",
    ],
    on_erase="keep_pseudonymous",
    blank=["url", "referrer", "properties"],
    disguise=["event_id"],
    not_personal=["source", "event_type", "occurred_at", "received_at", "cost", "is_channel_named"],
)
holds(
    Conversion,
    export=["conversion_type", "order_id", "occurred_at", "value", "is_counted"],
    on_erase="keep_pseudonymous",
    disguise=["order_id"],
    not_personal=["conversion_type", "occurred_at", "value", "is_counted", "updated_at"],
)
holds(
    ConversionRecord,
    person="conversion__person",
    export=[
        "kind",
        "event_id",
        "conversion__order_id",
        "revenue",
        "currency",
        "occurred_at",
        "received_at",
        "properties",
    ],
    on_erase="keep_pseudonymous",
    blank=["properties"],
    disguise=["event_id"],
    not_personal=["kind", "revenue", "currency", "exchange_rate", "occurred_at", "received_at"],
)
impersonal(Goal, because="which conversions count, and how")
impersonal(
    Channel, ChannelRule, RuleVersion, Source, Spend, because="where touches come from and what it costs"
)
impersonal(ModelRun, Credit, CreditErrors, MarkovTransition, because="sums over many people")
impersonal(AccuracyNight, ModelAccuracy, DriftCheck, Recalibration, because="figures over many people")
impersonal(ConversionModel, ConversionWeight, because="what many people have in common")
holds(
    Exposure,
    export=["experiment__name", "variant__name", "first_exposed_at", "received_at", "is_mixed"],
    on_erase="keep_pseudonymous",
    disguise=["unit"],
    not_personal=[
        "experiment",
        "variant",
        "observed",
        "phase",
        "first_exposed_at",
        "received_at",
        "is_mixed",
        "is_off_lot",
    ],
)
impersonal(Experiment, Variant, Allocation, Look, because="a question, its parts and sums over many people")
impersonal(LiftTest, LiftTestCredit, RegionDay, because="what channels caused; sums over many people")
impersonal(FileImport, because="counts; the rows it could not store are searched below")
impersonal(IntakeCount, NightCheck, because="counts")
impersonal(DeadLetter, because="a sealed record as received, tied to nobody; opened and searched below")


impersonal(JourneyBook, BookDay, AskedQuestion, because="sums over many people, and what was asked of them")
impersonal(BookedPeople, because="moments and sources of touches once more, which an erasure keeps as well")
impersonal(StalePerson, because="a number that waits for seconds")


@when_erased
def count_the_erased_anew(known_by: Identifiers) -> None:
    stale_people.mark(known_by.person_ids)


@when_merged
def count_the_merged_anew(moves: dict[int, int]) -> None:
    stale_people.mark({*moves, *moves.values()})


@when_erased
def forget_dead_letters(known_by: Identifiers) -> None:
    """Letters hold what was sent, and no longer say it when it mentions the person."""
    dead_letters.forget(dead_letters.mentioning(known_by.are_mentioned_in), now=timezone.now())


@also_held("attribution.DeadLetter")
def dead_letters_on(known_by: Identifiers) -> list[dict[str, Any]]:
    """What was received about the person and could not be stored."""
    return [
        {"received_at": one.received_at, "state": one.state, "payload": dead_letters.content_of(one).payload}
        for one in dead_letters.mentioning(known_by.are_mentioned_in)
    ]
