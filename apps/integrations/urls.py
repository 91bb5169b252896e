from django.urls import path

from apps.integrations.views import connections, conversions, modes, monitoring, social, sync, webhooks

app_name = "integrations"
urlpatterns = [
    path("", connections.listed, name="connections"),
    path("conversions/", conversions.conversions, name="conversions"),
    path("connect/<slug:service>/", connections.connect, name="connect"),
    path("signed-in/", connections.signed_in, name="signed-in"),
    path("incidents/", monitoring.listed, name="incidents"),
    path("incidents/<uuid:public_id>/", monitoring.incident, name="incident"),
    path("incidents/<uuid:public_id>/acknowledge/", monitoring.acknowledge, name="incident-acknowledge"),
    path("incidents/<uuid:public_id>/resolve/", monitoring.resolve, name="incident-resolve"),
    path("rules/", monitoring.rules_listed, name="rules"),
    path("rules/<slug:key>/", monitoring.rule_changed, name="rule"),
    path("status/", monitoring.services_listed, name="status"),
    path("social/", social.listed, name="social"),
    path("social/new/", social.new, name="social-new"),
    path("social/mentions/", social.mentions, name="social-mentions"),
    path("social/<uuid:public_id>/", social.post, name="social-post"),
    path("social/<uuid:public_id>/change/", social.change, name="social-change"),
    path("social/<uuid:public_id>/approve/", social.approve, name="social-approve"),
    path("social/<uuid:public_id>/withdraw/", social.withdraw, name="social-withdraw"),
    path("social/<uuid:public_id>/discard/", social.discard, name="social-discard"),
    path("social/<uuid:public_id>/take-down/", social.take_down, name="social-take-down"),
    path("social/accounts/<uuid:public_id>/pause/", social.pause, name="social-pause"),
    path("social/accounts/<uuid:public_id>/resume/", social.resume, name="social-resume"),
    path("social/accounts/<uuid:public_id>/limit/", social.limit, name="social-limit"),
    path("wedding-days/", modes.wedding_days, name="wedding-days"),
    path("wedding-days/emergency/", modes.begin, name="emergency"),
    path("wedding-days/end/", modes.end, name="mode-end"),
    path("<uuid:public_id>/", connections.connection, name="connection"),
    path("<uuid:public_id>/test/", connections.test, name="connection-test"),
    path("<uuid:public_id>/read/", connections.read_now, name="connection-read"),
    path("<uuid:public_id>/disconnect/", connections.disconnect, name="connection-disconnect"),
    path("<uuid:public_id>/records/", sync.overview_of, name="sync"),
    path("<uuid:public_id>/records/read/", sync.run, name="sync-run"),
    path("<uuid:public_id>/records/check/", sync.check, name="sync-check"),
    path("<uuid:public_id>/records/file/", sync.bring, name="import-new"),
    path("streams/<uuid:stream_id>/", sync.stream_changed, name="sync-stream"),
    path("reports/<uuid:report_id>/repair/", sync.repair, name="report-repair"),
    path("records/", sync.listed, name="records"),
    path("records/<uuid:record_id>/", sync.record, name="record"),
    path("records/<uuid:record_id>/send/", sync.send, name="record-send"),
    path("conflicts/", sync.conflicts, name="conflicts"),
    path("conflicts/<uuid:conflict_id>/", sync.settle, name="conflict"),
    path("files/<uuid:import_id>/", sync.brought, name="import"),
    *(
        path(f"files/<uuid:import_id>/{deed}/", sync.import_act, {"deed": deed}, name=f"import-{deed}")
        for deed in ("apply", "undo", "drop")
    ),
    path("webhooks/", webhooks.listed, name="webhooks"),
    path("webhooks/<uuid:endpoint_id>/", webhooks.endpoint, name="webhook"),
    path("webhooks/<uuid:endpoint_id>/test/", webhooks.test, name="webhook-test"),
    path("webhooks/<uuid:endpoint_id>/rotate/", webhooks.rotate, name="webhook-rotate"),
    path("webhooks/<uuid:endpoint_id>/turn-on/", webhooks.turn_on, name="webhook-turn-on"),
    path("webhooks/<uuid:endpoint_id>/delete/", webhooks.delete, name="webhook-delete"),
    path(
        "webhooks/<uuid:endpoint_id>/redeliver/<uuid:call_id>/", webhooks.redeliver, name="webhook-redeliver"
    ),
    path("calls/<uuid:call_id>/replay/", connections.replay, name="call-replay"),
    path("calls/<uuid:call_id>/cancel/", connections.cancel, name="call-cancel"),
]
