from django.urls import path

from apps.campaigns.api.marketing import (
    ai_content,
    audiences,
    bi,
    campaigns,
    preferences,
    suppressions,
    sync,
    topics,
)

app_name = "marketing-api"
_ONE = "campaigns/<uuid:campaign_id>"
_CONTENT = f"{_ONE}/contents/<slug:key>"
urlpatterns = [
    path("bi/summary", bi.BusinessSummaryView.as_view(), name="bi-summary"),
    path("bi/schedule", bi.ReportScheduleView.as_view(), name="bi-schedule"),
    path("health", bi.MarketingHealthView.as_view(), name="health"),
    path("sync/batch", sync.SyncBatchView.as_view(), name="sync-batch"),
    path("audiences", audiences.AudiencesView.as_view(), name="audiences"),
    path("audiences/fields", audiences.AudienceFieldsView.as_view(), name="audience-fields"),
    path("audiences/preview", audiences.AudiencePreviewView.as_view(), name="audience-preview"),
    path("audiences/imports/<uuid:file_id>", audiences.ListFileView.as_view(), name="audience-file"),
    path("audiences/<uuid:audience_id>", audiences.AudienceView.as_view(), name="audience"),
    path("audiences/<uuid:audience_id>/count", audiences.AudienceCountView.as_view(), name="audience-count"),
    path(
        "audiences/<uuid:audience_id>/import", audiences.AudienceImportView.as_view(), name="audience-import"
    ),
    path("topics", topics.TopicsView.as_view(), name="topics"),
    path("topics/<slug:key>", topics.TopicView.as_view(), name="topic"),
    path("suppressions", suppressions.SuppressionsView.as_view(), name="suppressions"),
    path(
        "suppressions/<int:suppression_id>/remove",
        suppressions.SuppressionRemoveView.as_view(),
        name="suppression-remove",
    ),
    path("preferences", preferences.PreferencesView.as_view(), name="preferences"),
    path("preferences/subscribe", preferences.SubscribeView.as_view(), name="subscribe"),
    path("ai-content", ai_content.AiContentView.as_view(), name="ai-content"),
    path("ai-content/predictions", ai_content.PredictionsView.as_view(), name="ai-predictions"),
    path("ai-content/switch", ai_content.AiSwitchView.as_view(), name="ai-switch"),
    path("ai-content/<uuid:draft_id>", ai_content.AiDraftView.as_view(), name="ai-draft"),
    path("ai-content/<uuid:draft_id>/take", ai_content.AiTakeView.as_view(), name="ai-take"),
    path("campaigns", campaigns.CampaignsView.as_view(), name="campaigns"),
    path(_ONE, campaigns.CampaignView.as_view(), name="campaign"),
    path(f"{_ONE}/launch", campaigns.CampaignLaunchView.as_view(), name="campaign-launch"),
    path(f"{_ONE}/pause", campaigns.CampaignPauseView.as_view(), name="campaign-pause"),
    path(f"{_ONE}/resume", campaigns.CampaignResumeView.as_view(), name="campaign-resume"),
    path(f"{_ONE}/cancel", campaigns.CampaignCancelView.as_view(), name="campaign-cancel"),
    path(f"{_ONE}/duplicate", campaigns.CampaignDuplicateView.as_view(), name="campaign-duplicate"),
    path(f"{_ONE}/stats", campaigns.CampaignStatsView.as_view(), name="campaign-stats"),
    path(f"{_ONE}/check", campaigns.CampaignCheckView.as_view(), name="campaign-check"),
    path(f"{_ONE}/preview", campaigns.CampaignPreviewView.as_view(), name="campaign-preview"),
    path(f"{_ONE}/test", campaigns.CampaignTestView.as_view(), name="campaign-test"),
    path(f"{_ONE}/contents", campaigns.CampaignContentsView.as_view(), name="campaign-contents"),
    path(_CONTENT, campaigns.CampaignContentView.as_view(), name="campaign-content"),
    path(
        f"{_CONTENT}/approve",
        campaigns.CampaignContentApproveView.as_view(),
        name="campaign-content-approve",
    ),
]
