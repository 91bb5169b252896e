"""How many requests a minute an API key (or a signed-in user) may make of each family of routes.

A view names its family: `rate_family = "attribution"`; "general" is the default. The limit stands in
settings.RATE_LIMITS, and a workspace may have its own under settings["rate_limits"]; a change is known to
every process after OVERRIDES_SECONDS. Without Redis, tracking goes on; what spends money, calls AI or
starts an analysis is refused; all else is counted per process, against this process's share of the limit.
"""

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.accounts import bodies, metrics
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.accounts.quotas import WINDOW_SECONDS, Count, Quotas
from apps.accounts.redis_link import ASK_AGAIN_SECONDS, RedisLost, link

if TYPE_CHECKING:  # REST framework's views read the setting that names this module
    from rest_framework.views import APIView

DEFAULT_FAMILY = "general"
# Counted out of leases, so that an event costs no round trip to Redis; goes on when Redis is lost.
TRACKING = "tracking"
# Their writes spend money, call AI or start an analysis: never uncounted.
COSTLY = {"attribution", "ai_content", "campaigns"}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OVERRIDES_SECONDS = 10.0
OVERRIDES_KEPT = 10_000


class TooManyRequests(DomainError):
    code = "rate_limited"
    status = 429


class LimitsUnknown(DomainError):
    code = "limits_unavailable"
    status = 503


@dataclass(frozen=True)
class Verdict:
    """What was counted for a request, and under which family."""

    family: str
    count: Count

    @property
    def headers(self) -> dict[str, str]:
        """The limit and what is left of it (draft-ietf-httpapi-ratelimit-headers-10)."""
        left, reset = self.count.remaining, self.count.reset_seconds
        return {
            "RateLimit-Policy": _policy(self.family, self.count.limit),
            "RateLimit": f'"{self.family}";r={left};t={reset}',
        }


class FamilyThrottle(BaseThrottle):
    """REST framework's door to `count`. Anonymous requests are not counted: only the docs answer them."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        plain: HttpRequest = request._request
        actor: Actor | None = getattr(plain, "actor", None)
        if actor is not None:
            family = getattr(view, "rate_family", DEFAULT_FAMILY)
            is_costly = family in COSTLY and plain.method not in SAFE_METHODS
            verdict = count(actor, family, is_costly=is_costly)
            plain.rate_verdict = verdict  # type: ignore[attr-defined]
            require(verdict)
        return True


def count(actor: Actor, family: str, *, cost: int = 1, is_costly: bool = False) -> Verdict:
    """Count one request, or `cost` of them. Raises LimitsUnknown for a costly one while Redis is lost."""
    limit, key = limit_of(actor.workspace_id, family), f"{actor.workspace_id}:{actor.rate_limit_key}:{family}"
    quotas = _quotas(settings.REDIS_URL)
    take = quotas.take_leased if family == TRACKING else quotas.take
    try:
        counted = take(key, limit=limit, cost=cost)
    except RedisLost:
        counted = _without_redis(quotas, key, family=family, limit=limit, cost=cost, is_costly=is_costly)
    return Verdict(family, counted)


def count_more(request: Request, family: str, cost: int) -> None:
    """Count `cost` requests more for one that was let in and holds so many. Raises TooManyRequests, or
    TooLarge for more of them than a whole minute has.
    """
    if cost > 0:
        plain: HttpRequest = request._request
        verdict = more(plain.actor, family, cost)  # type: ignore[attr-defined]
        plain.rate_verdict = verdict  # type: ignore[attr-defined]
        require(verdict)


def more(actor: Actor, family: str, cost: int) -> Verdict:
    """So many requests more for one that was let in. Raises TooLarge for more than a whole minute has."""
    limit = limit_of(actor.workspace_id, family)
    if cost >= limit:
        raise bodies.TooLarge(f"It counts as {cost + 1:,} requests of {limit:,} a minute. Send it in parts.")
    return count(actor, family, cost=cost)


def require(verdict: Verdict) -> None:
    """Raise TooManyRequests unless the request was admitted."""
    if not verdict.count.is_admitted:
        metrics.RATE_LIMIT_REFUSALS.labels(verdict.family, "over_limit").inc()
        raise TooManyRequests(
            f"More than {verdict.count.limit:,} requests a minute. "
            f"Try again in {verdict.count.reset_seconds} s.",
            retry_after_seconds=verdict.count.reset_seconds,
        )


def limit_of(workspace_id: int, family: str) -> int:
    """Requests a minute: the workspace's own number, else the default."""
    limit: int = _overrides(workspace_id).get(family, settings.RATE_LIMITS[family])
    return limit


def describe(request: HttpRequest, response: HttpResponse) -> None:
    """Write the limit on an API answer, and what is left of it where it was counted."""
    actor: Actor | None = getattr(request, "actor", None)
    verdict: Verdict | None = getattr(request, "rate_verdict", None)
    is_broken = response.status_code >= 500 and verdict is None
    if actor is None or is_broken or not request.path.startswith("/api/"):
        return
    if verdict:
        for name, value in verdict.headers.items():
            response.headers[name] = value
    else:
        family = _family_of_route(request)
        response.headers["RateLimit-Policy"] = _policy(family, limit_of(actor.workspace_id, family))


def _policy(family: str, limit: int) -> str:
    return f'"{family}";q={limit};w={WINDOW_SECONDS}'


def _without_redis(quotas: Quotas, key: str, *, family: str, limit: int, cost: int, is_costly: bool) -> Count:
    if is_costly:
        metrics.REDIS_FALLBACKS.labels(family, "refused").inc()
        raise LimitsUnknown(
            "Requests cannot be counted at the moment, and nothing that costs money starts uncounted. "
            "Try again in a few seconds.",
            retry_after_seconds=round(ASK_AGAIN_SECONDS) + 1,
        )
    if family == TRACKING:
        metrics.REDIS_FALLBACKS.labels(family, "uncounted").inc()
        return Count(is_admitted=True, limit=limit, remaining=limit, reset_seconds=WINDOW_SECONDS)
    metrics.REDIS_FALLBACKS.labels(family, "counted_alone").inc()
    share = max(1, limit // settings.WEB_PROCESSES)
    return quotas.take_alone(key, limit=share, cost=cost)


def _family_of_route(request: HttpRequest) -> str:
    view = request.resolver_match.func if request.resolver_match else None
    view_class = getattr(view, "cls", getattr(view, "view_class", None))
    return getattr(view_class, "rate_family", DEFAULT_FAMILY)


_overrides_known: dict[int, tuple[float, dict[str, int]]] = {}


def _overrides(workspace_id: int) -> dict[str, int]:
    known_until, overrides = _overrides_known.get(workspace_id, (0.0, {}))
    now = time.monotonic()
    if now >= known_until:
        if len(_overrides_known) > OVERRIDES_KEPT:
            _overrides_known.clear()
        row = Workspace.objects.filter(pk=workspace_id).values_list("settings", flat=True).first()
        overrides = (row or {}).get("rate_limits", {})
        _overrides_known[workspace_id] = (now + OVERRIDES_SECONDS, overrides)
    return overrides


@cache
def _quotas(url: str) -> Quotas:
    return Quotas(link())
