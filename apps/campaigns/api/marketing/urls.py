from django.urls import path

from apps.campaigns.api.marketing import preferences, suppressions, topics

app_name = "marketing-api"
urlpatterns = [
    path("topics", topics.TopicsView.as_view(), name="topics"),
    path("topics/<slug:key>", topics.TopicView.as_view(), name="topic"),
    path("suppressions", suppressions.SuppressionsView.as_view(), name="suppressions"),
    path(
        "suppressions/<int:suppression_id>/remove",
        suppressions.SuppressionRemoveView.as_view(),
        name="suppression-remove",
    ),
    path("preferences", preferences.PreferencesView.as_view(), name="preferences"),
    path("preferences/subscribe", preferences.SubscribeView.as_view(), name="subscribe"),
]
