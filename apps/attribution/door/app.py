"""The door itself: the ASGI application that takes tracking requests from Django."""

from collections.abc import Awaitable, Callable
from os import urandom
from time import perf_counter
from typing import Any, Protocol

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.accounts import metrics
from apps.accounts.errors import DomainError, database_lost
from apps.accounts.permissions import Actor, may
from apps.attribution.door.keys import KeyRing
from apps.attribution.door.requests import Reply, TrackingRequest, refusal_of
from apps.attribution.door.speech import Heard, Message, Receive, body_of, standing_headers

log = structlog.get_logger(__name__)

DEEDS = {
    "/api/v1/attribution/track/event": "event",
    "/api/v1/attribution/track/conversion": "conversion",
    "/api/v1/attribution/track/batch": "batch",
    "/api/v1/attribution/identify": "identify",
}

Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Settler(Protocol):
    """Stores a request and says its reply: Committer, in the web server. Raises DomainError."""

    async def settle(self, request: TrackingRequest) -> Reply: ...


class Door:
    """Tracking requests with an API key are settled here, all others go to `otherwise`.

    in_thread: run a function that asks the database away from the event loop.
    """

    def __init__(
        self,
        otherwise: App,
        settler: Settler,
        *,
        in_thread: Callable[..., Awaitable[Any]],
        keys: KeyRing | None = None,
    ) -> None:
        self._otherwise = otherwise
        self._settler = settler
        self._in_thread = in_thread
        self._keys = keys or KeyRing()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in DEEDS:
            await self._otherwise(scope, receive, send)
            return
        began, heard = perf_counter(), Heard(scope)
        try:
            actor = await self._actor(heard)
        except DomainError as refusal:
            await self._answer(refusal_of(refusal), heard, send, began)
            return
        if actor is None or not may(actor, "tracking:write"):
            await self._otherwise(scope, receive, send)
        elif (body := await body_of(receive)) is not None:
            await self._answer(await self._reply(heard, actor, body), heard, send, began)

    async def _actor(self, heard: Heard) -> Actor | None:
        """Whom the key belongs to; None where the answer is Django's. Raises Unavailable."""
        secret = heard.key if heard.is_understood else None
        if not secret or self._keys.is_refused(secret):
            return None
        if known := self._keys.recall(secret):
            return known
        try:
            found: Actor | None = await self._in_thread(self._keys.look_up, secret)
        except (OperationalError, InterfaceError) as error:
            raise database_lost() from error
        return found

    async def _reply(self, heard: Heard, actor: Actor, body: bytes) -> Reply:
        request = TrackingRequest(
            deed=DEEDS[heard.scope["path"]],
            actor=actor,
            body=body,
            is_gzip=heard.is_gzip,
            received_at=timezone.now(),
        )
        try:
            return await self._settler.settle(request)
        except DomainError as refusal:
            return refusal_of(refusal)

    async def _answer(self, reply: Reply, heard: Heard, send: Send, began: float) -> None:
        request_id, route = urandom(16).hex(), heard.scope["path"][1:]
        headers = [
            *standing_headers(is_secure=heard.is_secure),
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-request-id", request_id.encode()),
            *((name.lower().encode(), value.encode()) for name, value in reply.headers.items()),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        seconds = perf_counter() - began
        metrics.observe(route=route, method="POST", status=reply.status, seconds=seconds)
        if reply.status >= 500:
            log.error("request", route=route, status=reply.status, request_id=request_id)
