"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import path

from apps.campaigns.views import campaign_builder, campaigns, switches

app_name = "campaigns"
_ONE = "<uuid:campaign_id>/"
_CONTENT = f"{_ONE}contents/<slug:key>/"
urlpatterns = [
    path("", campaigns.listed, name="list"),
    path("new/", campaigns.new, name="new"),
    path("switches/", switches.switches, name="switches"),
    path(_ONE, campaigns.campaign, name="campaign"),
    path(f"{_ONE}build/<slug:step>/", campaign_builder.build, name="build"),
    path(f"{_ONE}launch/", campaign_builder.launch, name="launch"),
    path(f"{_ONE}pause/", campaigns.pause, name="pause"),
    path(f"{_ONE}resume/", campaigns.resume, name="resume"),
    path(f"{_ONE}cancel/", campaigns.cancel, name="cancel"),
    path(f"{_ONE}duplicate/", campaigns.duplicate, name="duplicate"),
    path(f"{_ONE}archive/", campaigns.archive, name="archive"),
    path(f"{_ONE}people/<slug:group>/", campaigns.people, name="people"),
    path(f"{_ONE}contents/", campaign_builder.content_add, name="content-add"),
    path(f"{_ONE}variants/", campaign_builder.ask_ai, name="ask-ai"),
    path(f"{_ONE}variants/<uuid:draft_id>/", campaign_builder.ai_draft, name="ai-draft"),
    path(_CONTENT, campaign_builder.content_change, name="content-change"),
    path(f"{_CONTENT}preview/", campaign_builder.preview_frame, name="preview"),
    path(f"{_CONTENT}test/", campaign_builder.test_send, name="test-send"),
]
