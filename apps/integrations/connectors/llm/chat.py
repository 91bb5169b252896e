"""Chat completions as OpenAI defines them and many servers speak them.

What a model can do is said by options, never guessed from its name. An answer that was cut short, filtered or
refused is no answer: the caller has a text of its own for that. Never asked while somebody waits for a page.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from apps.accounts import scoping
from apps.integrations import errors, metrics, services
from apps.integrations.client import Client
from apps.integrations.connectors.llm import answers, budget
from apps.integrations.connectors.llm.answers import NoAnswer
from apps.integrations.connectors.llm.placeholders import Placeholders
from apps.integrations.http import Request, Response
from apps.integrations.metrics import Reading, gauge
from apps.integrations.models import Connection
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Credentials, Family, Field, Reach, Service

KEY = "llm"
TOKEN_PARAMS = ("max_completion_tokens", "max_tokens")
HOW: dict[str, Any] = {
    "kind": "write",
    "is_idempotent": True,
    "is_costly": True,
    "timeout_seconds": 60.0,
    "deadline_seconds": 120.0,
}
YES = "yes"
CODES: dict[str, Kind] = {
    "rate_limit_exceeded": Kind.THROTTLED,
    "insufficient_quota": Kind.QUOTA_EXHAUSTED,  # until somebody pays
    "billing_hard_limit_reached": Kind.QUOTA_EXHAUSTED,
    "invalid_api_key": Kind.AUTH_EXPIRED,
    "model_not_found": Kind.PERMANENT_CONFIG,
    "context_length_exceeded": Kind.PERMANENT_DATA,
    "content_policy_violation": Kind.PERMANENT_DATA,
}


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """messages: (role, text) in order. schema: JSON schema of the answer. names: of people in the texts,
    which do not leave the house.
    """

    messages: Sequence[tuple[str, str]]
    most_tokens: int = 800
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    temperature: float | None = None
    names: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Completion:
    """document: the answer as JSON where a schema was asked for. tokens: what it took, 0 from the cache."""

    text: str
    document: Any = None
    tokens: int = 0
    model: str = ""
    is_cached: bool = False


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The code of the error tells a limit that passes from a bill that was not paid."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    document = response.json_object()
    error = document.get("error")
    if isinstance(error, str):
        error = {"message": error}
    if isinstance(error, dict):
        return _of_error(error, response, by_status)
    if by_status.is_good and not document:
        reason = "The model answered with something else than JSON."
        return replace(by_status, kind=Kind.UNKNOWN, status=response.status, reason=reason)
    return by_status


def _of_error(error: Mapping[str, Any], response: Response, by_status: Outcome) -> Outcome:
    code = str(error.get("code") or error.get("type") or "")
    default = Kind.PERMANENT_DATA if by_status.is_good else by_status.kind
    kind = CODES.get(code, default)
    if kind == Kind.RETRYABLE and response.headers.get("x-should-retry") == "false":
        kind = Kind.PERMANENT_DATA
    return replace(
        by_status,
        kind=kind,
        status=response.status,
        code=code,
        reason=f"Model {response.status} {code}: {error.get('message', '')}"[:300],
        scope=Scope.ACCOUNT if kind in {Kind.THROTTLED, Kind.QUOTA_EXHAUSTED} else Scope.CALL,
        trace=response.headers.get("x-request-id", ""),
    )


def sign(request: Request, credentials: Credentials) -> Request:
    key = credentials.get("api_key") or ("" if credentials.get("base_url") else settings.LLM_API_KEY)
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {key}"}) if key else request


def complete(client: Client, prompt: Prompt) -> Completion:
    """Ask, or take what the same question was answered before.

    Raises NoAnswer, budget.TokensSpent or errors.ServiceError; the caller then uses a text of its own.
    """
    hidden = Placeholders(prompt.names)
    body = _body(client.credentials, prompt, hidden)
    key = f"llm:{scoping.current_id()}:{_digest(client, body)}"
    if (known := cache.get(key)) is not None:
        return _shown(Completion(**known, is_cached=True), hidden)
    try:
        found = _asked(client, prompt, body)
    except (NoAnswer, errors.ServiceError):
        metrics.observe("ai.success", 0.0)
        raise
    metrics.observe("ai.success", 1.0)
    kept = {"text": found.text, "document": found.document, "model": found.model}
    cache.set(key, kept, settings.LLM_CACHE_SECONDS)
    return _shown(found, hidden)


def _shown(found: Completion, hidden: Placeholders) -> Completion:
    return replace(found, text=hidden.show(found.text), document=hidden.show(found.document))


def _asked(client: Client, prompt: Prompt, body: dict[str, Any]) -> Completion:
    """One answer; where it does not keep to the schema, one more with the fault named."""
    found = _ask(client, body, prompt)
    if prompt.schema is None:
        return found
    document, fault = answers.parsed(found.text, prompt.schema)
    if fault:
        asked = (
            f"That does not fit: {fault}. Answer again, with JSON that keeps to the schema, and nothing else."
        )
        again = [{"role": "assistant", "content": found.text}, {"role": "user", "content": asked}]
        second = _ask(client, {**body, "messages": [*body["messages"], *again]}, prompt)
        document, fault = answers.parsed(second.text, prompt.schema)
        found = replace(second, tokens=found.tokens + second.tokens)
    if fault:
        raise NoAnswer("invalid", f"The model's answer does not keep to the schema: {fault}.")
    return replace(found, document=document)


def _ask(client: Client, body: dict[str, Any], prompt: Prompt) -> Completion:
    asked = answers.estimate(json.dumps(body["messages"], ensure_ascii=False))
    today, most = client.clock().date(), daily_tokens(client.credentials)
    with budget.reserved(asked + prompt.most_tokens, budget=most, today=today) as held:
        answer: Answer[Any] = client.ask("chat.complete", _request(client, body), **HOW)
        if not answer.outcome.is_good:
            held.used = held.tokens if answer.outcome.kind == Kind.UNKNOWN else 0
            raise errors.of(client.service.name, answer.outcome)
        document = answer.value or {}
        held.used = answers.used(document, asked)
    metrics.observe("llm.tokens", float(held.used))
    return Completion(text=answers.text(document), tokens=held.used, model=str(document.get("model") or ""))


def _request(client: Client, body: Mapping[str, Any], path: str = "/chat/completions") -> Request:
    """A workspace's own address must be public; the operator's may be anywhere."""
    own = str(client.credentials.get("base_url") or "").rstrip("/")
    base = own or settings.LLM_BASE_URL.rstrip("/") or client.service.base_url
    placed = client.service.placed(base + path)
    is_elsewhere = bool(own) and placed == base + path
    if not body:
        return Request(method="GET", url=placed, is_elsewhere=is_elsewhere)
    return Request(method="POST", url=placed, json=body, is_elsewhere=is_elsewhere)


def _body(credentials: Credentials, prompt: Prompt, hidden: Placeholders) -> dict[str, Any]:
    messages = [{"role": role, "content": hidden.hide(text)} for role, text in prompt.messages]
    body: dict[str, Any] = {
        "model": credentials.get("model") or settings.LLM_MODEL,
        "messages": messages,
        credentials.get("token_param") or TOKEN_PARAMS[0]: prompt.most_tokens,
    }
    if prompt.temperature is not None and credentials.get("has_temperature", YES) == YES:
        body["temperature"] = prompt.temperature
    if prompt.schema is not None:
        _ask_for_json(body, credentials, prompt)
    return body


def _ask_for_json(body: dict[str, Any], credentials: Credentials, prompt: Prompt) -> None:
    if credentials.get("has_json_schema", YES) == YES:
        wanted = {"name": prompt.schema_name, "schema": prompt.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return
    schema = json.dumps(prompt.schema, separators=(",", ":"))
    told = f"Answer with JSON that keeps to this schema, and nothing else: {schema}"
    body["messages"] = [{"role": "system", "content": told}, *body["messages"]]


def daily_tokens(credentials: Credentials) -> int:
    """The workspace's own bound, never above the operator's."""
    text = str(credentials.get("daily_tokens") or "")
    own = int(text) if text.isascii() and text.isdigit() and len(text) < 13 else settings.LLM_DAILY_TOKENS
    return min(own, settings.LLM_DAILY_TOKENS)


def _digest(client: Client, body: Mapping[str, Any]) -> str:
    asked = {"at": client.credentials.get("base_url") or settings.LLM_BASE_URL, **body}
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@gauge("llm.tokens_share")
def _tokens_share() -> Iterator[Reading]:
    """How much of the day's tokens is used or held."""
    connected = Connection.objects.filter(service=KEY, state=Connection.State.CONNECTED)
    today = timezone.now().date()
    for connection in connected.order_by("pk"):
        yield Reading(budget.share_used(budget=daily_tokens(connection.options), today=today))


def check(client: Client) -> str:
    """Its list of models; not every server has one."""
    answer: Answer[Any] = client.ask("models.list", _request(client, {}, "/models"))
    if answer.outcome.is_good:
        return f"{len((answer.value or {}).get('data', []))} models."
    if answer.outcome.status in {404, 405, 501}:
        return "It answers, and has no list of its models."
    raise errors.of(client.service.name, answer.outcome)


services.register(
    Service(
        key=KEY,
        name="Language model",
        family=Family.LLM,
        base_url="https://api.openai.com/v1",
        fields=(
            Field(
                key="base_url",
                label="Address",
                help="https://…/v1 of a compatible server. Empty: the one of this installation.",
                is_required=False,
            ),
            Field(key="api_key", label="API key", is_secret=True, is_required=False),
            Field(key="model", label="Model", help="Empty: the one of this installation.", is_required=False),
            Field(
                key="token_param",
                label="How it is told the longest answer",
                is_required=False,
                choices=tuple((name, name) for name in TOKEN_PARAMS),
            ),
            Field(
                key="has_json_schema",
                label="Keeps to a JSON schema",
                is_required=False,
                choices=((YES, "yes"), ("no", "no")),
            ),
            Field(
                key="has_temperature",
                label="Takes a temperature",
                is_required=False,
                choices=((YES, "yes"), ("no", "no")),
            ),
            Field(
                key="daily_tokens",
                label="Tokens a day",
                help="At most what this installation allows.",
                is_required=False,
            ),
        ),
        reach=Reach.TWO_WAY,
        honest="Writes texts from placeholders: names, addresses and numbers of people are not sent.",
        limits=Limits(at_once=6),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.llm.chat.check",
    )
)
