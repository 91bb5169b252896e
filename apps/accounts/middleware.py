"""What every request passes: a log line, then who asks and in which workspace."""

import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext

import structlog
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware
from django.utils import timezone

from apps.accounts import api_keys, members, metrics, scoping, throttling
from apps.accounts.permissions import Actor

log = structlog.get_logger(__name__)

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Asked by machines every few seconds: no session, no actor, no database before the view.
FOR_MACHINES = ("/health/live", "/health/ready", "/metrics")
# Where a key says who asks.
FOR_PROGRAMS = ("/api/", "/health/marketing")
GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestLogMiddleware:
    """One line per request.

    Method, route, status, time. The route, not the path: an id in a path may be personal.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid.uuid4().hex
        started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            route = request.resolver_match.route if request.resolver_match else "(none)"
            seconds, status = time.perf_counter() - started, response.status_code
            metrics.observe(route=route, method=request.method, status=status, seconds=seconds)
            write = log.info if status < 500 else log.error
            write("request", method=request.method, route=route, status=status, ms=round(seconds * 1000, 1))
        response.headers["X-Request-Id"] = request_id
        return response


class SlashForReadersMiddleware(CommonMiddleware):
    """Add a missing slash for whoever reads a page, never for the API and never for what was sent.

    A redirect would drop the body.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        is_page = request.method in SAFE_METHODS and not request.path.startswith("/api/")
        return is_page and super().should_redirect_with_slash(request)


class WorkspaceMiddleware:
    """Find the actor (API key or signed-in user) and run the view in their workspace.

    Sets request.actor (None when nobody is known), request.workspace_id and request.key_refused (why a key
    was not accepted). A reading request is one transaction: one snapshot, and the workspace is told to the
    database once.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.key_refused = None  # type: ignore[attr-defined]
        actor = request.actor = self._actor(request)  # type: ignore[attr-defined]
        request.workspace_id = actor.workspace_id if actor else None  # type: ignore[attr-defined]
        if actor is None:
            return self.get_response(request)
        structlog.contextvars.bind_contextvars(workspace_id=actor.workspace_id, actor=actor.rate_limit_key)
        with scoping.workspace(actor.workspace_id), self._snapshot(request):
            response = self.get_response(request)
            throttling.describe(request, response)
            return response

    def _actor(self, request: HttpRequest) -> Actor | None:
        if request.path.startswith(FOR_MACHINES):
            return None
        if secret := _presented_key(request):
            try:
                return api_keys.authenticate(secret, now=timezone.now())
            except api_keys.KeyRefused as refusal:
                request.key_refused = refusal  # type: ignore[attr-defined]
                return None
        return members.actor_of(request.user, request.session) if request.user.is_authenticated else None

    def _snapshot(self, request: HttpRequest):  # type: ignore[no-untyped-def]
        return transaction.atomic() if request.method in SAFE_METHODS else nullcontext()


def _presented_key(request: HttpRequest) -> str | None:
    """The API key of a request.

    `Authorization: Bearer bw_…` or `X-Api-Key: bw_…`. Only the API takes keys.
    """
    if not request.path.startswith(FOR_PROGRAMS):
        return None
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.headers.get("X-Api-Key")
