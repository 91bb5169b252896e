from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.utils import timezone

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.accounts.errors import DomainError
from apps.campaigns.forms import ReportedAddressForm
from apps.campaigns.journeys import switches
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
    Run,
    RunForecast,
    SendBatch,
    SendCount,
    SendRun,
    SignUp,
    SpendCap,
    Topic,
)
from apps.campaigns.optimization import decisions, execute, policies
from apps.campaigns.subscriptions import everywhere

READS, ACTS = "optimization:read", "optimization:approve"
READS_CAMPAIGNS = "campaigns:read"


@admin.register(Policy)
class PolicyAdmin(WorkspaceAdmin):
    reads, acts = READS, ACTS
    list_display = ("workspace", "is_on", "stopped_at", "stopped_by", "daily_done_on", "weekly_done_on")
    list_filter = ("is_on",)
    actions = ("stop", "restart")

    @admin.action(description="Stop everything that the engine carries out", permissions=["act"])
    def stop(self, request: Any, queryset: QuerySet[Policy]) -> None:
        policies.stop(request.actor, reason="Stopped in the back office.", now=timezone.now())
        self.message_user(request, "Nothing more is carried out.")

    @admin.action(description="Let changes be carried out again", permissions=["act"])
    def restart(self, request: Any, queryset: QuerySet[Policy]) -> None:
        policies.restart(request.actor, now=timezone.now())
        self.message_user(request, "Changes are carried out again.")


@admin.register(AutoRule)
class AutoRuleAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("kind", "is_on", "least_confidence", "most_amount", "demoted_at", "demoted_because")


@admin.register(SpendCap)
class SpendCapAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("measure", "connection", "campaign", "amount")
    list_select_related = ("connection", "campaign")


@admin.register(Run)
class RunAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("public_id", "cadence", "started_at", "campaigns", "gain", "gap", "note")
    list_filter = ("cadence",)
    search_exact = ("public_id", "id")


@admin.register(RunForecast)
class RunForecastAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("run_id", "scenario", "days", "spend", "revenue", "roi", "because")
    list_filter = ("scenario",)
    search_exact = ("run_id", "id")


@admin.register(PlanLine)
class PlanLineAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("run_id", "campaign", "exponent", "budget_now", "budget_planned", "binds")
    list_select_related = ("campaign",)
    search_exact = ("run_id", "campaign_id", "id")


@admin.register(Recommendation)
class RecommendationAdmin(LargeTableAdmin):
    reads, acts = READS, ACTS
    list_display = ("title", "kind", "state", "confidence", "gain", "amount", "created_at", "expires_at")
    list_filter = ("state", "kind")
    search_exact = ("public_id", "campaign_id", "id")
    actions = ("approve", "reject", "roll_back")

    @admin.action(description="Approve the chosen recommendations", permissions=["act"])
    def approve(self, request: Any, queryset: QuerySet[Recommendation]) -> None:
        self._each(request, queryset, decisions.approve, "approved")

    @admin.action(description="Reject the chosen recommendations", permissions=["act"])
    def reject(self, request: Any, queryset: QuerySet[Recommendation]) -> None:
        self._each(request, queryset, decisions.reject, "rejected")

    @admin.action(description="Roll the chosen recommendations back", permissions=["act"])
    def roll_back(self, request: Any, queryset: QuerySet[Recommendation]) -> None:
        self._each(request, queryset, execute.roll_back, "being rolled back")

    def _each(self, request: Any, queryset: QuerySet[Recommendation], verb: Any, done: str) -> None:
        """What stands against one is said, and holds up no other."""
        for one in queryset:
            try:
                verb(request.actor, one.public_id, now=timezone.now())
            except DomainError as error:
                self.message_user(request, f"{one.title}: {error.detail}", level="error")
            else:
                self.message_user(request, f"{one.title}: {done}.")


@admin.register(Approval)
class ApprovalAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("recommendation_id", "actor_kind", "actor_label", "at")
    search_exact = ("recommendation_id", "id")


@admin.register(Change)
class ChangeAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign", "deed", "before", "after", "state", "ordered_by", "created_at", "settled_at")
    list_select_related = ("campaign",)
    list_filter = ("state", "deed")
    search_exact = ("public_id", "recommendation_id", "call_id", "id")


@admin.register(Outcome)
class OutcomeAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("recommendation_id", "after_days", "confidence", "claimed", "realised", "verdict")
    list_filter = ("verdict", "after_days")
    search_exact = ("recommendation_id", "id")


@admin.register(BudgetTest)
class BudgetTestAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("recommendation_id", "state", "starts_on", "blocks", "exponent", "read_at")
    list_filter = ("state",)
    search_exact = ("recommendation_id", "id")


@admin.register(BudgetTestArm)
class BudgetTestArmAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("test_id", "campaign", "base", "slope", "slope_error")
    list_select_related = ("campaign",)
    search_exact = ("test_id", "campaign_id", "id")


@admin.register(Topic)
class TopicAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("key", "name", "basis", "is_double_opt_in")


@admin.register(Audience)
class AudienceAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("name", "kind", "people", "counted_at", "archived_at")
    list_filter = ("kind",)


@admin.register(AudienceMember)
class AudienceMemberAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("audience_id", "person_id", "added_at")
    search_exact = ("audience_id", "person_id", "id")


@admin.register(Campaign)
class CampaignAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("name", "kind", "state", "recipients", "starts_at", "launched_at", "finished_at")
    list_filter = ("state", "kind")


@admin.register(Content)
class ContentAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "key", "subject", "made_by", "approved_at", "approved_by")
    search_exact = ("campaign_id", "id")


@admin.register(Link)
class LinkAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "number", "url")
    search_exact = ("campaign_id", "id")


@admin.register(Recipient)
class RecipientAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "person_id", "state", "reason", "due_at", "settled_at")
    search_exact = ("person_id", "id")


@admin.register(SendRun)
class SendRunAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "weight", "vtime", "is_open", "is_paused", "due_at", "finished_at")


@admin.register(Chunk)
class ChunkAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "number", "state", "lease_until")
    search_exact = ("campaign_id", "id")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "recipient_id", "fate", "reason", "provider", "at")
    search_exact = ("recipient_id", "batch", "id")


@admin.register(Engagement)
class EngagementAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "recipient_id", "kind", "is_machine", "reason", "occurred_at")
    search_exact = ("recipient_id", "event_id", "id")


@admin.register(EngagementCount)
class EngagementCountAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "kind", "hour", "events", "people", "machine")
    search_exact = ("campaign_id", "id")


@admin.register(Device)
class DeviceAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("device_id", "cursor", "first_seen_at", "last_seen_at")


@admin.register(DeviceEvent)
class DeviceEventAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("device_id", "event_id", "kind", "verdict", "occurred_at", "received_at")
    search_exact = ("event_id", "id")


@admin.register(FieldStamp)
class FieldStampAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("person_id", "field", "lamport", "occurred_at", "device_id")
    search_exact = ("person_id", "id")


@admin.register(EditConflict)
class EditConflictAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("content_id", "base_version", "state", "created_at", "decided_by")
    list_filter = ("state",)


@admin.register(ReportSchedule)
class ReportScheduleAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("cadence", "at_hour", "done_on", "trouble")


@admin.register(ListFile)
class ListFileAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("file_name", "audience_id", "rows", "added", "made", "refused", "finished_at")
    search_exact = ("public_id", "audience_id", "id")


@admin.register(RefusedRow)
class RefusedRowAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("list_file_id", "line", "reason")
    list_filter = ("reason",)
    search_exact = ("list_file_id", "id")


@admin.register(FrequencyWish)
class FrequencyWishAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("person_id", "frequency", "paused_until", "source", "occurred_at")
    search_exact = ("person_id", "id")


@admin.register(SignUp)
class SignUpAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("public_id", "topic_id", "source", "asked_at", "confirmed_at", "expires_at")
    search_exact = ("public_id", "person_id", "id")


@admin.register(AddressMark)
class AddressMarkAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("id", "created_at")
    search_exact = ("id",)


class HouseAdmin(admin.ModelAdmin):
    """Rows of no workspace: for staff, whichever workspace they are in."""

    ordering = ("-pk",)

    def has_module_permission(self, request: Any) -> bool:
        return bool(request.user.is_staff)

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_staff)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(EverywhereSuppression)
class EverywhereSuppressionAdmin(HouseAdmin):
    """Who puts an address on it or takes one off stands in the admin's own log."""

    form = ReportedAddressForm
    list_display = ("id", "reason", "told_by", "since")
    list_filter = ("reason",)
    actions = ("take_off",)

    def get_fields(self, request: Any, obj: Any = None) -> tuple[str, ...]:
        return ("email",) if obj is None else ("reason", "told_by", "since")

    def has_add_permission(self, request: Any) -> bool:
        return bool(request.user.is_staff)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        form.save_as(str(request.user), now=timezone.now())

    @admin.action(description="Take off the list", permissions=["view"])
    def take_off(self, request: Any, queryset: QuerySet[EverywhereSuppression]) -> None:
        self.log_deletions(request, queryset)
        for one in queryset:
            everywhere.take_off(one, told_by=str(request.user))
        self.message_user(request, "They may be written to again.")


@admin.register(EverywhereComplaint)
class EverywhereComplaintAdmin(HouseAdmin):
    """What workspaces were told of complaints, for staff to believe or to set aside; most told of first."""

    list_display = ("id", "address", "workspaces", "told_by", "since")
    list_filter = ("told_by",)
    actions = ("believe", "set_aside")

    def get_queryset(self, request: Any) -> QuerySet[EverywhereComplaint]:
        same = EverywhereComplaint.objects.filter(address_index=OuterRef("address_index"))
        counted = same.order_by().values("address_index").annotate(rows=Count("pk")).values("rows")
        return EverywhereComplaint.objects.annotate(workspaces=Subquery(counted))

    def get_ordering(self, request: Any) -> tuple[str, ...]:
        return ("-workspaces", "address_index", "-pk")

    @admin.display(description="address (of its hash)")
    def address(self, one: EverywhereComplaint) -> str:
        return bytes(one.address_index).hex()[:12]

    @admin.display(description="workspaces told of it", ordering="workspaces")
    def workspaces(self, one: Any) -> int:
        return int(one.workspaces)

    @admin.action(description="Nobody writes to these addresses any more", permissions=["view"])
    def believe(self, request: Any, queryset: QuerySet[EverywhereComplaint]) -> None:
        for one in queryset:
            if everywhere.believe(one, told_by=str(request.user), now=timezone.now()):
                self.log_change(request, one, "Put on the list of addresses that nobody writes to.")
        self.message_user(request, "Nobody writes to these addresses any more.")

    @admin.action(description="Set aside: they count in their workspaces alone", permissions=["view"])
    def set_aside(self, request: Any, queryset: QuerySet[EverywhereComplaint]) -> None:
        self.log_deletions(request, queryset)
        for one in queryset:
            everywhere.set_aside(one, told_by=str(request.user))
        self.message_user(request, "What was said of these addresses is forgotten.")


@admin.register(AiDraft)
class AiDraftAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("public_id", "campaign_id", "state", "made_by", "why", "tokens", "asked_by", "asked_at")
    search_exact = ("public_id", "campaign_id", "id")


@admin.register(AiSwitch)
class AiSwitchAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("workspace", "is_on", "reason", "changed_by", "changed_at")


@admin.register(SendBatch)
class SendBatchAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "key", "chunk", "provider", "begun_at", "settled_at")
    search_exact = ("key", "campaign_id", "id")


@admin.register(Pace)
class PaceAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("key", "full_at", "day", "used")


@admin.register(PersonDay)
class PersonDayAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("person_id", "day", "messages")
    search_exact = ("person_id", "id")


@admin.register(SendCount)
class SendCountAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "state", "reason", "people")


@admin.register(ArmFigures)
class ArmFiguresAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("campaign_id", "kind", "content_id", "people", "converted", "revenue", "read_at")
    search_exact = ("campaign_id", "id")


@admin.register(FlagChoice)
class FlagChoiceAdmin(WorkspaceAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("name", "is_on", "changed_by", "changed_at", "reason")


@admin.register(Flag)
class FlagAdmin(admin.ModelAdmin):
    """Of the house, for all workspaces; a workspace's own switches are on its page of settings."""

    list_display = ("name", "everyone", "percent", "note", "modified")
    fields = ("name", "everyone", "percent", "note")
    search_fields = ("name",)


@admin.register(Journey)
class JourneyAdmin(WorkspaceAdmin):
    reads, acts = READS_CAMPAIGNS, "campaigns:stop"
    list_display = ("name", "state", "live", "entries_a_day", "entered_today", "turned_away_today")
    list_filter = ("state",)
    actions = ("pause",)

    @admin.action(description="Pause the chosen journeys", permissions=["act"])
    def pause(self, request: Any, queryset: QuerySet[Journey]) -> None:
        for one in queryset:
            try:
                switches.pause(request.actor, one, reason="Paused in the back office.", now=timezone.now())
            except DomainError as error:
                self.message_user(request, f"{one.name}: {error.detail}", level="error")
            else:
                self.message_user(request, f"{one.name} is paused.")


@admin.register(JourneyVersion)
class JourneyVersionAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("journey_id", "number", "published_at", "published_by")
    search_exact = ("journey_id", "id")


@admin.register(JourneyRun)
class JourneyRunAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("journey_id", "person_id", "version", "step", "due_at", "outcome", "trouble")
    search_exact = ("journey_id", "person_id", "id")


@admin.register(JourneyMove)
class JourneyMoveAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("run_id", "number", "step", "way", "because", "at")
    search_exact = ("run_id", "id")


@admin.register(JourneyCount)
class JourneyCountAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("journey_id", "version", "step", "way", "moves")
    search_exact = ("journey_id", "id")


@admin.register(JourneyNews)
class JourneyNewsAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("run_id", "source", "cause", "occurred_at")
    search_exact = ("run_id", "id")


@admin.register(JourneyTask)
class JourneyTaskAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("title", "journey_id", "person_id", "due_at", "state", "settled_by")
    search_exact = ("public_id", "person_id", "id")


@admin.register(JourneyPresence)
class JourneyPresenceAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("journey_id", "entry", "person_id")
    search_exact = ("journey_id", "person_id", "id")


@admin.register(JourneyReading)
class JourneyReadingAdmin(LargeTableAdmin):
    reads = READS_CAMPAIGNS
    list_display = ("source", "read_to", "seen_to", "read_at")
    search_exact = ("source", "id")
