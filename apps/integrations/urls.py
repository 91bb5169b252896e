from django.urls import path

from apps.integrations.views import connections, conversions

app_name = "integrations"
urlpatterns = [
    path("", connections.listed, name="connections"),
    path("conversions/", conversions.conversions, name="conversions"),
    path("connect/<slug:service>/", connections.connect, name="connect"),
    path("signed-in/", connections.signed_in, name="signed-in"),
    path("<uuid:public_id>/", connections.connection, name="connection"),
    path("<uuid:public_id>/test/", connections.test, name="connection-test"),
    path("<uuid:public_id>/read/", connections.read_now, name="connection-read"),
    path("<uuid:public_id>/disconnect/", connections.disconnect, name="connection-disconnect"),
    path("calls/<uuid:call_id>/replay/", connections.replay, name="call-replay"),
    path("calls/<uuid:call_id>/cancel/", connections.cancel, name="call-cancel"),
]
