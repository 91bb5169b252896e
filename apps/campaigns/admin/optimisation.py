"""What the optimisation engine proposes, does and has learnt."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.accounts.errors import DomainError
from apps.campaigns.models import (
    Approval,
    AutoRule,
    BudgetTest,
    BudgetTestArm,
    Change,
    Outcome,
    PlanLine,
    Policy,
    Recommendation,
    Run,
    RunForecast,
    SpendCap,
)
from apps.campaigns.optimization import decisions, execute, policies

READS, ACTS = "optimization:read", "optimization:approve"


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
