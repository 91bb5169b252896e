"""What the door understands of HTTP, and the headers that Django's middleware would put on its answers."""

from collections.abc import Awaitable, Callable
from functools import cache, lru_cache
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Pairs = list[tuple[bytes, bytes]]

# They decide who takes the request; one that comes twice is for Django to judge.
DECISIVE = frozenset(
    {b"host", b"authorization", b"x-api-key", b"content-type", b"content-encoding", b"accept"}
)
JSON = "application/json"


class Heard:
    """A request's headers, as far as they decide who takes it."""

    def __init__(self, scope: Message) -> None:
        self.scope = scope
        self.headers: dict[bytes, str] = {}
        self.is_plain = True
        for name, value in scope["headers"]:
            if name in DECISIVE:
                self.is_plain = self.is_plain and name not in self.headers
                self.headers[name] = value.decode("latin-1")

    @property
    def is_understood(self) -> bool:
        """Whether it is JSON to a host of ours, without anything that only Django knows what to do with."""
        return (
            self.is_plain
            and not self.scope["query_string"]
            and self._says(b"content-type").partition(";")[0].strip().lower() == JSON
            and _takes_json(self._says(b"accept"))
            and _is_ours(self._says(b"host"), tuple(settings.ALLOWED_HOSTS))
            and (self.is_secure or not settings.SECURE_SSL_REDIRECT)
        )

    @property
    def is_gzip(self) -> bool:
        return self._says(b"content-encoding").lower() == "gzip"

    @property
    def is_secure(self) -> bool:
        """As HttpRequest.is_secure says it."""
        if settings.SECURE_PROXY_SSL_HEADER:
            name, secure = settings.SECURE_PROXY_SSL_HEADER
            wanted = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
            given = next((value for key, value in self.scope["headers"] if key == wanted), None)
            if given is not None:
                return bool(given.decode("latin-1").partition(",")[0].strip() == secure)
        return bool(self.scope.get("scheme") == "https")

    @property
    def key(self) -> str | None:
        """The API key, as WorkspaceMiddleware finds it."""
        scheme, _, token = self._says(b"authorization").partition(" ")
        if scheme.lower() == "bearer" and token:
            return token.strip()
        return self.headers.get(b"x-api-key")

    def _says(self, name: bytes) -> str:
        return self.headers.get(name, "")


async def body_of(receive: Receive) -> bytes | None:
    """The whole body; None when the caller went away before it was there."""
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return bytes(message.get("body", b""))
    parts: list[bytes] = []
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    return None


class _Dressed(HttpRequest):
    """A request of the kind whose answer is to be dressed."""

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self._scheme = scheme

    def _get_scheme(self) -> str:
        return self._scheme


@cache
def standing_headers(*, is_secure: bool) -> Pairs:
    """What every answer says, taken from Django's own middleware."""
    request = _Dressed("https" if is_secure else "http")
    answer = HttpResponse(content_type=JSON, headers={"Allow": "POST, OPTIONS"})
    XFrameOptionsMiddleware(_nobody).process_response(request, answer)
    CSPMiddleware(_nobody).process_response(request, answer)
    SecurityMiddleware(_nobody).process_response(request, answer)
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.items()]


def _nobody(request: HttpRequest) -> HttpResponse:
    """What middleware asks for an answer; here it is only to dress one."""
    raise NotImplementedError


@lru_cache(maxsize=1_000)
def _takes_json(accept: str) -> bool:
    """Only the plain cases; what weighs several types is for REST framework to choose."""
    kinds = [part.strip().lower() for part in accept.split(",")]
    return not accept or "*/*" in kinds or JSON in kinds


@lru_cache(maxsize=1_000)
def _is_ours(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)
