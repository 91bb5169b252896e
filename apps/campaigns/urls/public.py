"""What recipients follow from a message, and devices load: no sign-in, a token where one is needed."""

from django.urls import path

from apps.campaigns.views import offline

app_name = "letters"
urlpatterns = [
    path("offline.js", offline.script, name="offline-script"),
]
