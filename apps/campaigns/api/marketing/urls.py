from django.urls import path

from apps.campaigns.api.marketing import ai_content

app_name = "marketing-api"
urlpatterns = [
    path("ai-content", ai_content.AiContentView.as_view(), name="ai-content"),
    path("ai-content/predictions", ai_content.PredictionsView.as_view(), name="ai-predictions"),
    path("ai-content/switch", ai_content.AiSwitchView.as_view(), name="ai-switch"),
    path("ai-content/<uuid:draft_id>", ai_content.AiDraftView.as_view(), name="ai-draft"),
    path("ai-content/<uuid:draft_id>/take", ai_content.AiTakeView.as_view(), name="ai-take"),
]
