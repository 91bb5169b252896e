from django.urls import path

from apps.campaigns.api.optimization import limits, planning, recommendations

app_name = "optimization-api"
_ONE = "recommendations/<uuid:recommendation_id>"
urlpatterns = [
    path("allocate", planning.AllocateView.as_view(), name="allocate"),
    path("analyze", planning.AnalyzeView.as_view(), name="analyze"),
    path("runs/latest", planning.RunView.as_view(), name="run"),
    path("frontier", planning.FrontierView.as_view(), name="frontier"),
    path("forecast", planning.ForecastView.as_view(), name="forecast"),
    path("bids", planning.BidsView.as_view(), name="bids"),
    path("recommendations", recommendations.RecommendationsView.as_view(), name="recommendations"),
    path(_ONE, recommendations.RecommendationView.as_view(), name="recommendation"),
    path(f"{_ONE}/approve", recommendations.ApproveView.as_view(), name="approve"),
    path(f"{_ONE}/reject", recommendations.RejectView.as_view(), name="reject"),
    path(f"{_ONE}/done-by-hand", recommendations.DoneByHandView.as_view(), name="done-by-hand"),
    path(f"{_ONE}/execute", recommendations.ExecuteView.as_view(), name="execute"),
    path(f"{_ONE}/rollback", recommendations.RollBackView.as_view(), name="rollback"),
    path("track-record", recommendations.TrackRecordView.as_view(), name="track-record"),
    path("policy", limits.PolicyView.as_view(), name="policy"),
    path("auto-rules", limits.AutoRulesView.as_view(), name="auto-rules"),
    path("caps", limits.CapsView.as_view(), name="caps"),
    path("stop", limits.StopView.as_view(), name="stop"),
    path("restart", limits.RestartView.as_view(), name="restart"),
]
