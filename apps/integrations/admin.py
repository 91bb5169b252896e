from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.integrations import call_deeds, connections, social, suppressions
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
from apps.integrations.monitoring import incidents, rules


@admin.register(Connection)
class ConnectionAdmin(WorkspaceAdmin):
    reads, acts = "integrations:read", "integrations:manage"
    list_display = ("label", "service", "account", "state", "state_reason", "checked_at", "created_at")
    list_filter = ("state", "service")
    search_exact = ("public_id", "account", "id")
    actions = ("test", "disconnect")

    @admin.action(description="Test the chosen connections", permissions=["act"])
    def test(self, request: Any, queryset: QuerySet[Connection]) -> None:
        for one in queryset:
            said = connections.test(request.actor, one, now=timezone.now())
            self.message_user(request, f"{one.label}: {said or 'it answers.'}")

    @admin.action(description="Disconnect the chosen connections", permissions=["act"])
    def disconnect(self, request: Any, queryset: QuerySet[Connection]) -> None:
        for one in queryset:
            connections.disconnect(request.actor, one, now=timezone.now())
        self.message_user(request, f"Disconnected {len(queryset)}.")


@admin.register(Call)
class CallAdmin(LargeTableAdmin):
    reads, acts = "integrations:read", "integrations:manage"
    list_display = ("service", "operation", "state", "lane", "attempts", "due_at", "last_kind", "created_at")
    list_filter = ("state", "lane", "service")
    search_exact = ("public_id", "dedup_key", "id")
    actions = ("replay", "cancel")

    @admin.action(description="Send the chosen dead letters again", permissions=["act"])
    def replay(self, request: Any, queryset: QuerySet[Call]) -> None:
        for call in queryset:
            call_deeds.replay(request.actor, call.public_id, now=timezone.now())
        self.message_user(request, f"{len(queryset)} will be sent again.")

    @admin.action(description="Cancel the chosen calls", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Call]) -> None:
        for call in queryset:
            call_deeds.cancel(request.actor, call.public_id, now=timezone.now())
        self.message_user(request, f"Cancelled {len(queryset)}.")


@admin.register(ForwardedConversion)
class ForwardedConversionAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("kind", "connection", "stage", "value", "currency", "kept_back", "verdict", "created_at")
    list_select_related = ("connection",)
    search_exact = ("event_id", "call_id", "id")


@admin.register(TrailEntry)
class TrailEntryAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("stream", "position", "kind", "at")
    search_exact = ("stream", "id")


@admin.register(EmailDelivery)
class EmailDeliveryAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("template", "state", "provider", "reason", "is_possible_duplicate", "created_at")
    list_filter = ("state", "provider")
    search_exact = ("public_id", "key", "provider_id", "message_id", "id")


@admin.register(Suppression)
class SuppressionAdmin(LargeTableAdmin):
    reads, acts = "integrations:read", "integrations:manage"
    list_display = ("id", "reason", "told_by", "since")
    list_filter = ("reason",)
    actions = ("lift",)

    @admin.action(description="Take the chosen addresses off the list", permissions=["act"])
    def lift(self, request: Any, queryset: QuerySet[Suppression]) -> None:
        for one in queryset:
            suppressions.lift(request.actor, one, now=timezone.now())
        self.message_user(request, f"{len(queryset)} may be written to again.")


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("url", "event_names", "failing_since", "created_at")
    list_select_related = ("connection",)
    search_exact = ("public_id", "id")


@admin.register(AdCampaign)
class AdCampaignAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("name", "connection", "status", "budget", "currency", "budget_kind", "read_at")
    list_filter = ("status",)
    list_select_related = ("connection",)
    search_exact = ("external_id", "id")


@admin.register(AdDay)
class AdDayAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("campaign", "on", "spend", "currency", "impressions", "clicks", "conversions")
    list_select_related = ("campaign",)
    search_exact = ("campaign_id", "id")


@admin.register(AdGroup)
class AdGroupAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("name", "campaign", "status", "bid", "bid_strategy", "budget", "currency", "read_at")
    list_filter = ("status",)
    list_select_related = ("campaign",)
    search_exact = ("external_id", "id")


@admin.register(AdCreative)
class AdCreativeAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("name", "campaign", "group", "status", "read_at")
    list_filter = ("status",)
    list_select_related = ("campaign", "group")
    search_exact = ("external_id", "id")


@admin.register(AdCreativeDay)
class AdCreativeDayAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("creative", "on", "spend", "currency", "impressions", "clicks", "frequency")
    list_select_related = ("creative",)
    search_exact = ("creative_id", "id")


@admin.register(AdSegmentDay)
class AdSegmentDayAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("campaign", "on", "dimension", "value", "label", "spend", "currency", "conversions")
    list_filter = ("dimension",)
    list_select_related = ("campaign",)
    search_exact = ("campaign_id", "id")


@admin.register(MetricPoint)
class MetricPointAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("name", "labels", "resolution", "at", "count", "total", "least", "most")
    search_exact = ("name", "id")


@admin.register(AlertRule)
class AlertRuleAdmin(WorkspaceAdmin):
    reads, changes = "integrations:read", "integrations:manage"
    list_display = ("title", "metric", "comparison", "bound", "severity", "is_on", "last_value", "looked_at")
    list_filter = ("severity", "is_on")

    def changeable(self) -> tuple[str, ...]:
        return (
            "bound",
            "window_seconds",
            "for_seconds",
            "least_count",
            "severity",
            "is_on",
            "silenced_until",
        )

    def save_model(self, request: Any, obj: AlertRule, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        if fields:
            rules.change(request.actor, obj.key, now=timezone.now(), reason="in the back office", **fields)


@admin.register(Incident)
class IncidentAdmin(WorkspaceAdmin):
    reads, acts = "integrations:read", "integrations:manage"
    list_display = ("title", "severity", "state", "tier", "opened_at", "acknowledged_at", "resolved_at")
    list_filter = ("state", "severity")
    search_exact = ("public_id", "id")
    actions = ("acknowledge",)

    @admin.action(description="Acknowledge the chosen incidents", permissions=["act"])
    def acknowledge(self, request: Any, queryset: QuerySet[Incident]) -> None:
        for one in queryset:
            incidents.acknowledge(request.actor, one, now=timezone.now())
        self.message_user(request, f"Acknowledged {len(queryset)}.")


@admin.register(ModeSpell)
class ModeSpellAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("kind", "reason", "began_at", "begun_by", "until", "ended_at", "ended_by")
    list_filter = ("kind",)


@admin.register(InboundRecord)
class InboundRecordAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("service", "event_id", "state", "said", "attempts", "received_at", "processed_at")
    list_filter = ("state", "service")
    search_exact = ("public_id", "event_id", "id")


@admin.register(TokenDay)
class TokenDayAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("on", "used", "reserved")


@admin.register(SocialPost)
class SocialPostAdmin(WorkspaceAdmin):
    reads, acts = "integrations:read", "integrations:manage"
    list_display = ("text", "connection", "state", "reason", "price", "scheduled_at", "published_at")
    list_filter = ("state",)
    search_exact = ("public_id", "external_id", "id")


@admin.register(SocialAccount)
class SocialAccountAdmin(WorkspaceAdmin):
    reads, acts = "integrations:read", "integrations:manage"
    list_display = (
        "connection",
        "is_paused",
        "daily_limit",
        "currency",
        "reads_are_on",
        "read_at",
        "read_failed",
    )
    list_filter = ("is_paused",)
    actions = ("pause",)

    @admin.action(description="Pause the chosen accounts", permissions=["act"])
    def pause(self, request: Any, queryset: QuerySet[SocialAccount]) -> None:
        for one in queryset.select_related("connection"):
            social.pause(request.actor, one.connection, now=timezone.now())
        self.message_user(request, f"Paused {len(queryset)}.")


@admin.register(SocialSpend)
class SocialSpendAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("connection", "deed", "amount", "on", "at")
    list_filter = ("deed",)
    search_exact = ("id",)


@admin.register(SocialMention)
class SocialMentionAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("author", "text", "connection", "at", "read_at")
    search_exact = ("external_id", "id")


@admin.register(SocialDay)
class SocialDayAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("connection", "on", "followers", "views", "engagements")


@admin.register(SyncStream)
class SyncStreamAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("connection", "entity", "direction", "is_paused", "run", "page", "finished_at", "trouble")
    list_filter = ("entity", "is_paused")
    list_select_related = ("connection",)
    search_exact = ("public_id", "id")


@admin.register(SyncRecord)
class SyncRecordAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("public_id", "entity", "version", "gone_at", "erased_at", "changed_at")
    list_filter = ("entity",)
    search_exact = ("public_id", "id")


@admin.register(SyncExternal)
class SyncExternalAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = (
        "external_id",
        "connection",
        "entity",
        "state",
        "modified_at",
        "unpushed_since",
        "gone_at",
    )
    list_filter = ("entity", "state")
    list_select_related = ("connection",)
    search_exact = ("public_id", "external_id", "id")


@admin.register(SyncConflict)
class SyncConflictAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("kind", "field", "state", "choice", "opened_at", "settled_at")
    list_filter = ("state", "kind")
    search_exact = ("public_id", "id")


@admin.register(SyncReport)
class SyncReportAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("sync_stream", "compared", "missing", "extra", "different", "unpushed", "made_at")
    list_select_related = ("sync_stream",)
    search_exact = ("public_id", "id")


@admin.register(SyncImport)
class SyncImportAdmin(WorkspaceAdmin):
    reads = "integrations:read"
    list_display = ("name", "connection", "entity", "state", "created_at", "applied_at", "undone_at")
    list_filter = ("state",)
    list_select_related = ("connection",)
    search_exact = ("public_id", "id")


@admin.register(SyncImportStep)
class SyncImportStepAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("batch_id", "record_id", "position", "is_new")
    search_exact = ("batch_id", "record_id", "id")


@admin.register(SyncNudge)
class SyncNudgeAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("external_id", "entity", "nudged_at", "due_at", "attempts")
    search_exact = ("external_id", "id")


@admin.register(SyncTombstone)
class SyncTombstoneAdmin(LargeTableAdmin):
    reads = "integrations:read"
    list_display = ("id", "connection", "entity", "created_at")
    list_select_related = ("connection",)
    search_exact = ("id",)
