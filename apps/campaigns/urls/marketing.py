"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import path

from apps.campaigns.views import journey_edit, journeys

app_name = "campaigns"
_JOURNEY = "journeys/<uuid:journey_id>"
urlpatterns = [
    path("journeys/", journeys.journeys, name="journeys"),
    path("journeys/tasks/", journeys.tasks, name="journey-tasks"),
    path("journeys/tasks/<uuid:task_id>/", journeys.settle, name="journey-task-settle"),
    path(f"{_JOURNEY}/", journeys.journey, name="journey"),
    path(f"{_JOURNEY}/publish/", journeys.publish, name="journey-publish"),
    path(f"{_JOURNEY}/pause/", journeys.pause, name="journey-pause"),
    path(f"{_JOURNEY}/resume/", journeys.resume, name="journey-resume"),
    path(f"{_JOURNEY}/stop/", journeys.stop, name="journey-stop"),
    path(f"{_JOURNEY}/people/", journeys.standing, name="journey-people"),
    path(f"{_JOURNEY}/move/", journeys.move, name="journey-move"),
    path(f"{_JOURNEY}/edit/", journey_edit.edit, name="journey-edit"),
    path(f"{_JOURNEY}/edit/delete/", journey_edit.delete, name="journey-delete"),
    path(f"{_JOURNEY}/edit/add/", journey_edit.add_step, name="journey-add-step"),
    path(f"{_JOURNEY}/edit/steps/<slug:key>/", journey_edit.step, name="journey-step"),
    path(f"{_JOURNEY}/edit/steps/<slug:key>/remove/", journey_edit.remove_step, name="journey-remove-step"),
    path(f"{_JOURNEY}/edit/ways/<slug:kind>/", journey_edit.add_entry, name="journey-add-entry"),
    path(
        f"{_JOURNEY}/edit/ways/<slug:kind>/<int:place>/remove/",
        journey_edit.remove_entry,
        name="journey-remove-entry",
    ),
]
