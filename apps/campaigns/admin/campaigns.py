"""Campaigns: their words, their readers, their switches, and what came of them."""

from django.contrib import admin

from apps.accounts.back_office import LargeTableAdmin, WorkspaceAdmin
from apps.campaigns import flags
from apps.campaigns.forms import FlagForm
from apps.campaigns.models import (
    AiDraft,
    AiSwitch,
    ArmFigures,
    Campaign,
    Content,
    Flag,
    FlagChoice,
    Link,
    ReportSchedule,
)

READS = "campaigns:read"


@admin.register(Campaign)
class CampaignAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("name", "kind", "state", "recipients", "starts_at", "launched_at", "finished_at")
    list_filter = ("state", "kind")


@admin.register(Content)
class ContentAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "key", "subject", "made_by", "approved_at", "approved_by")
    search_exact = ("campaign_id", "id")


@admin.register(Link)
class LinkAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "number", "url")
    search_exact = ("campaign_id", "id")


@admin.register(AiDraft)
class AiDraftAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("public_id", "campaign_id", "state", "made_by", "why", "tokens", "asked_by", "asked_at")
    search_exact = ("public_id", "campaign_id", "id")


@admin.register(AiSwitch)
class AiSwitchAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("workspace", "is_on", "reason", "changed_by", "changed_at")


@admin.register(ArmFigures)
class ArmFiguresAdmin(LargeTableAdmin):
    reads = READS
    list_display = ("campaign_id", "kind", "content_id", "people", "converted", "revenue", "read_at")
    search_exact = ("campaign_id", "id")


@admin.register(ReportSchedule)
class ReportScheduleAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("cadence", "at_hour", "done_on", "trouble")


@admin.register(FlagChoice)
class FlagChoiceAdmin(WorkspaceAdmin):
    reads = READS
    list_display = ("name", "is_on", "changed_by", "changed_at", "reason")


@admin.register(Flag)
class FlagAdmin(admin.ModelAdmin):
    """Of the house, for all workspaces; a workspace's own switches are under Campaigns → Switches."""

    form = FlagForm
    list_display = ("name", "label", "everyone", "percent", "note", "modified")
    fields = ("name", "everyone", "percent", "note")
    search_fields = ("name",)

    @admin.display(description="what it switches")
    def label(self, flag: Flag) -> str:
        known = flags.CAPABILITIES.get(flag.name)
        return known.label if known else "nothing: no capability has this name"
