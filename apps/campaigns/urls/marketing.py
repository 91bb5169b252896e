"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import path

from apps.campaigns.views import predictions

app_name = "campaigns"
urlpatterns = [
    path("predictions/", predictions.predictions, name="predictions"),
]
