from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.attribution import journey_books
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


@admin.register(RuleVersion)
class RuleVersionAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("number", "made_by", "made_at", "note", "applied_at", "touches_moved")
    ordering = ("-number",)


@admin.register(Goal)
class GoalAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = (
        "label",
        "key",
        "lookback_days",
        "counting",
        "transform",
        "direct",
        "is_default",
        "archived_at",
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


@admin.register(DeadLetter)
class DeadLetterAdmin(LargeTableAdmin):
    """To look at, without what they say; mended and replayed under Data health."""

    reads = "people:read"
    list_display = ("received_at", "door", "kind", "reason", "state", "file_import_id", "line", "settled_at")
    list_filter = ("state", "reason", "door")
    search_exact = ("public_id", "file_import_id")


@admin.register(IntakeCount)
class IntakeCountAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("day", "door", "accepted", "stored", "duplicates", "dead_lettered", "is_folded")


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


@admin.register(CreditErrors)
class CreditErrorsAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("run_id", "model", "group_by")
    search_exact = ("run_id",)


@admin.register(MarkovTransition)
class MarkovTransitionAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("run_id", "from_state", "to_state", "count", "value")
    search_exact = ("run_id",)


@admin.register(Experiment)
class ExperimentAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("name", "key", "state", "reading", "unit", "metric", "started_at", "due_at", "decided_at")
    list_filter = ("state", "reading")


@admin.register(Variant)
class VariantAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("experiment", "name", "key", "is_control")
    list_select_related = ("experiment",)


@admin.register(Allocation)
class AllocationAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("experiment", "phase", "variant", "share", "starts_at", "reason")
    list_select_related = ("experiment", "variant")


@admin.register(Exposure)
class ExposureAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = (
        "first_exposed_at",
        "experiment_id",
        "variant_id",
        "unit",
        "person_id",
        "phase",
        "is_mixed",
    )
    search_exact = ("unit", "person_id")


@admin.register(Look)
class LookAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("experiment", "number", "taken_at", "units", "information", "is_conclusive", "verdict")
    list_select_related = ("experiment",)


@admin.register(LiftTest)
class LiftTestAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("name", "channel", "kind", "first_day", "last_day", "incremental", "standard_error")
    list_select_related = ("channel",)
    list_filter = ("kind",)


@admin.register(LiftTestCredit)
class LiftTestCreditAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("lift_test", "model", "attributed", "computed_at")
    list_select_related = ("lift_test",)


@admin.register(RegionDay)
class RegionDayAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("lift_test_id", "region", "day", "is_treated", "outcome")
    search_exact = ("region", "lift_test_id")


@admin.register(JourneyBook)
class JourneyBookAdmin(WorkspaceAdmin):
    reads, acts = "attribution:read", "attribution:write"
    list_display = ("lens", "state", "revision", "asked_at", "built_at")
    actions = ("rebuild",)

    @admin.action(description="Count the chosen books from scratch", permissions=["act"])
    def rebuild(self, request: HttpRequest, queryset: QuerySet[JourneyBook]) -> None:
        books = list(queryset)
        journey_books.rebuild(books)
        self.message_user(request, f"Whoever asks next has {len(books)} books counted from scratch.")


@admin.register(NightCheck)
class NightCheckAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("checked_at", "findings", "crowded")


@admin.register(BookDay)
class BookDayAdmin(LargeTableAdmin):
    reads = "attribution:read"
    list_display = ("book_id", "day", "journeys", "conversions", "value", "distinct_paths", "revision")
    search_exact = ("book_id",)


@admin.register(BookedPeople)
class BookedPeopleAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("book_id", "bucket")
    search_exact = ("bucket",)


@admin.register(StalePerson)
class StalePersonAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("person_id", "book_id")
    search_exact = ("person_id",)


@admin.register(AskedQuestion)
class AskedQuestionAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("digest", "book_id", "asked_at")


@admin.register(AccuracyNight)
class AccuracyNightAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("night", "goal_key", "journeys", "conversions", "missing")


@admin.register(ModelAccuracy)
class ModelAccuracyAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("night", "model", "auc", "log_loss", "skill", "slope", "calibration_error")
    list_select_related = ("night",)


@admin.register(ConversionModel)
class ConversionModelAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("version", "goal_key", "since", "cut_at", "until", "created_at")


@admin.register(ConversionWeight)
class ConversionWeightAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("conversion_model", "kind", "key", "mean", "scale", "weight")
    list_select_related = ("conversion_model",)


@admin.register(DriftCheck)
class DriftCheckAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("conversion_model", "number", "until", "journeys", "conversions", "alarms")
    list_select_related = ("conversion_model",)


@admin.register(Recalibration)
class RecalibrationAdmin(WorkspaceAdmin):
    reads = "attribution:read"
    list_display = ("created_at", "reason", "by_itself", "outcome", "finished_at")
