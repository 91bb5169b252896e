from django.urls import path

from apps.integrations.api import modes, monitoring, social, sync, views

app_name = "integrations-api"
urlpatterns = [
    path("connections", views.ConnectionsView.as_view(), name="connections"),
    path("connections/<uuid:public_id>", views.ConnectionView.as_view(), name="connection"),
    path("connections/<uuid:public_id>/test", views.ConnectionTestView.as_view(), name="connection-test"),
    path("connections/<uuid:public_id>/sync", sync.ConnectionSyncView.as_view(), name="connection-sync"),
    path("connections/<uuid:public_id>/check", sync.ConnectionCheckView.as_view(), name="connection-check"),
    path("connections/<uuid:public_id>/imports", sync.ImportsView.as_view(), name="imports"),
    path("sync/streams", sync.StreamsView.as_view(), name="sync-streams"),
    path("sync/streams/<uuid:stream_id>", sync.StreamView.as_view(), name="sync-stream"),
    path("sync/records", sync.RecordsView.as_view(), name="records"),
    path("sync/records/<uuid:record_id>", sync.RecordView.as_view(), name="record"),
    path("sync/records/<uuid:record_id>/send", sync.RecordSendView.as_view(), name="record-send"),
    path("sync/records/<uuid:record_id>/trail", sync.RecordTrailView.as_view(), name="record-trail"),
    path("sync/conflicts", sync.ConflictsView.as_view(), name="conflicts"),
    path(
        "sync/conflicts/<uuid:conflict_id>/settle", sync.ConflictSettleView.as_view(), name="conflict-settle"
    ),
    path("sync/reports", sync.ReportsView.as_view(), name="reports"),
    path("sync/reports/<uuid:report_id>/repair", sync.ReportRepairView.as_view(), name="report-repair"),
    path("sync/imports/<uuid:import_id>", sync.ImportView.as_view(), name="import"),
    path("sync/imports/<uuid:import_id>/apply", sync.ImportApplyView.as_view(), name="import-apply"),
    path("sync/imports/<uuid:import_id>/undo", sync.ImportUndoView.as_view(), name="import-undo"),
    path("webhooks", views.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<uuid:endpoint_id>", views.WebhookView.as_view(), name="webhook"),
    path("webhooks/<uuid:endpoint_id>/test", views.WebhookTestView.as_view(), name="webhook-test"),
    path("webhooks/<uuid:endpoint_id>/rotate", views.WebhookRotateView.as_view(), name="webhook-rotate"),
    path("webhooks/<uuid:endpoint_id>/turn-on", views.WebhookTurnOnView.as_view(), name="webhook-turn-on"),
    path(
        "webhooks/<uuid:endpoint_id>/messages", views.WebhookMessagesView.as_view(), name="webhook-messages"
    ),
    path(
        "webhooks/<uuid:endpoint_id>/messages/<uuid:call_id>/redeliver",
        views.WebhookRedeliverView.as_view(),
        name="webhook-redeliver",
    ),
    path("conversions", views.ConversionsView.as_view(), name="conversions"),
    path("calls", views.CallsView.as_view(), name="calls"),
    path("calls/<uuid:call_id>/trail", views.CallTrailView.as_view(), name="call-trail"),
    path("calls/<uuid:call_id>/replay", views.CallReplayView.as_view(), name="call-replay"),
    path("calls/<uuid:call_id>/cancel", views.CallCancelView.as_view(), name="call-cancel"),
    path("incidents", monitoring.IncidentsView.as_view(), name="incidents"),
    path("incidents/<uuid:public_id>", monitoring.IncidentView.as_view(), name="incident"),
    path(
        "incidents/<uuid:public_id>/acknowledge",
        monitoring.IncidentAcknowledgeView.as_view(),
        name="incident-acknowledge",
    ),
    path(
        "incidents/<uuid:public_id>/resolve",
        monitoring.IncidentResolveView.as_view(),
        name="incident-resolve",
    ),
    path("rules", monitoring.RulesView.as_view(), name="rules"),
    path("rules/<slug:key>", monitoring.RuleView.as_view(), name="rule"),
    path("social/posts", social.PostsView.as_view(), name="social-posts"),
    path("social/previews", social.PreviewsView.as_view(), name="social-previews"),
    path("social/posts/<uuid:post_id>", social.PostView.as_view(), name="social-post"),
    path("social/posts/<uuid:post_id>/withdraw", social.PostWithdrawView.as_view(), name="social-withdraw"),
    path("social/posts/<uuid:post_id>/take-down", social.PostTakeDownView.as_view(), name="social-take-down"),
    path("social/accounts", social.AccountsView.as_view(), name="social-accounts"),
    path("social/accounts/<uuid:public_id>", social.AccountView.as_view(), name="social-account"),
    path("social/accounts/<uuid:public_id>/pause", social.AccountPauseView.as_view(), name="social-pause"),
    path("social/accounts/<uuid:public_id>/resume", social.AccountResumeView.as_view(), name="social-resume"),
    path("social/mentions", social.MentionsView.as_view(), name="social-mentions"),
    path("mode", modes.ModeView.as_view(), name="mode"),
    path("mode/emergency", modes.EmergencyView.as_view(), name="emergency"),
    path("mode/end", modes.ModeEndView.as_view(), name="mode-end"),
    path("status", monitoring.StatusView.as_view(), name="status"),
]
