from django.urls import path

from apps.campaigns.api.marketing import bi, sync

app_name = "marketing-api"
urlpatterns = [
    path("bi/summary", bi.BusinessSummaryView.as_view(), name="bi-summary"),
    path("bi/schedule", bi.ReportScheduleView.as_view(), name="bi-schedule"),
    path("health", bi.MarketingHealthView.as_view(), name="health"),
    path("sync/batch", sync.SyncBatchView.as_view(), name="sync-batch"),
]
