from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts import api_keys, events, jobs, members, workspaces
from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.accounts.models import (
    Alias,
    ApiKey,
    AuditEntry,
    AuditSeal,
    ConsentRecord,
    Delivery,
    Erasure,
    Job,
    Membership,
    OutboxEvent,
    Person,
    PersonMerge,
    User,
    Workspace,
)


@admin.register(Workspace)
class TheWorkspaceAdmin(WorkspaceAdmin):
    reads, changes = "workspace:read", "workspace:manage"
    list_display = ("name", "slug", "currency", "time_zone", "is_demo", "created_at")

    def changeable(self) -> tuple[str, ...]:
        return ("name", "time_zone", "settings")

    def save_model(self, request: Any, obj: Workspace, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        if "settings" in fields:
            gone = set(form.initial["settings"] or {}) - set(fields["settings"] or {})
            fields["settings"] = {**(fields["settings"] or {}), **dict.fromkeys(gone)}
        if fields:
            workspaces.change(request.actor, now=timezone.now(), reason="in the back office", **fields)


@admin.register(Membership)
class MembershipAdmin(WorkspaceAdmin):
    reads = changes = "members:manage"
    list_display = ("user", "role", "person", "created_at")
    list_select_related = ("user", "person")
    list_filter = ("role",)
    search_exact = ("user_id",)

    def changeable(self) -> tuple[str, ...]:
        return ("role",)

    def save_model(self, request: Any, obj: Membership, form: Any, change: bool) -> None:
        members.change_role(request.actor, membership_id=obj.pk, role=obj.role, now=timezone.now())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def delete_model(self, request: Any, obj: Membership) -> None:
        members.remove(request.actor, membership_id=obj.pk, now=timezone.now())

    def delete_queryset(self, request: Any, queryset: QuerySet[Membership]) -> None:
        for one in queryset:
            self.delete_model(request, one)


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """For superusers: users belong to no workspace. They come by invitation."""

    list_display = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    fields = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login", "created_at")
    readonly_fields = ("email", "last_login", "created_at")
    ordering = ("email",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(WorkspaceAdmin):
    reads = acts = "api_keys:manage"
    list_display = ("name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    actions = ("revoke",)

    @admin.action(description="Revoke the chosen keys", permissions=["act"])
    def revoke(self, request: Any, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            api_keys.revoke(request.actor, key_id=key.pk, now=timezone.now())
        self.message_user(request, f"Revoked {len(queryset)} keys.")


@admin.register(Job)
class JobAdmin(WorkspaceAdmin):
    reads, acts = "jobs:read", "jobs:cancel"
    list_display = ("title", "kind", "state", "done", "total", "attempts", "created_at", "finished_at")
    list_filter = ("state", "kind")
    search_exact = ("public_id", "id")
    actions = ("cancel",)

    @admin.action(description="Cancel the chosen jobs", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            jobs.cancel(job)
        self.message_user(request, f"Asked {len(queryset)} jobs to stop.")


@admin.register(OutboxEvent)
class OutboxEventAdmin(LargeTableAdmin):
    reads = acts = "workspace:manage"
    list_display = ("name", "created_at", "due_at", "attempts")
    search_exact = ("id", "name")
    actions = ("replay",)

    @admin.action(description="Deliver again to the subscribers that gave up", permissions=["act"])
    def replay(self, request: HttpRequest, queryset: QuerySet[OutboxEvent]) -> None:
        _replay(self, request, queryset)


@admin.register(Delivery)
class DeliveryAdmin(LargeTableAdmin):
    reads = acts = "workspace:manage"
    list_display = ("event", "subscriber", "state", "attempts", "updated_at")
    list_select_related = ("event",)
    list_filter = ("state",)
    search_exact = ("event_id",)
    actions = ("replay",)

    @admin.action(description="Deliver the events of these again, where they gave up", permissions=["act"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        _replay(self, request, OutboxEvent.objects.filter(pk__in=queryset.values("event_id")))


def _replay(screen: WorkspaceAdmin, request: HttpRequest, found: QuerySet[OutboxEvent]) -> None:
    for event in found:
        events.replay(event)
    screen.message_user(request, f"Delivering {len(found)} events again.", messages.SUCCESS)


@admin.register(AuditEntry)
class AuditEntryAdmin(LargeTableAdmin):
    reads = "audit:read"
    list_display = ("occurred_at", "actor_label", "deed", "target_kind", "target_id", "reason")
    search_exact = ("deed", "target_id", "actor_id")


@admin.register(AuditSeal)
class AuditSealAdmin(LargeTableAdmin):
    reads = "audit:read"
    list_display = ("position", "entry_id", "created_at")
    search_exact = ("position", "entry_id")


@admin.register(Person)
class PersonAdmin(LargeTableAdmin):
    """Who they are stays sealed here: pages and the API open it, and the audit notes who looked."""

    reads = "people:read"
    list_display = (
        "public_id",
        "external_id",
        "first_seen_at",
        "last_seen_at",
        "merged_into_id",
        "erased_at",
    )
    search_exact = ("public_id", "external_id", "id")


@admin.register(Alias)
class AliasAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("anonymous_id", "person_id", "created_at")
    search_exact = ("anonymous_id", "person_id")


@admin.register(PersonMerge)
class PersonMergeAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("kind", "survivor_id", "absorbed_id", "created_at")
    search_exact = ("survivor_id", "id")


@admin.register(ConsentRecord)
class ConsentRecordAdmin(LargeTableAdmin):
    reads = "people:read"
    list_display = ("person_id", "purpose", "is_granted", "is_confirmed", "source", "occurred_at")
    search_exact = ("person_id",)


@admin.register(Erasure)
class ErasureAdmin(WorkspaceAdmin):
    reads = "people:read"
    list_display = ("public_id", "created_at")
    search_exact = ("public_id",)
