from django.urls import path

from apps.attribution.views import channels, drilldown, first_event, imports, models, overview

app_name = "attribution"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("export/", overview.export, name="export"),
    path("channel/<str:key>/", drilldown.channel, name="channel"),
    path("journeys/", drilldown.journeys, name="journeys"),
    path("journeys/<uuid:public_id>/", drilldown.person, name="person"),
    path("models/", models.models, name="models"),
    path("channels/", channels.rules, name="channels"),
    path("import/", imports.imports, name="import"),
    path("import/<int:import_id>/", imports.import_file, name="import-file"),
    path("import/<int:import_id>/set-aside/", imports.rejected, name="import-rejected"),
    path("first-event/", first_event.first_event, name="first-event"),
    path("first-event/latest/", first_event.latest, name="first-event-latest"),
]
