from django.urls import path

from apps.campaigns.api.marketing import journeys

app_name = "marketing-api"
_JOURNEY = "journeys/<uuid:journey_id>"
urlpatterns = [
    path("journeys", journeys.JourneysView.as_view(), name="journeys"),
    path("journeys/sources", journeys.JourneySourcesView.as_view(), name="journey-sources"),
    path("journeys/patterns", journeys.JourneyPatternsView.as_view(), name="journey-patterns"),
    path("journeys/tasks", journeys.JourneyTasksView.as_view(), name="journey-tasks"),
    path("journeys/tasks/<uuid:task_id>", journeys.JourneyTaskView.as_view(), name="journey-task"),
    path(_JOURNEY, journeys.JourneyView.as_view(), name="journey"),
    path(f"{_JOURNEY}/checks", journeys.JourneyChecksView.as_view(), name="journey-checks"),
    path(f"{_JOURNEY}/publish", journeys.JourneyPublishView.as_view(), name="journey-publish"),
    path(f"{_JOURNEY}/pause", journeys.JourneyPauseView.as_view(), name="journey-pause"),
    path(f"{_JOURNEY}/resume", journeys.JourneyResumeView.as_view(), name="journey-resume"),
    path(f"{_JOURNEY}/stop", journeys.JourneyStopView.as_view(), name="journey-stop"),
    path(f"{_JOURNEY}/enter", journeys.JourneyEnterView.as_view(), name="journey-enter"),
    path(f"{_JOURNEY}/stats", journeys.JourneyStatsView.as_view(), name="journey-stats"),
    path(f"{_JOURNEY}/versions", journeys.JourneyVersionsView.as_view(), name="journey-versions"),
    path(f"{_JOURNEY}/move", journeys.JourneyMoveView.as_view(), name="journey-move"),
]
