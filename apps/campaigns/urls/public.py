"""What recipients follow from a message, and devices load: no sign-in, a token where one is needed."""

from django.urls import path

from apps.campaigns.views import letters, offline, sign_up

app_name = "letters"
urlpatterns = [
    path("offline.js", offline.script, name="offline-script"),
    path("c/<str:token>/<int:number>", letters.click, name="click"),
    path("o/<str:token>.gif", letters.opened, name="open"),
    path("u/<str:token>", letters.unsubscribe, name="unsubscribe"),
    path("preferences/<str:token>", letters.preferences, name="preferences"),
    path("confirm/<str:token>", sign_up.confirm, name="confirm"),
    path("subscribe/<slug:workspace>/<slug:topic>", sign_up.subscribe, name="subscribe"),
]
