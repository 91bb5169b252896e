"""Message journeys: their versions, who is on them, what they did and left to do."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.accounts.errors import DomainError
from apps.campaigns.journeys import switches
from apps.campaigns.models import (
    Journey,
    JourneyCount,
    JourneyMove,
    JourneyNews,
    JourneyPresence,
    JourneyReading,
    JourneyRun,
    JourneyTask,
    JourneyVersion,
)

READS = "campaigns:read"


@admin.register(Journey)
class JourneyAdmin(WorkspaceAdmin):
    reads, acts = READS, "campaigns:stop"
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
    reads = READS
    list_display = ("journey_id", "number", "published_at", "published_by")
    search_exact = ("journey_id", "id")


@admin.register(JourneyRun)
class JourneyRunAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("journey_id", "person_id", "version", "step", "due_at", "outcome", "trouble")
    search_exact = ("journey_id", "person_id", "id")


@admin.register(JourneyMove)
class JourneyMoveAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("run_id", "number", "step", "way", "because", "at")
    search_exact = ("run_id", "id")


@admin.register(JourneyCount)
class JourneyCountAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("journey_id", "version", "step", "way", "moves")
    search_exact = ("journey_id", "id")


@admin.register(JourneyNews)
class JourneyNewsAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("run_id", "source", "cause", "occurred_at")
    search_exact = ("run_id", "id")


@admin.register(JourneyTask)
class JourneyTaskAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("title", "journey_id", "person_id", "due_at", "state", "settled_by")
    search_exact = ("public_id", "person_id", "id")


@admin.register(JourneyPresence)
class JourneyPresenceAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("journey_id", "entry", "person_id")
    search_exact = ("journey_id", "person_id", "id")


@admin.register(JourneyReading)
class JourneyReadingAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("source", "read_to", "seen_to", "read_at")
    search_exact = ("source", "id")
