from django.urls import path
from django.views.generic import RedirectView

from apps.accounts.views import audit, consent, customer, jobs, keys, members, profile, today, workspace

app_name = "accounts"
urlpatterns = [
    path("", today.today, name="today"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<uuid:public_id>/", jobs.job, name="job"),
    path("jobs/<uuid:public_id>/cancel/", jobs.cancel, name="job-cancel"),
    path("settings/workspace/", workspace.workspace, name="workspace"),
    path("settings/members/", members.members, name="members"),
    path("settings/members/restore/", members.restore, name="member-restore"),
    path("settings/members/<int:membership_id>/role/", members.change_role, name="member-role"),
    path("settings/members/<int:membership_id>/remove/", members.remove, name="member-remove"),
    path("settings/members/<int:membership_id>/invite/", members.send_again, name="member-invite"),
    path("settings/keys/", keys.keys, name="keys"),
    path("settings/keys/<int:key_id>/revoke/", keys.revoke, name="key-revoke"),
    path("settings/audit/", audit.audit, name="audit"),
    path("settings/audit/check/", audit.check, name="audit-check"),
    path("people/consent/", consent.many, name="consents"),
    path("people/<uuid:public_id>/consent/", consent.person, name="consent"),
    path("profile/", profile.profile, name="profile"),
    path("workspaces/", workspace.switch, name="workspaces"),
    path("workspaces/<int:workspace_id>/enter/", workspace.enter, name="workspace-enter"),
    path("theme/", workspace.theme, name="theme"),
    path("customer/", customer.customer, name="customer"),
    # An address is given with the invitation; allauth's own page must not change it.
    path("account/email/", RedirectView.as_view(pattern_name="accounts:profile"), name="email"),
]
