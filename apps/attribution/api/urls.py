from django.urls import path

from apps.attribution.api.views import analysis, tracking

app_name = "attribution-api"
urlpatterns = [
    path("track/event", tracking.TrackEventView.as_view(), name="track-event"),
    path("track/conversion", tracking.TrackConversionView.as_view(), name="track-conversion"),
    path("track/batch", tracking.TrackBatchView.as_view(), name="track-batch"),
    path("track/spend", tracking.TrackSpendView.as_view(), name="track-spend"),
    path("identify", tracking.IdentifyView.as_view(), name="identify"),
    path("analyze/journey", analysis.AnalyzeJourneyView.as_view(), name="analyze-journey"),
    path("analyze/batch", analysis.AnalyzeBatchView.as_view(), name="analyze-batch"),
    path("analyze/batch/<uuid:job_id>", analysis.BatchResultView.as_view(), name="analyze-batch-result"),
    path("train/markov", analysis.TrainMarkovView.as_view(), name="train-markov"),
    path("models/status", analysis.ModelsStatusView.as_view(), name="models-status"),
    path("health", analysis.HealthView.as_view(), name="health"),
    path("channels", tracking.ChannelsView.as_view(), name="channel-list"),
    path("channel-rules", tracking.ChannelRulesView.as_view(), name="channel-rules"),
]
