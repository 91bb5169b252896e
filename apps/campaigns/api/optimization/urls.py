from django.urls import path

from apps.campaigns.api.optimization import views

app_name = "optimization-api"
_ONE = "recommendations/<uuid:recommendation_id>"
urlpatterns = [
    path("allocate", views.AllocateView.as_view(), name="allocate"),
    path("analyze", views.AnalyzeView.as_view(), name="analyze"),
    path("runs/latest", views.RunView.as_view(), name="run"),
    path("frontier", views.FrontierView.as_view(), name="frontier"),
    path("forecast", views.ForecastView.as_view(), name="forecast"),
    path("bids", views.BidsView.as_view(), name="bids"),
    path("recommendations", views.RecommendationsView.as_view(), name="recommendations"),
    path(_ONE, views.RecommendationView.as_view(), name="recommendation"),
    path(f"{_ONE}/approve", views.ApproveView.as_view(), name="approve"),
    path(f"{_ONE}/reject", views.RejectView.as_view(), name="reject"),
    path(f"{_ONE}/done-by-hand", views.DoneByHandView.as_view(), name="done-by-hand"),
    path(f"{_ONE}/execute", views.ExecuteView.as_view(), name="execute"),
    path(f"{_ONE}/rollback", views.RollBackView.as_view(), name="rollback"),
    path("track-record", views.TrackRecordView.as_view(), name="track-record"),
    path("policy", views.PolicyView.as_view(), name="policy"),
    path("auto-rules", views.AutoRulesView.as_view(), name="auto-rules"),
    path("caps", views.CapsView.as_view(), name="caps"),
    path("stop", views.StopView.as_view(), name="stop"),
    path("restart", views.RestartView.as_view(), name="restart"),
]
