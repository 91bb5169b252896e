"""The one ASGI application: pages and API through Django, and before it the fast door of tracking."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, cast

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections, connections, reset_queries
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse, parse_cookie
from django.template.loader import render_to_string

from config.cross_origin import AnyOrigin

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# The only pages that take files; a large body elsewhere, such as at the sign-in, would only fill the disk.
UPLOADS = re.compile(r"/attribution/import/|/campaigns/audiences/[0-9a-f-]{36}/")
HOOKS = "/hooks/"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Refuse = Callable[[Send, int, str, str], Awaitable[None]]


class ThreadedHandler(ASGIHandler):
    """Django with all of its middleware and the view in one thread of a bounded pool.

    One hop a request instead of several.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await _in_pool(self._respond)(request)

    def create_request(self, scope: Mapping[str, Any], body_file: IO[bytes]) -> tuple[Any, Any]:
        """Of a body that came in chunks the length is known by now: who asks for it first, as REST framework
        and forms do, would take such a body for none.
        """
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            length = b"%d" % body_file.seek(0, os.SEEK_END)
            body_file.seek(0)
            scope = {**scope, "headers": [*scope["headers"], (b"content-length", length)]}
        return super().create_request(scope, body_file)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        close_old_connections()
        try:
            response = self.get_response(request)
            if isinstance(response, StreamingHttpResponse) and not response.is_async:
                content = cast(Iterator[bytes], response.streaming_content)
                response.streaming_content = _chunk_by_chunk(content)
            return response
        finally:
            close_old_connections()


async def _chunk_by_chunk(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """What a view streams, one chunk a hop: Django would read all of it into memory first."""
    chunks = iter(content)
    while (chunk := await _in_pool(next)(chunks, None)) is not None:
        yield chunk


def _in_pool(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    return sync_to_async(function, thread_sensitive=False, executor=_pool)


class BodyLimit:
    """Refuse a request body that is larger than its path may carry, before it fills the disk, and one that
    takes for ever. A large file is taken from who is signed in alone: whoever is not would fill the disk too.

    is_signed_in: whether that is so of a session, by its key.
    """

    def __init__(self, app: App, *, is_signed_in: Callable[[str], Awaitable[bool]] | None = None) -> None:
        self.app, self.is_signed_in = app, is_signed_in or _is_signed_in

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        headers = dict(scope["headers"])
        allowed = await self._allowed(scope, headers)
        refuse = _on_a_page if b"text/html" in headers.get(b"accept", b"") else _in_json
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > allowed.most_bytes:
            await refuse(send, *allowed.refusal)
            return
        received, is_whole = 0, False
        ends_at = asyncio.get_running_loop().time() + allowed.seconds

        async def counted() -> Message:
            nonlocal received, is_whole
            # Once it is whole there is nothing to come but word that the other side is gone.
            async with asyncio.timeout_at(None if is_whole else ends_at):
                message = await receive()
            received += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if received > allowed.most_bytes:
                raise _TooLarge
            return message

        try:
            await self.app(scope, counted, send)
        except _TooLarge:
            await refuse(send, *allowed.refusal)
        except TimeoutError:
            if is_whole:
                raise
            await refuse(send, 408, "too_slow", "The body took too long. Send it again.")

    async def _allowed(self, scope: Message, headers: dict[bytes, bytes]) -> "Allowed":
        if scope["path"].startswith(HOOKS):
            return Allowed(LARGEST_BODY, settings.BODY_SECONDS)
        if not _is_file(scope, headers):
            return Allowed(settings.API_BODY_MAX_BYTES, settings.BODY_SECONDS)
        if await self.is_signed_in(_session_of(scope)):
            return Allowed(settings.UPLOAD_MAX_BYTES, settings.UPLOAD_SECONDS)
        return Allowed(settings.API_BODY_MAX_BYTES, settings.BODY_SECONDS, is_for_others=True)


@dataclass(frozen=True)
class Allowed:
    """What a body may be here. is_for_others: who is signed in may send more."""

    most_bytes: int
    seconds: float
    is_for_others: bool = False

    @property
    def refusal(self) -> tuple[int, str, str]:
        if self.is_for_others:
            return 401, "not_signed_in", "Sign in, then send the file again."
        words = f"The body is larger than {self.most_bytes:,} bytes. Send it in smaller parts."
        return 413, "too_large", words


def _is_file(scope: Message, headers: dict[bytes, bytes]) -> bool:
    kind = headers.get(b"content-type", b"").lower()
    return bool(UPLOADS.fullmatch(scope["path"])) and kind.startswith(b"multipart/form-data")


def _session_of(scope: Message) -> str:
    told = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(told.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")


async def _is_signed_in(session_key: str) -> bool:
    def is_known() -> bool:
        return SESSION_KEY in SessionStore(session_key)

    return bool(session_key) and bool(await _with_connection(is_known))


class _TooLarge(Exception):
    pass


async def _in_json(send: Send, status: int, code: str, detail: str) -> None:
    body = json.dumps({"detail": detail, "code": code, "errors": {}})
    await _answer(send, status, b"application/json", body)


async def _on_a_page(send: Send, status: int, code: str, detail: str) -> None:
    said = {"status": status, "detail": detail}
    body = await asyncio.to_thread(render_to_string, "error.html", said)
    await _answer(send, status, b"text/html; charset=utf-8", body)


async def _answer(send: Send, status: int, kind: bytes, body: str) -> None:
    headers = [(b"content-type", kind), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


async def _lifespan(scope: Message, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(_committer.close)
            _aside.shutdown(wait=True)
            _pool.shutdown(wait=True)
            await asyncio.to_thread(_write_figures)
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _write_figures() -> None:
    metrics.flush()
    connections.close_all()


async def application(scope: Message, receive: Receive, send: Send) -> None:
    await (_lifespan if scope["type"] == "lifespan" else _web)(scope, receive, send)


async def _with_connection(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run it in the pool, with a connection that is given back."""

    def run() -> Any:
        close_old_connections()
        try:
            return function(*arguments)
        finally:
            close_old_connections()

    return await _in_pool(run)()


django.setup(set_prefix=False)
from django.contrib.auth import SESSION_KEY  # noqa: E402 - its models need Django set up
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402

from apps.attribution.door.app import Door  # noqa: E402
from apps.attribution.door.commit import Committer  # noqa: E402
from apps.integrations import metrics  # noqa: E402
from apps.integrations.inbound import LARGEST_BODY  # noqa: E402

# They close and reset per thread, which ThreadedHandler does in the thread that has the connection.
signals.request_started.disconnect(reset_queries)
signals.request_started.disconnect(close_old_connections)
signals.request_finished.disconnect(close_old_connections)
_pool = ThreadPoolExecutor(max_workers=settings.WEB_THREADS, thread_name_prefix="web")
# Tracking that somebody else's lock holds up waits here and not in the threads of the pages.
_aside = ThreadPoolExecutor(max_workers=8, thread_name_prefix="aside")
_committer = Committer(aside=_aside)
_django = cast(App, ThreadedHandler())
_web = AnyOrigin(BodyLimit(Door(_django, _committer, in_thread=_with_connection)))
