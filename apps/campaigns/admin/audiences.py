"""To whom: topics, audiences and their files, what people wish, and who is never written to."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.utils import timezone

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.campaigns.forms import ReportedAddressForm
from apps.campaigns.models import (
    AddressMark,
    Audience,
    AudienceMember,
    EverywhereComplaint,
    EverywhereSuppression,
    FrequencyWish,
    ListFile,
    RefusedRow,
    SignUp,
    Topic,
)
from apps.campaigns.subscriptions import everywhere

READS = "campaigns:read"


@admin.register(Topic)
class TopicAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("key", "name", "basis", "is_double_opt_in")


@admin.register(Audience)
class AudienceAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("name", "kind", "people", "counted_at", "archived_at")
    list_filter = ("kind",)


@admin.register(AudienceMember)
class AudienceMemberAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("audience_id", "person_id", "added_at")
    search_exact = ("audience_id", "person_id", "id")


@admin.register(ListFile)
class ListFileAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("file_name", "audience_id", "rows", "added", "made", "refused", "finished_at")
    search_exact = ("public_id", "audience_id", "id")


@admin.register(RefusedRow)
class RefusedRowAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("list_file_id", "line", "reason")
    list_filter = ("reason",)
    search_exact = ("list_file_id", "id")


@admin.register(FrequencyWish)
class FrequencyWishAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("person_id", "frequency", "paused_until", "source", "occurred_at")
    search_exact = ("person_id", "id")


@admin.register(SignUp)
class SignUpAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("public_id", "topic_id", "source", "asked_at", "confirmed_at", "expires_at")
    search_exact = ("public_id", "person_id", "id")


@admin.register(AddressMark)
class AddressMarkAdmin(LargeTableAdmin):
    reads = READS
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
