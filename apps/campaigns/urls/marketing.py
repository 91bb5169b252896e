"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import path

from apps.campaigns.views import report

app_name = "campaigns"
urlpatterns = [
    path("report/", report.report, name="report"),
    path("report/pdf/", report.report_pdf, name="report-pdf"),
    path("report/schedule/", report.report_schedule, name="report-schedule"),
]
