from django.urls import path

from apps.campaigns.api.marketing import campaigns

app_name = "marketing-api"
_ONE = "campaigns/<uuid:campaign_id>"
_CONTENT = f"{_ONE}/contents/<slug:key>"
urlpatterns = [
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
