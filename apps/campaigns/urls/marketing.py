"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import path

from apps.campaigns.views import audiences, predictions, report, suppressions, topics

app_name = "campaigns"
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
]
