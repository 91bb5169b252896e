from django.urls import path

from apps.accounts.api import consent, privacy, views

app_name = "accounts-api"
urlpatterns = [
    path("jobs/<uuid:public_id>", views.JobView.as_view(), name="job"),
    path("jobs/<uuid:public_id>/cancel", views.JobCancelView.as_view(), name="job-cancel"),
    path("api-keys", views.ApiKeysView.as_view(), name="api-key-list"),
    path("api-keys/<int:key_id>/revoke", views.ApiKeyRevokeView.as_view(), name="api-key-revoke"),
    path("people/consent", consent.ConsentView.as_view(), name="consent"),
    path("people/consent/purposes", consent.ConsentPurposesView.as_view(), name="consent-purposes"),
    path("people/find", privacy.PersonFindView.as_view(), name="person-find"),
    path("people/<uuid:person_id>/export", privacy.PersonExportView.as_view(), name="person-export"),
    path("people/<uuid:person_id>/erase", privacy.PersonEraseView.as_view(), name="person-erase"),
    path("workspace", views.WorkspaceView.as_view(), name="workspace"),
    path("audit", views.AuditView.as_view(), name="audit"),
    path("audit/verify", views.AuditVerifyView.as_view(), name="audit-verify"),
]
