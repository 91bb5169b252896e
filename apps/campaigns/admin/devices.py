"""What devices did offline, and where it met what others did."""

from django.contrib import admin

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.campaigns.models import Device, DeviceEvent, EditConflict, FieldStamp

READS = "campaigns:read"


@admin.register(Device)
class DeviceAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("device_id", "cursor", "first_seen_at", "last_seen_at")


@admin.register(DeviceEvent)
class DeviceEventAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("device_id", "event_id", "kind", "verdict", "occurred_at", "received_at")
    search_exact = ("event_id", "id")


@admin.register(FieldStamp)
class FieldStampAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("person_id", "field", "lamport", "occurred_at", "device_id")
    search_exact = ("person_id", "id")


@admin.register(EditConflict)
class EditConflictAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("content_id", "base_version", "state", "created_at", "decided_by")
    list_filter = ("state",)
