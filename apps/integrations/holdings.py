"""What the doors hold on people."""

from apps.accounts.privacy import Identifiers, holds, impersonal, when_erased
from apps.integrations.models import (
    AdCampaign,
    AdDay,
    AlertRule,
    Call,
    Connection,
    ForwardedConversion,
    Incident,
    MetricPoint,
    TrailEntry,
)

holds(
    Call,
    export=["service", "operation", "state", "created_at", "sent_at"],
    on_erase="keep_pseudonymous",
    blank=["data_key", "payload_sealed"],
    disguise=["dedup_key"],
    not_personal=[
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
impersonal(Connection, because="an account of the workspace at a service")
impersonal(MetricPoint, AlertRule, Incident, because="figures, and what they led to")
impersonal(AdCampaign, AdDay, because="figures of campaigns")
impersonal(TrailEntry, because="states and reasons; whom a call is about stands in the call alone")


@when_erased
def stop_what_waits(known_by: Identifiers) -> None:
    """What waits to be told about somebody who was erased is not told: its content is gone with them."""
    waiting = Call.objects.filter(
        person__in=known_by.person_ids, state__in=[Call.State.WAITING, Call.State.HELD]
    )
    waiting.update(state=Call.State.CANCELLED, due_at=None)
