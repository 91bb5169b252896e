"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import path

from apps.campaigns.views import (
    audiences,
    campaign_builder,
    campaigns,
    predictions,
    report,
    suppressions,
    switches,
    topics,
)

app_name = "campaigns"
_ONE = "<uuid:campaign_id>/"
_CONTENT = f"{_ONE}contents/<slug:key>/"
urlpatterns = [
    path("report/", report.report, name="report"),
    path("report/pdf/", report.report_pdf, name="report-pdf"),
    path("report/schedule/", report.report_schedule, name="report-schedule"),
    path("audiences/", audiences.listed, name="audiences"),
    path("audiences/new/", audiences.build, name="audience-new"),
    path("audiences/new-list/", audiences.new_list, name="list-new"),
    path("audiences/preview/", audiences.preview, name="audience-preview"),
    path("audiences/files/<uuid:file_id>/", audiences.list_file, name="audience-file"),
    path("audiences/files/<uuid:file_id>/refused/", audiences.refused_rows, name="audience-file-refused"),
    path("audiences/<uuid:audience_id>/", audiences.audience, name="audience"),
    path("audiences/<uuid:audience_id>/edit/", audiences.build, name="audience-edit"),
    path("audiences/<uuid:audience_id>/archive/", audiences.archive, name="audience-archive"),
    path("topics/", topics.topics, name="topics"),
    path("topics/<slug:key>/", topics.topic, name="topic"),
    path("suppressions/", suppressions.suppressions, name="suppressions"),
    path("suppressions/<int:suppression_id>/remove/", suppressions.remove, name="suppression-remove"),
    path("predictions/", predictions.predictions, name="predictions"),
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
