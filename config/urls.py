"""The only file that mounts app urls."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from apps.accounts.doors import chart_page
from apps.accounts.views import health
from apps.campaigns.api.marketing.bi import MarketingHealthView
from apps.campaigns.api.marketing.sync import SyncBatchView
from apps.campaigns.views import report
from apps.integrations.views import hooks

urlpatterns = [
    path("", include("apps.accounts.urls")),
    path("attribution/", include("apps.attribution.urls")),
    path("integrations/", include("apps.integrations.urls")),
    path("optimization/", include("apps.campaigns.urls.optimization")),
    path("campaigns/", include("apps.campaigns.urls.marketing")),
    path("", include("apps.campaigns.urls.public")),
    path("hooks/unsubscribe/<str:token>/", hooks.unsubscribe, name="unsubscribe"),
    path("hooks/", include("apps.integrations.hooks")),
    path("account/", include("allauth.account.urls")),
    path("account/2fa/", include("allauth.mfa.urls")),
    path("staff/", admin.site.urls),
    path("api/v1/", include("apps.accounts.api.urls")),
    path("api/v1/attribution/", include("apps.attribution.api.urls")),
    path("api/v1/integrations/", include("apps.integrations.api.urls")),
    path("api/v1/optimization/", include("apps.campaigns.api.optimization.urls")),
    path("api/v1/sync/batch", SyncBatchView.as_view(schema=None), name="sync-batch"),
    path("api/v1/marketing/", include("apps.campaigns.api.marketing.urls")),
    # The same views at the addresses that programs of the system before this one know.
    path("api/marketing/", include("apps.campaigns.api.marketing.urls", namespace="marketing-unversioned")),
    path(
        "api/marketing/attribution/",
        include("apps.attribution.api.urls", namespace="attribution-unversioned"),
    ),
    path("health/marketing", MarketingHealthView.as_view(schema=None), name="health-marketing"),
    path("dashboard/marketing", report.report, name="dashboard-marketing"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", chart_page(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="api-docs"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", health.prometheus, name="metrics"),
]

handler400 = "apps.accounts.views.errors.bad_request"
handler403 = "apps.accounts.views.errors.permission_denied"
handler404 = "apps.accounts.views.errors.not_found"
handler500 = "apps.accounts.views.errors.server_error"
