"""The two doors of tracking: Django's view, and the fast door in front of it. The same client for both."""

from collections.abc import Callable, Coroutine
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts import api_keys, scoping
from apps.accounts.permissions import system
from apps.attribution.door import groups
from apps.attribution.door.app import Door
from apps.attribution.door.keys import KeyRing
from apps.attribution.door.requests import Reply, TrackingRequest

NAMES = ["django", "door"]


class AtOnce:
    """Settles each request as a group of one, in the test's own transaction."""

    async def settle(self, request: TrackingRequest) -> Reply:
        groups.admit([request])
        if request.is_open:
            groups.store([request], now=timezone.now())
        return request.reply


class DoorHandler:
    """What Django's test client asks: the ASGI application as a plain function, with Django behind it."""

    def __init__(self, behind: Callable[[Any], HttpResponse], keys: KeyRing) -> None:
        self.behind = behind
        self.door = Door(self._decline, AtOnce(), in_thread=_at_once, keys=keys)
        self.declined = 0

    def __call__(self, environ: dict[str, Any]) -> HttpResponse:
        before, sent = self.declined, []

        async def receive() -> dict[str, Any]:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        _run(self.door(scope_of(environ), receive, send))
        return self.behind(environ) if self.declined > before else _response(sent)

    async def _decline(self, *_: Any) -> None:
        self.declined += 1


class DoorClient(APIClient):
    """Sends what the fast door speaks through it, and all else to Django, as the web server does."""

    def __init__(self, *, keys: KeyRing | None = None, **defaults: Any) -> None:
        super().__init__(**defaults)
        self.handler = DoorHandler(self.handler, keys or KeyRing())


def client_of(door: str, workspace: Any, scopes: list[str], now: Any, **named: Any) -> APIClient:
    """A client of that door whose key has the given scopes in the workspace."""
    with scoping.workspace(workspace):
        issued = api_keys.issue(system(workspace.pk), name="test", scopes=scopes, now=now)
    client = DoorClient(**named) if door == "door" else APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.secret}")
    return client


def scope_of(environ: dict[str, Any]) -> dict[str, Any]:
    headers = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["HOST"] = environ.get("HTTP_HOST", environ["SERVER_NAME"])
    headers |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {
        "type": "http",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": environ["PATH_INFO"],
        "query_string": environ["QUERY_STRING"].encode(),
        "headers": [
            (name.lower().replace("_", "-").encode(), str(value).encode("latin-1"))
            for name, value in headers.items()
        ],
    }


def _response(sent: list[dict[str, Any]]) -> HttpResponse:
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    content = b"".join(message.get("body", b"") for message in bodies)
    response = HttpResponse(content, status=start["status"], headers=headers)
    response.wsgi_request = None  # the client looks for the URL patterns of a request here
    return response


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    """To its end, in this thread and without an event loop: nothing in it waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("something waited")


async def _at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)
