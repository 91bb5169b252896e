"""Pages of campaigns, audiences, journeys and reports, for colleagues."""

from django.urls import URLPattern

app_name = "campaigns"
urlpatterns: list[URLPattern] = []
