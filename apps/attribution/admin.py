from django.contrib import admin

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.attribution.models import (
    Channel,
    ChannelRule,
    Conversion,
    ConversionRecord,
    Credit,
    FileImport,
    MarkovTransition,
    ModelRun,
    RejectedRow,
    Source,
    Spend,
    Touchpoint,
)


@admin.register(Channel)
class ChannelAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("label", "key", "position", "created_at")
    ordering = ("position",)


@admin.register(ChannelRule)
class ChannelRuleAdmin(WorkspaceAdmin):
    """To look at: the rules are one ordered list, which is changed as a whole."""

    reads = "attribution:read"
    list_display = (
        "position",
        "channel_key",
        "platform",
        "event_type",
        "utm_source",
        "utm_medium",
        "referrer_host",
        "click_id",
        "is_active",
    )
    ordering = ("position",)


@admin.register(Source)
class SourceAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("platform", "campaign_id", "creative_id", "channel", "created_at")
    list_select_related = ("channel",)
    search_exact = ("campaign_id", "id")


@admin.register(Spend)
class SpendAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("day", "source", "amount", "impressions", "clicks")
    list_select_related = ("source",)
    search_exact = ("source_id",)


@admin.register(Touchpoint)
class TouchpointAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("occurred_at", "event_type", "event_id", "person_id", "source", "cost")
    list_select_related = ("source",)
    search_exact = ("event_id", "person_id")


@admin.register(Conversion)
class ConversionAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("occurred_at", "conversion_type", "order_id", "person_id", "value", "is_counted")
    search_exact = ("order_id", "person_id")


@admin.register(ConversionRecord)
class ConversionRecordAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("occurred_at", "kind", "event_id", "conversion_id", "revenue", "currency", "received_at")
    search_exact = ("event_id", "conversion_id")


@admin.register(FileImport)
class FileImportAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("file_name", "is_dry_run", "rows", "stored", "duplicates", "rejected", "created_at")


@admin.register(RejectedRow)
class RejectedRowAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("file_import_id", "line", "errors")
    search_exact = ("file_import_id",)


@admin.register(ModelRun)
class ModelRunAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = (
        "kind",
        "version",
        "state",
        "journeys",
        "conversions",
        "revenue",
        "created_at",
        "finished_at",
    )
    list_filter = ("kind", "state")


@admin.register(Credit)
class CreditAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("run_id", "model", "group_by", "group_key", "conversions", "revenue", "share", "cost")
    search_exact = ("run_id",)


@admin.register(MarkovTransition)
class MarkovTransitionAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("run_id", "from_state", "to_state", "count", "value")
    search_exact = ("run_id",)
