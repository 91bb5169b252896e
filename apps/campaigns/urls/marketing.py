"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import path

from apps.campaigns.views import suppressions, topics

app_name = "campaigns"
urlpatterns = [
    path("topics/", topics.topics, name="topics"),
    path("topics/<slug:key>/", topics.topic, name="topic"),
    path("suppressions/", suppressions.suppressions, name="suppressions"),
    path("suppressions/<int:suppression_id>/remove/", suppressions.remove, name="suppression-remove"),
]
