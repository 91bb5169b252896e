"""What the doors hold on people."""

from typing import Any

from django.utils import timezone

from apps.accounts.privacy import Identifiers, also_held, holds, impersonal, when_erased
from apps.integrations import erasures, trail
from apps.integrations.models import (
    AdCampaign,
    AdCreative,
    AdCreativeDay,
    AdDay,
    AdGroup,
    AdSegmentDay,
    AlertRule,
    Call,
    Connection,
    EmailDelivery,
    ForwardedConversion,
    InboundRecord,
    Incident,
    MetricPoint,
    ModeSpell,
    SocialAccount,
    SocialDay,
    SocialMention,
    SocialPost,
    SocialSpend,
    Suppression,
    SyncConflict,
    SyncExternal,
    SyncImport,
    SyncImportStep,
    SyncNudge,
    SyncRecord,
    SyncReport,
    SyncStream,
    SyncTombstone,
    TokenDay,
    TrailEntry,
    WebhookEndpoint,
)
from apps.integrations.sync import erasing
from apps.integrations.trail import Step

holds(
    Call,
    export=["service", "operation", "state", "created_at", "sent_at"],
    on_erase="keep_pseudonymous",
    blank=["data_key", "payload_sealed"],
    disguise=["dedup_key"],
    not_personal=[
        "public_id",
        "connection",
        "service",
        "operation",
        "state",
        "created_at",
        "sent_at",
        "lane",
        "attempts",
        "due_at",
        "expires_at",
        "lease_until",
        "last_kind",
        "last_reason",
        "reference",
        "is_possible_duplicate",
        "settled_at",
    ],
)
holds(
    EmailDelivery,
    export=["template", "state", "created_at", "accepted_at"],
    on_erase="keep_pseudonymous",
    blank=["address_index"],
    not_personal=[
        "public_id",
        "key",
        "call",
        "sender",
        "template",
        "is_bulk",
        "state",
        "reason",
        "provider",
        "connection",
        "provider_id",
        "message_id",
        "is_possible_duplicate",
        "created_at",
        "asked_at",
        "accepted_at",
    ],
)
holds(
    ForwardedConversion,
    export=["kind", "value", "currency", "kept_back", "verdict", "occurred_at", "created_at"],
    on_erase="keep_pseudonymous",
    disguise=["event_id"],
    not_personal=[
        "connection",
        "call",
        "stage",
        "step",
        "kind",
        "value",
        "currency",
        "has_email",
        "has_phone",
        "has_click_id",
        "kept_back",
        "repeats",
        "verdict",
        "verdict_reason",
        "occurred_at",
        "created_at",
    ],
)
holds(
    SyncRecord,
    export=["public_id", "entity", "stage", "event_on", "created_at", "changed_at"],
    on_erase="keep_pseudonymous",
    blank=[
        "data_key",
        "fields_sealed",
        "email_index",
        "phone_index",
        "stage",
        "job_type",
        "event_on",
        "total",
        "currency",
        "is_opted_in",
    ],
    not_personal=[
        "public_id",
        "entity",
        "version",
        "merged_into",
        "gone_at",
        "erased_at",
        "changed_at",
        "created_at",
    ],
)
impersonal(
    SyncExternal,
    SyncConflict,
    SyncImportStep,
    because="of a record, and gone with it: the erasure of its person deletes them (sync/erasing.py)",
)
impersonal(SyncImport, because="a file, sealed as it came and forgotten once it was applied or given up")
impersonal(SyncStream, SyncReport, because="how far reading has come, and ids of records")
impersonal(SyncNudge, SyncTombstone, because="ids of records, of the erased ones a hash")
impersonal(Suppression, because="a keyed hash of an address, kept so that it is not written to again")
impersonal(InboundRecord, because="what services told, sealed as it came and forgotten after 30 days")
impersonal(WebhookEndpoint, because="an address of the workspace's own systems")
impersonal(Connection, because="an account of the workspace at a service")
impersonal(MetricPoint, AlertRule, Incident, TokenDay, because="figures, and what they led to")
impersonal(ModeSpell, because="when only what could not wait was done, and why")
impersonal(
    AdCampaign,
    AdCreative,
    AdCreativeDay,
    AdDay,
    AdGroup,
    AdSegmentDay,
    because="figures of campaigns and their ads",
)
impersonal(SocialAccount, SocialDay, SocialSpend, because="accounts of the workspace, and their figures")
impersonal(SocialPost, because="what the workspace publishes to everybody")
impersonal(SocialMention, because="what strangers wrote in public; those that name somebody go with them")
impersonal(
    TrailEntry,
    because="states and reasons; what steps of records say is sealed under the record's key, which goes",
)


@when_erased
def hand_on_to_analytics(known_by: Identifiers) -> None:
    """Product analytics that heard of somebody is told to forget them."""
    erasures.hand_on(known_by.person_ids, known_by.external_ids, now=timezone.now())


@when_erased
def forget_mentions(known_by: Identifiers) -> None:
    SocialMention.objects.filter(known_by.mentioned_in("text") | known_by.mentioned_in("author")).delete()


@when_erased
def stop_what_waits(known_by: Identifiers) -> None:
    """What waits to be told about somebody who was erased is not told: its content is gone with them."""
    waiting = Call.objects.filter(
        person__in=known_by.person_ids, state__in=[Call.State.WAITING, Call.State.HELD]
    )
    stopped = list(waiting.select_for_update())
    now = timezone.now()
    waiting.filter(pk__in=[call.pk for call in stopped]).update(
        state=Call.State.CANCELLED, due_at=None, settled_at=now
    )
    trail.append(*(Step(call.stream, "erased", {"state": Call.State.CANCELLED}, now) for call in stopped))


@when_erased
def forget_records(known_by: Identifiers) -> None:
    erasing.erase(known_by.person_ids, now=timezone.now())


@also_held("integrations.SyncRecord.fields")
def records_of(known_by: Identifiers) -> list[dict[str, Any]]:
    return erasing.held_on(known_by.person_ids)
