"""For load balancers and Prometheus. No sign-in: they tell states and counts, nothing personal."""

import hmac
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from apps.accounts import health, metrics
from apps.accounts.errors import json_error

FORWARDING = ("X-Forwarded-For", "Forwarded", "X-Real-Ip")


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    report = health.report()
    return JsonResponse(report, status=503 if report["status"] == "down" else 200)


@require_safe
@never_cache
def prometheus(request: HttpRequest) -> HttpResponse:
    if not _may_read_metrics(request):
        return json_error(
            status=403,
            code="permission_denied",
            detail="Metrics need METRICS_TOKEN as a bearer token; without one they stay on this machine.",
        )
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        presented = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        return hmac.compare_digest(presented, settings.METRICS_TOKEN.encode())
    # Behind a proxy on this machine everybody would come from loopback.
    is_forwarded = any(name in request.headers for name in FORWARDING)
    return not is_forwarded and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
