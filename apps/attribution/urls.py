from django.urls import path

from apps.attribution.views import (
    accuracy,
    channels,
    data_health,
    drilldown,
    experiments,
    first_event,
    goals,
    imports,
    lift_tests,
    models,
    overview,
)

app_name = "attribution"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("export/", overview.export, name="export"),
    path("channel/<str:key>/", drilldown.channel, name="channel"),
    path("journeys/", drilldown.journeys, name="journeys"),
    path("journeys/<uuid:public_id>/", drilldown.person, name="person"),
    path("models/", models.models, name="models"),
    path("accuracy/", accuracy.figures, name="accuracy"),
    path("goals/", goals.listed, name="goals"),
    path("goals/edit/", goals.edit, name="goal-edit"),
    path("goals/reach/", goals.reach, name="goals-reach"),
    path("channels/", channels.rules, name="channels"),
    path("channels/preview/", channels.preview, name="channels-preview"),
    path("import/", imports.imports, name="import"),
    path("import/<int:import_id>/", imports.import_file, name="import-file"),
    path("import/<int:import_id>/set-aside/", imports.rejected, name="import-rejected"),
    path("data-health/", data_health.data_health, name="data-health"),
    path("data-health/<uuid:letter_id>/", data_health.dead_letter, name="dead-letter"),
    path("first-event/", first_event.first_event, name="first-event"),
    path("first-event/latest/", first_event.latest, name="first-event-latest"),
    path("experiments/", experiments.listed, name="experiments"),
    path("experiments/new/", experiments.new, name="experiment-new"),
    path("experiments/<slug:key>/", experiments.experiment, name="experiment"),
    path("lift-tests/", lift_tests.listed, name="lift-tests"),
    path("lift-tests/<int:lift_test_id>/", lift_tests.lift_test, name="lift-test"),
]
