"""What leaves: recipients, the queue, the journal, the ledger, and what was heard of it."""

from django.contrib import admin

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.campaigns.models import (
    Chunk,
    Engagement,
    EngagementCount,
    LedgerEntry,
    Pace,
    PersonDay,
    Recipient,
    SendBatch,
    SendCount,
    SendRun,
)

READS = "campaigns:read"


@admin.register(Recipient)
class RecipientAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "person_id", "state", "reason", "due_at", "settled_at")
    search_exact = ("person_id", "id")


@admin.register(SendRun)
class SendRunAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("campaign_id", "weight", "vtime", "is_open", "is_paused", "due_at", "finished_at")


@admin.register(Chunk)
class ChunkAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "number", "state", "lease_until")
    search_exact = ("campaign_id", "id")


@admin.register(SendBatch)
class SendBatchAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "key", "chunk", "provider", "begun_at", "settled_at")
    search_exact = ("key", "campaign_id", "id")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "recipient_id", "fate", "reason", "provider", "at")
    search_exact = ("recipient_id", "batch", "id")


@admin.register(SendCount)
class SendCountAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("campaign_id", "state", "reason", "people")


@admin.register(Pace)
class PaceAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("key", "full_at", "day", "used")


@admin.register(PersonDay)
class PersonDayAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("person_id", "day", "messages")
    search_exact = ("person_id", "id")


@admin.register(Engagement)
class EngagementAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "recipient_id", "kind", "is_machine", "reason", "occurred_at")
    search_exact = ("recipient_id", "event_id", "id")


@admin.register(EngagementCount)
class EngagementCountAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "kind", "hour", "events", "people", "machine")
    search_exact = ("campaign_id", "id")
