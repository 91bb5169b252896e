from django.urls import path

from apps.campaigns.api.marketing import sync

app_name = "marketing-api"
urlpatterns = [
    path("sync/batch", sync.SyncBatchView.as_view(), name="sync-batch"),
]
