from django.urls import path

from apps.integrations.api import views

app_name = "integrations-api"
urlpatterns = [
    path("connections", views.ConnectionsView.as_view(), name="connections"),
    path("connections/<uuid:public_id>", views.ConnectionView.as_view(), name="connection"),
    path("connections/<uuid:public_id>/test", views.ConnectionTestView.as_view(), name="connection-test"),
    path("conversions", views.ConversionsView.as_view(), name="conversions"),
    path("calls", views.CallsView.as_view(), name="calls"),
    path("calls/<uuid:call_id>/trail", views.CallTrailView.as_view(), name="call-trail"),
    path("calls/<uuid:call_id>/replay", views.CallReplayView.as_view(), name="call-replay"),
    path("calls/<uuid:call_id>/cancel", views.CallCancelView.as_view(), name="call-cancel"),
]
