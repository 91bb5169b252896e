"""What the doors hold on people."""

from django.utils import timezone

from apps.accounts.privacy import Identifiers, holds, impersonal, when_erased
from apps.integrations import erasures, trail
from apps.integrations.models import (
    AdCampaign,
    AdDay,
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
    TokenDay,
    TrailEntry,
    WebhookEndpoint,
)
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
impersonal(Suppression, because="a keyed hash of an address, kept so that it is not written to again")
impersonal(InboundRecord, because="what services told, sealed as it came and forgotten after 30 days")
impersonal(WebhookEndpoint, because="an address of the workspace's own systems")
impersonal(Connection, because="an account of the workspace at a service")
impersonal(MetricPoint, AlertRule, Incident, TokenDay, because="figures, and what they led to")
impersonal(ModeSpell, because="when only what could not wait was done, and why")
impersonal(AdCampaign, AdDay, because="figures of campaigns")
impersonal(SocialAccount, SocialDay, SocialSpend, because="accounts of the workspace, and their figures")
impersonal(SocialPost, because="what the workspace publishes to everybody")
impersonal(SocialMention, because="what strangers wrote in public; those that name somebody go with them")
impersonal(TrailEntry, because="states and reasons; whom a call is about stands in the call alone")


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
