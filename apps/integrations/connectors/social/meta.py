"""What Facebook and Instagram have in common: Graph's errors, pages of rows, and metrics."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from apps.integrations.client import Client
from apps.integrations.connectors.ads import meta
from apps.integrations.connectors.social.network import DUPLICATE, RECENT
from apps.integrations.http import Request, Response
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.services import Credentials, OAuth

VERSION = "v26.0"
BASE_URL = "https://graph.facebook.com/{version}"
SIGN_IN = OAuth(
    authorize_url="https://www.facebook.com/v26.0/dialog/oauth",
    token_url="https://graph.facebook.com/v26.0/oauth/access_token",  # noqa: S106 - an address
)
# What a second publication of the same is answered with.
SAME_AGAIN = 506
FETCH_AGAIN = {2_207_001, 2_207_003, 2_207_020, 2_207_032, 2_207_053}
DAY_IS_FULL, RESTRICTED = 2_207_042, 2_207_050
NOT_THERE = "100.33"


def sign(request: Request, credentials: Credentials) -> Request:
    """Bearer token; a request of a page brings the page's own."""
    return request if "Authorization" in request.headers else meta.sign(request, credentials)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """As for advertisements, and what only publishing is answered with."""
    outcome = meta.classify(response, is_idempotent, now)
    error = response.json_object().get("error")
    if outcome.is_good or not isinstance(error, dict):
        return outcome
    if error.get("code") == SAME_AGAIN:
        return replace(outcome, code=DUPLICATE)
    kind = kind_of_media(int(error.get("error_subcode") or 0))
    return outcome if kind is None else replace(outcome, kind=kind)


def kind_of_media(subcode: int) -> Kind | None:
    """What Instagram's codes of media mean to us, or None for any other."""
    if subcode in FETCH_AGAIN:
        return Kind.RETRYABLE
    if subcode == DAY_IS_FULL:
        return Kind.QUOTA_EXHAUSTED
    if subcode == RESTRICTED:
        return Kind.PERMANENT_CONFIG
    return Kind.PERMANENT_DATA if 2_207_000 <= subcode < 2_208_000 else None


def rows(client: Client, name: str, path: str, headers: Mapping[str, str], **params: Any) -> list[Any]:
    """The first rows of a list. Raises ServiceError."""
    request = Request(method="GET", url=path, headers=headers, params={"limit": RECENT, **params})
    return list(client.require(name, request).get("data", []))


def insights(
    client: Client, path: str, headers: Mapping[str, str], metrics: str, **params: Any
) -> dict[str, Any]:
    """The newest value of each metric; one by kinds is their sum. Raises ServiceError."""
    request = Request(
        method="GET", url=f"{path}/insights", headers=headers, params={"metric": metrics, **params}
    )
    found = client.require("insights.read", request).get("data", [])
    return {one["name"]: _value(one) for one in found if one.get("values") or one.get("total_value")}


def _value(metric: Mapping[str, Any]) -> Any:
    told = metric["values"][-1]["value"] if metric.get("values") else metric["total_value"]["value"]
    return sum(told.values()) if isinstance(told, dict) else told


def when(text: str) -> datetime:
    """Graph's time, such as 2026-11-30T03:00:00+0000."""
    return datetime.fromisoformat(text)
